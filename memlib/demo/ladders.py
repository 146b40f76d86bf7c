"""What a ladder of noise levels brings on the demo: copies and different images for the forwards
that are spent, for few and many steps, different ends, and both samplers.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from memlib import load_denoiser, load_images
from memlib.bundled import DEMO
from memlib.denoisers import Denoiser
from memlib.evidence.unseen import Counts, can_come_back
from memlib.extraction import (
    UNCONDITIONAL,
    Attack,
    Generations,
    compared,
    generate_run,
    match,
    read_generations,
    training_set,
)
from memlib.extraction.matches import CRITERIA, TrainingSet
from memlib.neighbours import duplicates
from memlib.progress import Stages

BUDGET = 6_000  # network forwards of each ladder


@dataclass(frozen=True)
class Ladder:
    """`steps` noise levels from `high` to `low`, None for the model's own ends, and the sampler."""

    steps: int
    high: float | None = None
    low: float | None = None
    eta: float = 0.0
    order: int = 1

    @property
    def name(self) -> str:
        ends = f"{self.high:g}-{self.low:g}" if self.high and self.low else "all"
        order = "-order2" if self.order == 2 else ""
        return f"{self.steps}-{ends}-eta{self.eta:g}{order}"


LADDERS = (
    Ladder(50),
    Ladder(16, 60, 0.2),
    Ladder(10, 40, 0.3),
    Ladder(8, 30, 0.3),
    Ladder(6, 60, 0.5),
    Ladder(6, 30, 0.5),
    Ladder(6, 30, 0.3),
    Ladder(6, 20, 0.5),
    Ladder(5, 20, 0.5),
    Ladder(4, 20, 0.7),
    Ladder(16, 60, 0.2, 1.0),
    Ladder(10, 40, 0.3, 1.0),
    Ladder(8, 40, 0.3, 1.0),
    Ladder(6, 40, 0.3, 1.0),
    Ladder(6, 30, 0.5, 1.0),
    Ladder(12, 80, 0.3, 1.0),
    Ladder(10, 40, 0.3, 1.0, 2),
)


def write_ladders(target: Path, work: Path, stages: Stages) -> None:
    """Write a line for each ladder, each with as many images as BUDGET forwards draw.

    Generated images are kept in the folder `work`, so that a stopped run continues. In bfloat16,
    half the time where the CPU multiplies it. The 50 steps are those of the bundled run.
    """
    denoiser, images = load_denoiser("demo"), load_images("demo")
    training = training_set(images, duplicates(images))
    lines = []
    for one in LADDERS:
        found = drawn_by(one, denoiser, work, stages)
        lines.append(line_of(one, found, training))
        pd.DataFrame(lines).to_csv(target, index=False, float_format="%.4g")


def drawn_by(
    one: Ladder, denoiser: Denoiser, work: Path, stages: Stages, budget: int = BUDGET, seed: int = 0
) -> Generations:
    """Return the first images of a ladder that a budget of forwards draws."""
    count = budget // one.steps
    folder = DEMO / "extraction" / UNCONDITIONAL
    if one != LADDERS[0] or seed:
        folder = work / f"ladder-{one.name}-seed{seed}"
        with torch.autocast("cpu", torch.bfloat16):
            for done, total in generate_run(folder, denoiser, count, seed=seed, **asdict(one)):
                stages(folder.name)(done, total)
    found = read_generations(folder)
    return Generations(found.images.subset(range(count)), None, found.manifest)


def line_of(one: Ladder, found: Generations, training: TrainingSet) -> dict[str, object]:
    """Count the copies of a ladder, the different images, those it can find at least (Chao), and
    the copies of held-out images that the same test finds.
    """
    table = match(found, training)
    copy = CRITERIA["ratio"].holds(table["ratio"].to_numpy())
    attack = Attack.of(one.name, found, table, copy, training.groups)
    line = compared([attack]).iloc[0]
    times = np.unique(attack.image[attack.image >= 0].numpy(), return_counts=True)[1]
    counts = Counts(len(copy), times, len(torch.unique(training.groups[training.members])))
    forwards = one.steps * len(copy)
    return {
        "steps": one.steps,
        "from": one.high,
        "to": one.low,
        "eta": one.eta,
        "order": one.order,
        "images": len(copy),
        "forwards": forwards,
        **line[["copies", "share", "share from", "share to"]],
        "different": line["unique"],
        "different from": line["unique from"],
        "different to": line["unique to"],
        "copies per 10,000 forwards": 1e4 * line["copies"] / forwards,
        "different per 10,000 forwards": 1e4 * line["unique"] / forwards,
        "at least to find": can_come_back(counts).value,
        "false hits": int(CRITERIA["ratio"].holds(table["held_out_ratio"].to_numpy()).sum()),
    }

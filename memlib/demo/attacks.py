"""Attacks on the demo at equal cost: how many different images each one finds, seed by seed."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student

from memlib import load_denoiser, load_images
from memlib.demo.ladders import LADDERS, Ladder, drawn_by
from memlib.denoisers import Denoiser
from memlib.extraction import (
    Attack,
    Generations,
    generate_run,
    match,
    read_generations,
    read_manifest,
    training_set,
)
from memlib.extraction.attack_settings import SEARCH
from memlib.extraction.matches import CRITERIA, TrainingSet
from memlib.extraction.seeking.suspects import suspects
from memlib.neighbours import duplicates
from memlib.progress import Stages

BUDGET, SEEDS = 24_000, (0, 1, 2)  # network forwards of each run
POINTS = 12  # of each curve
PLAIN, FIRST, SECOND, SOUGHT = (
    "unconditional, 50 steps",
    "unconditional, best ladder",
    "unconditional, best ladder, second order",
    "different images",
)
LADDER, STEEPER = Ladder(10, 40, 0.3, 1.0), Ladder(10, 40, 0.3, 1.0, 2)  # the best of ladders.csv
LISTED = (25, 50, 100, 200)  # lengths of lists of suspects


@dataclass(frozen=True)
class Run:
    """A run of one method and seed, matched with the demo: its images, what each copies, -1 for
    none, and what the same test calls copies of held-out images.
    """

    method: str
    seed: int
    attack: Attack
    false: np.ndarray
    near: torch.Tensor  # the image within 0.1 of each

    @classmethod
    def of(cls, method: str, seed: int, found: Generations, training: TrainingSet) -> "Run":
        table = match(found, training)
        copy, near = (
            CRITERIA[name].holds(table[name].to_numpy()) for name in ("ratio", "distance")
        )
        false = CRITERIA["ratio"].holds(table["held_out_ratio"].to_numpy())
        attack = Attack.of(method, found, table, copy, training.groups)
        within = Attack.of(method, found, table, near, training.groups)
        return cls(method, seed, attack, false, within.image)

    def line(self, forwards: int) -> dict[str, object]:
        """Count what was found with so many forwards."""
        count = int((self.attack.evaluations() <= forwards).sum())
        image, near = self.attack.image[:count], self.near[:count]
        return {
            "method": self.method,
            "seed": self.seed,
            "forwards": forwards,
            "images": count,
            "copies": int(self.attack.copy[:count].sum()),
            "different": len(torch.unique(image[image >= 0])),
            "different within 0.1": len(torch.unique(near[near >= 0])),
            "false hits": int(self.false[:count].sum()),
        }

    def listed(self) -> Iterator[dict[str, object]]:
        """Judge the list of suspects of all images: the share of its first lines that are copies,
        or within 0.1 of a training image.
        """
        order = suspects(self.attack.generations.images)["number"].to_numpy()
        for length in LISTED:
            chosen = order[:length]
            yield {
                "method": self.method,
                "seed": self.seed,
                "suspects": length,
                "copies": float(self.attack.copy[chosen].mean()),
                "within 0.1": float((self.near[chosen] >= 0).float().mean()),
                "different": len(torch.unique(self.attack.image[chosen])) - 1,
                "false hits": int(self.false[chosen].sum()),
            }


def write_attacks(target: Path, work: Path, stages: Stages) -> None:
    """Write the curves of every method and seed to `target`, and the precision of the lists of
    suspects beside it, `suspects.csv`.

    Generated images are kept in the folder `work`, so that a stopped run continues; in bfloat16,
    half the time where the CPU multiplies it. The 50 steps are those of the bundled run.
    """
    denoiser, images = load_denoiser("demo"), load_images("demo")
    training = training_set(images, duplicates(images))
    runs = []
    for seed in SEEDS:
        for method, one in ((FIRST, LADDER), (SECOND, STEEPER)):
            drawn = drawn_by(one, denoiser, work, stages, BUDGET, seed)
            runs.append(Run.of(method, seed, drawn, training))
        runs.append(Run.of(SOUGHT, seed, sought(denoiser, work, stages, seed), training))
        if not seed:
            plain = drawn_by(LADDERS[0], denoiser, work, stages, BUDGET)
            runs.append(Run.of(PLAIN, seed, plain, training))
        sizes = [BUDGET * k // POINTS for k in range(1, POINTS + 1)]
        curves = pd.DataFrame([run.line(size) for run in runs for size in sizes])
        curves.to_csv(target, index=False)
        lists = pd.DataFrame([line for run in runs if run.method != PLAIN for line in run.listed()])
        lists.to_csv(target.with_name("suspects.csv"), index=False, float_format="%.3g")


def sought(denoiser: Denoiser, work: Path, stages: Stages, seed: int) -> Generations:
    """Return the images of the search for different ones, until the budget is spent."""
    folder = work / f"seek-seed{seed}"
    if not (folder / "manifest.json").exists() or _spent(folder) < BUDGET:
        with torch.autocast("cpu", torch.bfloat16):
            for _ in generate_run(folder, denoiser, BUDGET, seed=seed, **SEARCH):
                stages(folder.name)(min(BUDGET, _spent(folder)), BUDGET)
                if _spent(folder) >= BUDGET:
                    break
    return read_generations(folder)


def _spent(folder: Path) -> int:
    return sum(read_manifest(folder)["spent"])


def ratio(curves: pd.DataFrame, one: str, other: str, column: str) -> tuple[float, float, float]:
    """Return how many times as many different images `one` method finds as the other at the end,
    the geometric mean over seeds, and its 95% interval (Student's t of the logarithms).
    """
    last = curves[curves["forwards"] == curves["forwards"].max()]
    counts = last.pivot(index="seed", columns="method", values=column)[[one, other]].dropna()
    logs = np.log(counts[one] / counts[other]).to_numpy()
    middle = float(logs.mean())
    if len(logs) < 2:
        return math.exp(middle), 0.0, math.inf
    half = float(student.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs)))
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)

"""SIDE on the demo: the runs the extraction page opens with, and the curve over strength and cohesion."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from memlib import load_denoiser, load_images
from memlib.denoisers import UNetDenoiser
from memlib.extraction import (
    UNCONDITIONAL,
    Attack,
    Surrogate,
    compared,
    fit_surrogate,
    generate_run,
    load_surrogate,
    match,
    pack,
    read_generations,
    training_set,
)  # fmt: skip
from memlib.extraction.matches import CRITERIA
from memlib.neighbours import duplicates

UNGUIDED, OWN, GUIDED, SWEPT = 4096, 2048, 1024, 256  # images
CLUSTERS, COHESION, STRENGTH, UPDATES = 100, 0.95, 10.0, 1000
STRENGTHS, COHESIONS = (1.0, 3.0, 10.0, 30.0), (0.5, 0.95)
BITS = 5  # a channel, of the bundled images

Say = Callable[[str], None]


def attack(target: Path, work: Path, say: Say) -> None:
    """Draw the unconditional run, SIDE and permuted labels, and pack them into `target`; finished parts in `work` are kept."""
    denoiser = load_denoiser("demo")
    draw(work / UNCONDITIONAL, denoiser, UNGUIDED, say)
    for kind in ("side", "permuted"):
        guided = surrogate(denoiser, work, kind, COHESION, say)
        draw(work / kind, denoiser, GUIDED, say, guided, STRENGTH)
    for name in (UNCONDITIONAL, "side", "permuted"):
        pack(work / name, target / name, BITS)
    surrogate(denoiser, work, "side", COHESION, say).save(target / "side", half=True)


def draw(folder: Path, denoiser: UNetDenoiser, n: int, say: Say, guided: Surrogate | None = None, strength: float = 0.0) -> None:
    """A run of n images. Guided ones are numbered after the surrogate's own images: the same starting noise as unconditional images it has not seen."""
    for done, total in generate_run(folder, denoiser, n, surrogate=guided, strength=strength, first=OWN if guided else 0):
        say(f"{folder.name}: {done} of {total} images")


def surrogate(denoiser: UNetDenoiser, work: Path, kind: str, cohesion: float, say: Say) -> Surrogate:
    """Fitted to the first unconditional images, its weights rounded to half precision as they are bundled."""
    folder = work / f"surrogate-{kind}-{cohesion:g}"
    if not (folder / "surrogate.json").exists():
        own = read_generations(work / UNCONDITIONAL).images.batch(range(OWN))

        def report(done: int, total: int) -> None:
            if done % 100 == 0:
                say(f"{folder.name}: {done} of {total} updates")

        fit_surrogate(
            denoiser, own, clusters=CLUSTERS, cohesion=cohesion, kind=kind, updates=UPDATES, folder=folder, callback=report
        ).save(folder, half=True)  # fmt: skip
    return load_surrogate(folder, denoiser)


def sweep(target: Path, work: Path, say: Say) -> None:
    """The curve over strength, for the paper's threshold and a tighter one, and the other kinds of guidance, from the same starting noise."""
    denoiser, images = load_denoiser("demo"), load_images("demo")
    training = training_set(images, duplicates(images))
    plan = [("side", cohesion, strength) for cohesion in COHESIONS for strength in STRENGTHS]
    plan += [(kind, COHESION, STRENGTH) for kind in ("permuted", "time-independent", "distilled")]
    runs = {("side", cohesion, 0.0): work / UNCONDITIONAL for cohesion in COHESIONS}
    for kind, cohesion, strength in plan:
        folder = work / f"sweep-{kind}-{cohesion:g}-{strength:g}"
        draw(folder, denoiser, SWEPT, say, surrogate(denoiser, work, kind, cohesion, say), strength)
        runs[kind, cohesion, strength] = folder
    lines = []
    for (kind, cohesion, strength), folder in runs.items():
        found = read_generations(folder)
        first = OWN if strength == 0 else 0
        table = match(found, training).iloc[first : first + SWEPT]
        copy = CRITERIA["ratio"].holds(table["ratio"].to_numpy())
        one = compared([Attack.of(kind, found, table, copy, training.groups)], n=SWEPT).iloc[0].drop("network forwards")
        lines.append({"cohesion": cohesion, "strength": strength, **one})
    target.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(lines).sort_values(["method", "cohesion", "strength"]).to_csv(target / "strengths.csv", index=False, float_format="%.4g")

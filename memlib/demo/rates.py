"""Reproduction rates of the demo: the counted truth, and the estimates of a stratified sample."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from memlib import ImageSet, load_denoiser, load_images
from memlib.bundled import DEMO
from memlib.evidence import (
    REPRODUCED,
    clusters,
    comparisons,
    interval,
    match_samples,
    measure_table,
    quality,
    reproductions,
    rungs,
)
from memlib.evidence.draws import Agreement, Draws, rates_and_counts
from memlib.extraction import UNCONDITIONAL, generate_run, plan_of, read_generations
from memlib.measures import MEASURES
from memlib.neighbours import duplicates
from memlib.progress import Stages
from memlib.runs import read_numbers, read_run

COUNTED = 16_384  # draws of the stochastic sampler
WITHIN = 0.15  # distances that are stored; a copy is below 0.1
FOLDER, RUN = DEMO / "stochastic", DEMO / "runs" / "reproduction-rate"
# images of each kind whose rate is estimated; rates of all would take a day on a laptop
TAKEN = {
    "copied x32": 8,
    "copied x16": 8,
    "copied x8": 8,
    "copied x4": 4,
    "copied x2": 2,
    "family x6": 16,
    "single x1": 4,
    "held-out x0": 12,
}


def count_draws(target: Path, work: Path, stages: Stages) -> None:
    """Draw COUNTED images, and store in `target` which training images each is near.

    The generated images stay in `work`, where a stopped run continues.
    """
    denoiser, images = load_denoiser("demo"), load_images("demo")
    # half the time where the CPU multiplies bfloat16; D moves by 0.005 (root mean square, at sigma
    # 2), where a copy is within 0.1
    with torch.autocast("cpu", torch.bfloat16):
        for done, total in generate_run(work, denoiser, COUNTED, eta=1.0):
            stages("stochastic draws")(done, total)
    drawn = read_generations(work).images
    Draws.of(drawn, images, WITHIN).write(target, asdict(plan_of(denoiser, eta=1.0)))


def rate_sample(images: ImageSet) -> tuple[list[int], np.ndarray]:
    """Choose the images whose rate is estimated; return their places, in order, and how many images
    of their kind each represents.

    TAKEN of each kind are chosen at random (seed 0).
    """
    kinds, generator = rungs(images), np.random.default_rng(0)
    chosen: dict[int, float] = {}
    for kind, taken in TAKEN.items():
        places = np.flatnonzero(kinds == kind)
        for place in generator.choice(places, taken, replace=False).tolist():
            chosen[place] = len(places) / taken
    order = sorted(chosen)
    return order, np.array([chosen[place] for place in order])


def copies_of_both(images: ImageSet) -> str:
    """Say how many pictures of the stochastic sampler are copies, and of the deterministic one."""
    draws, _ = Draws.read(FOLDER)
    tolerance = MEASURES["reproduction_rate"].settings.parameters["tolerance"]
    plain = read_generations(DEMO / "extraction" / UNCONDITIONAL).images
    copied = reproductions(match_samples(plain, images), len(images), "distance", tolerance)
    share = draws.credited(images, tolerance).sum() / draws.count
    return (
        f"{share:.1%} of the {draws.count:,} pictures of the stochastic sampler are copies, "
        f"{copied.sum() / len(plain):.1%} of the {len(plain):,} of the deterministic one"
    )


def rate_table() -> pd.DataFrame:
    """Compare estimated rates with counts: a line for each kind of image, and one for all.

    A line holds the images estimated; of those drawn at least 10 times, how many intervals overlap
    the counts' and by how many decades the median estimate is off, how many limits allow the
    count, and how many of the images that were never drawn have an upper end below 1e-3. A
    generated image is a copy of every image within 0.1 of it.
    """
    images, (draws, _) = load_images("demo"), Draws.read(FOLDER)
    tolerance = MEASURES["reproduction_rate"].settings.parameters["tolerance"]
    times = draws.times(images, tolerance)
    table = rates_and_counts(read_run(RUN)[1], images, times, draws.count)
    kinds = rungs(images)
    lines = []
    for kind in [*TAKEN, "all"]:
        chosen = table if kind == "all" else table[kinds[table["place"]] == kind]
        found = Agreement.of(chosen)
        rare = chosen[chosen["times"] == 0]
        lines.append(
            {
                "images": kind,
                "estimated": len(chosen),
                "drawn often": found.images if found else 0,
                "estimates": found.estimates if found else 0,
                "intervals overlap": found.overlapping if found else 0,
                "limits that hold": f"{found.holding} of {found.limits}" if found else "",
                "median error, decades": round(found.error, 2) if found else "",
                "median width, decades": round(found.width, 2) if found else "",
                "never drawn": len(rare),
                "upper end below 1e-3": int((rare["rate high"] < 1e-3).sum()),
            }
        )
    return pd.DataFrame(lines)


def rate_quality() -> pd.DataFrame:
    """How well the rate and the other measures rank the sample's images that came back among the
    stochastic draws, weighted by how many images of their kind each stands for.
    """
    denoiser, images = load_denoiser("demo"), load_images("demo")
    draws, _ = Draws.read(FOLDER)
    tolerance = MEASURES["reproduction_rate"].settings.parameters["tolerance"]
    values, _ = measure_table(denoiser, images, read_numbers(DEMO / "runs"))
    groups = duplicates(images)
    sides = comparisons(images, draws.times(images, tolerance), groups)[REPRODUCED]
    places, standing = rate_sample(images)
    weights = np.zeros(len(images))
    weights[places] = standing
    table = quality(denoiser, values, *sides, clusters(images, groups), weights)
    areas = [interval(*line) for line in table[["AUC", "low", "high"]].to_numpy().tolist()]
    sides_of = [f"{one:,} and {other:,}" for one, other in table[["above", "below"]].to_numpy()]
    return pd.DataFrame({"measure": table["title"], "AUC": areas, "images": sides_of})

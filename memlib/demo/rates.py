"""Reproduction rates of the demo: the counted truth, and the estimates of a stratified sample."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from memlib import ImageSet, load_denoiser, load_images
from memlib.bundled import DEMO
from memlib.evidence import rungs
from memlib.evidence.draws import Draws
from memlib.extraction import generate_run, plan_of, read_generations
from memlib.progress import Stages

COUNTED = 16_384  # draws of the stochastic sampler
WITHIN = 0.15  # distances that are kept; a copy is below 0.1
FOLDER = DEMO / "stochastic"
# images of each kind whose rate is estimated; rates of all would take a day on a laptop
TAKEN = {
    "copied x32": 8,
    "copied x16": 8,
    "copied x8": 8,
    "copied x4": 4,
    "copied x2": 2,
    "family x6": 16,
    "single x1": 20,
    "held-out x0": 20,
}


def count_draws(target: Path, work: Path, stages: Stages) -> None:
    """Draw COUNTED pictures, and keep in `target` which images each came near.

    The pictures stay in `work`, where a drawing that was stopped goes on.
    """
    denoiser, images = load_denoiser("demo"), load_images("demo")
    for done, total in generate_run(work, denoiser, COUNTED, eta=1.0):
        stages("stochastic draws")(done, total)
    drawn = read_generations(work).images
    Draws.of(drawn, images, WITHIN).write(target, asdict(plan_of(denoiser, eta=1.0)))


def rate_sample(images: ImageSet) -> tuple[list[int], np.ndarray]:
    """Choose the images whose rate is estimated: their places, in order, and how many images of
    their kind each stands for.

    From each kind TAKEN are chosen at random (seed 0).
    """
    kinds, generator = rungs(images), np.random.default_rng(0)
    chosen: dict[int, float] = {}
    for kind, taken in TAKEN.items():
        places = np.flatnonzero(kinds == kind)
        for place in generator.choice(places, taken, replace=False).tolist():
            chosen[place] = len(places) / taken
    order = sorted(chosen)
    return order, np.array([chosen[place] for place in order])

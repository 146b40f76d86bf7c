"""What comes back: the pictures drawn from the model, and which of them are copies of what."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from memlib import ImageSet
from memlib.evidence import Remembered, reproductions
from memlib.extraction import CRITERIA, UNCONDITIONAL, Generations
from memlib.workspace import Workspace
from pages.session import neighbours
from pages.session import results as computed

USUAL = "ratio"  # what calls a picture a copy unless something else is asked for


@dataclass(frozen=True)
class Truth:
    """The pictures drawn, how many are copies of each image (N,), and what was asked: which run,
    and what is called a copy.
    """

    samples: ImageSet
    counts: np.ndarray
    asked: dict[str, Any]


def unguided(loaded: Workspace) -> Generations | None:
    """The run of most pictures drawn without guidance; None where there is none."""
    found = next(iter(neighbours.runs(loaded).values()), None)
    return found if found is not None and found.method == UNCONDITIONAL else None


def usual_truth(loaded: Workspace) -> Truth | None:
    """What the pictures drawn without guidance say, by the usual criterion of a copy; the evidence
    page opens with it. None where nothing was drawn.
    """
    name, run = next(iter(neighbours.runs(loaded).items()), ("", None))
    if run is None or run.method != UNCONDITIONAL:
        return None
    cut = CRITERIA[USUAL].threshold
    counts = reproductions(neighbours.matches(loaded, run.images), len(loaded.images), USUAL, cut)
    asked = {"drawn": name, "samples": len(run), "criterion": USUAL, "threshold": cut}
    return Truth(run.images, counts, asked)


def remembered(loaded: Workspace, truth: Truth) -> Remembered:
    """The same in near-duplicate groups."""

    def make() -> Remembered:
        return Remembered(
            len(truth.samples),
            truth.counts,
            neighbours.near_duplicates(loaded),
            ~loaded.images.held_out,
        )

    key = ("remembered", loaded.images.digest, truth.samples.digest, truth.counts.tobytes())
    return computed.once((*key, loaded.images.held_out.tobytes()), make)

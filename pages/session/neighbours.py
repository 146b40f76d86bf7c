"""What stands near an image: its near-duplicates in the image set, and the pictures the model
drew, which may be copies of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from torch import Tensor

from memlib import ImageSet, nearest
from memlib.audit.lookalikes import lookalikes
from memlib.evidence import (
    Remembered,
    held_out,
    match_samples,
    reproductions,
    stored_matches,
)
from memlib.extraction import CRITERIA, UNCONDITIONAL, Generations
from memlib.neighbours import NEAR_DUPLICATE, duplicates
from memlib.workspace import Workspace
from pages.session import results as computed
from pages.session import stored_runs as attacks

USUAL = "ratio"  # what calls a picture a copy unless something else is asked for
Nearest = tuple[np.ndarray, np.ndarray]  # positions and distances, nearest first


def runs(loaded: Workspace) -> dict[str, Generations]:
    """Every stored run that drew from the loaded model, by what it is; unconditional ones first,
    the largest of them at the head. The few model samples of a small attack are left out.
    """
    found: dict[str, Generations] = {}
    for name, folder in attacks.stored_runs(loaded).items():
        try:
            run = attacks.generations_of(str(folder), attacks.stamp(folder))
        except ValueError:
            continue  # empty or damaged: the extraction page says so
        if run.method == UNCONDITIONAL and not run.counts:
            continue
        title = attacks.title(run.manifest)
        found[title if title not in found else f"{title} ({name})"] = run

    def place(item: tuple[str, Generations]) -> int:
        return -len(item[1]) if item[1].method == UNCONDITIONAL else 0

    return dict(sorted(found.items(), key=place))


def generations(loaded: Workspace) -> dict[str, ImageSet]:
    """The pictures of `runs`."""
    return {name: run.images for name, run in runs(loaded).items()}


def drawn(folder: Path) -> ImageSet | None:
    """Return the images in a run's folder, None if there are none yet."""
    try:
        return attacks.generations_of(str(folder), attacks.stamp(folder)).images
    except ValueError:
        return None


def matches(loaded: Workspace, samples: ImageSet) -> pd.DataFrame:
    """Return each generated image's nearest training images, and the numbers by which it is called
    a copy.
    """
    return _matches(
        samples, loaded, samples.digest, loaded.images.digest, held_out(loaded.images).tobytes()
    )


@st.cache_data(max_entries=8, show_spinner="Matching the generated images with the training images")
def _matches(
    _samples: ImageSet, _loaded: Workspace, samples: str, images: str, others: bytes
) -> pd.DataFrame:
    stored = stored_matches.stored_matches(_samples, _loaded.images, stored_matches.FOLDER)
    if stored is not None:
        return stored
    return match_samples(_samples, _loaded.images, near_duplicates(_loaded))


@dataclass(frozen=True)
class Alike:
    """What counts as a near-duplicate: images whose "pixels" differ by at most a root mean square
    `threshold`, or whose "looks" differ in at most `threshold` bits of a hash.
    """

    by: str
    threshold: float
    mirrored: bool


def groups(loaded: Workspace, alike: Alike) -> np.ndarray:
    """Return the near-duplicate group of each image, (N,): the smallest index in it."""
    return _groups(loaded.images, loaded.images.digest, alike.by, alike.threshold, alike.mirrored)


def near_duplicates(loaded: Workspace) -> Tensor:
    """Return the near-duplicate group of each image, (N,), at the default threshold."""
    return attacks.groups_of(loaded.images.digest, NEAR_DUPLICATE, False, loaded.images)


@st.cache_data(max_entries=8, show_spinner="Looking for near-duplicates")
def _groups(
    _images: ImageSet, images: str, by: str, threshold: float, mirrored: bool
) -> np.ndarray:
    return (
        lookalikes(_images, int(threshold))
        if by == "looks"
        else np.asarray(duplicates(_images, threshold, mirrored))
    )


def closest(
    images: ImageSet, indices: Sequence[int], pool: ImageSet, count: int
) -> dict[int, Nearest]:
    """Return the `count` images of `pool` closest to each of the images; what was looked up before
    is remembered for all sessions.
    """
    known = _closest(pool.digest, count)
    missing = [index for index in dict.fromkeys(indices) if images.ids[index] not in known]
    if missing:
        found = nearest(images.batch(missing), pool, min(count, len(pool)))
        for index, places, distances in zip(
            missing, found.index.numpy(), found.distance.numpy(), strict=True
        ):
            known[images.ids[index]] = (places, distances)
    return {index: known[images.ids[index]] for index in indices}


@st.cache_resource(max_entries=8, show_spinner=False)
def _closest(pool: str, count: int) -> dict[str, Nearest]:
    return {}


def is_known(images: ImageSet, index: int, pool: ImageSet, count: int) -> bool:
    """Whether `closest` would look nothing up for this image."""
    return images.ids[index] in _closest(pool.digest, count)


@dataclass(frozen=True)
class Truth:
    """A run of pictures drawn, how many are copies of each image (N,), and what was asked: which
    run, and what is called a copy.
    """

    run: Generations
    counts: np.ndarray
    asked: dict[str, Any]

    @property
    def samples(self) -> ImageSet:
        return self.run.images


def unguided(loaded: Workspace) -> tuple[str, Generations] | None:
    """The run of most pictures drawn without guidance and what it is called; None where there is
    none.
    """
    name, run = next(iter(runs(loaded).items()), ("", None))
    return None if run is None or run.method != UNCONDITIONAL else (name, run)


def usual_truth(loaded: Workspace) -> Truth | None:
    """What the pictures drawn without guidance say, by the usual criterion of a copy; the evidence
    page opens with it. None where nothing was drawn.
    """
    found = unguided(loaded)
    if found is None:
        return None
    name, run = found
    cut = CRITERIA[USUAL].threshold
    counts = reproductions(matches(loaded, run.images), len(loaded.images), USUAL, cut)
    asked = {"drawn": name, "samples": len(run), "criterion": USUAL, "threshold": cut}
    return Truth(run, counts, asked)


def remembered(loaded: Workspace, truth: Truth) -> Remembered:
    """The same in near-duplicate groups."""

    def make() -> Remembered:
        return Remembered(
            len(truth.samples),
            truth.counts,
            near_duplicates(loaded),
            ~loaded.images.held_out,
            guided=truth.run.method != UNCONDITIONAL,
        )

    key = ("remembered", loaded.images.digest, truth.samples.digest, truth.counts.tobytes())
    return computed.once((*key, truth.run.method, loaded.images.held_out.tobytes()), make)

"""Generated images compared with the training set: nearest images, and the criteria of a copy."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from memlib.extraction.generations import Generations
from memlib.images import ImageSet
from memlib.neighbours import (
    COPY_RATIO,
    Describer,
    Neighbours,
    adaptive_ratio,
    match_ratio,
    nearest,
    surroundings,
)
from memlib.progress import Progress


@dataclass(frozen=True)
class Criterion:
    """A criterion of a copy: a number below (or, for a similarity, above) a threshold."""

    title: str
    threshold: float
    below: bool
    definition: str

    def holds(self, values: np.ndarray, threshold: float | None = None) -> np.ndarray:
        cut = self.threshold if threshold is None else threshold
        found: np.ndarray = values < cut if self.below else values > cut
        return found


CRITERIA = {
    "ratio": Criterion(
        "Nearest over second nearest",
        COPY_RATIO,
        True,
        "Distance to the nearest training image over the distance to the second nearest; "
        "near-duplicates count as one image. Below 1/3 it is usually called a copy (Yoon et al. "
        "2023).",
    ),
    "distance": Criterion(
        "Distance",
        0.1,
        True,
        "Root mean square difference per value to the nearest training image; black is -1 and "
        "white 1.",
    ),
    "adaptive": Criterion(
        "Adaptive ratio",
        1.0,
        True,
        "Distance to the nearest training image "
        "over half the mean distance of that image "
        "to its 50 nearest others. At most 1 is "
        "called extracted (Carlini et al. 2023).",
    ),
    "adaptive_query": Criterion(
        "Adaptive ratio, centred on the generated image",
        1.0,
        True,
        "The same with the mean distance of the "
        "generated image to "
        "its own 50 nearest training images.",
    ),
    "sscd": Criterion(
        "SSCD",
        0.5,
        False,
        "Cosine similarity of copy-detection features; above "
        "0.5 is called a replication (Somepalli et al. 2023), "
        "above 0.75 a copy with 90% precision on the authors' "
        "own benchmark.",
    ),
}


@dataclass(frozen=True)
class TrainingSet:
    """The distinct training images and held-out images, by their places in an image set, and the
    near-duplicates among them.
    """

    images: ImageSet
    members: Tensor
    others: Tensor  # held out; may be empty
    groups: Tensor  # (N,) over the whole image set

    @property
    def digest(self) -> str:
        """The hash of the images and of which are members; the digest of the image set covers only
        the former.
        """
        return hashlib.sha256(
            self.images.digest.encode() + self.members.numpy().tobytes()
        ).hexdigest()[:16]

    def subset(self, places: Tensor) -> ImageSet:
        return self.images.subset(places.tolist())


def training_set(images: ImageSet, groups: Tensor) -> TrainingSet:
    """Split a set into training images and held-out images; of equal images only the first
    counts.
    """
    first = {identity: place for place, identity in reversed(list(enumerate(images.ids)))}
    distinct = [place for place, identity in enumerate(images.ids) if first[identity] == place]
    held_out = images.held_out
    return TrainingSet(
        images,
        torch.tensor([place for place in distinct if not held_out[place]], dtype=torch.long),
        torch.tensor([place for place in distinct if held_out[place]], dtype=torch.long),
        groups,
    )


def match(
    generations: Generations,
    training: TrainingSet,
    *,
    mirrored: bool = False,
    sscd: Describer | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Make one line per generated image: number, cluster, its nearest and second nearest training
    image and every number of CRITERIA.

    `nearest` and `second` are places in the image set, the second from another near-duplicate
    group. If there are held-out images, `held_out_ratio` and `held_out_distance` are the same
    numbers against them, which give the false positives; `control.same_test` says what the test
    finds among as many training images.
    """
    queries = generations.images.batch(range(len(generations)))
    plan = generations.plan
    table = pd.DataFrame(
        {
            "number": np.arange(len(queries)) + (plan.first if plan else 0),
            "name": generations.images.names,
            "id": generations.images.ids,
        }
    )
    if plan is not None:
        table["seed"] = plan.seed
    if generations.clusters is not None:
        table["cluster"] = generations.clusters.numpy()
    members = training.subset(training.members)
    found = _nearest(queries, members, training.groups[training.members], mirrored)
    table["nearest"], table["second"] = (
        training.members[found.index[:, column]].numpy() for column in (0, 1)
    )
    table["mirrored"] = found.mirrored[:, 0].numpy()
    table["distance"], table["second_distance"] = (
        found.distance[:, column].numpy() for column in (0, 1)
    )
    table["ratio"] = match_ratio(found).numpy()
    if progress:
        progress(0.4, 1)
    table["adaptive"] = adaptive_ratio(queries, members, found).numpy()
    table["adaptive_query"] = adaptive_ratio(queries, members, found, center="query").numpy()
    if progress:
        progress(0.7, 1)
    if sscd is not None:
        table["sscd"] = 1 - nearest(queries, members, 1, metric=sscd).distance[:, 0].numpy()
    if len(torch.unique(training.groups[training.others])) > 1:
        held_out = training.subset(training.others)
        other = _nearest(queries, held_out, training.groups[training.others], mirrored)
        table["held_out_ratio"] = match_ratio(other).numpy()
        table["held_out_distance"] = other.distance[:, 0].numpy()
    return table


def _nearest(queries: Tensor, images: ImageSet, groups: Tensor, mirrored: bool) -> Neighbours:
    if len(torch.unique(groups)) < 2:
        raise ValueError(
            "There must be at least two different training images to compare a nearest with a "
            "second nearest."
        )
    return nearest(queries, images, 2, mirrored=mirrored, groups=groups)


def copied_image(table: pd.DataFrame, copy: np.ndarray, groups: Tensor) -> Tensor:
    """Return the near-duplicate group that each generated image copies, -1 if it is not a copy."""
    return torch.where(torch.tensor(copy), groups[torch.tensor(table["nearest"].to_numpy())], -1)


def similarities(
    generations: Generations, training: TrainingSet, kind: str = "distance", block: int = 256
) -> Iterator[Tensor]:
    """Yield gamma of every generated against every distinct training image, in blocks of rows
    (B, N), for AMS and UMS.

    "distance": minus the root mean square difference. "adaptive": minus the distance over half the
    mean distance of the training image to its 50 nearest others. Negative, since gamma grows with
    similarity: the band of distances (a, b] is [-b, -a).
    """
    members = training.subset(training.members)
    flat = members.batch(range(len(members))).flatten(1)
    scale = (
        0.5 * surroundings(members).clamp(min=1e-12)
        if kind == "adaptive"
        else torch.ones(len(members))
    )
    for start in range(0, len(generations), block):
        rows = generations.images.batch(range(start, min(len(generations), start + block))).flatten(
            1
        )
        yield (
            -torch.cdist(rows, flat, compute_mode="donot_use_mm_for_euclid_dist")
            / flat.shape[1] ** 0.5
            / scale
        )

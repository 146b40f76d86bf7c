"""Ground truth: which training images come back in pictures drawn from the model, and how often."""

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest
from torch import Tensor

from memlib.extraction.matches import CRITERIA, training_set
from memlib.images import ImageSet
from memlib.neighbours import duplicates, match_ratio, nearest


def held_out(images: ImageSet) -> np.ndarray:
    """True (N,) for images of the group called held-out: they were not trained on."""
    return images.held_out


def match_samples(
    samples: ImageSet, images: ImageSet, groups: Tensor | None = None
) -> pd.DataFrame:
    """Each generated picture's nearest training image, and its nearest in another near-duplicate
    group: distances and their ratio.

    The part of `extraction.match` that the ground truth needs; `groups` are `duplicates(images)`.
    """
    training = training_set(images, duplicates(images) if groups is None else groups)
    if len(torch.unique(training.groups[training.members])) < 2:
        raise ValueError("Matching needs at least two different training images.")
    queries, members = samples.batch(range(len(samples))), training.subset(training.members)
    found = nearest(queries, members, 2, groups=training.groups[training.members])
    columns = {
        "nearest": training.members[found.index[:, 0]],
        "second": training.members[found.index[:, 1]],
    }
    numbers = {
        "distance": found.distance[:, 0],
        "second_distance": found.distance[:, 1],
        "ratio": match_ratio(found),
    }
    return pd.DataFrame({name: values.numpy() for name, values in (columns | numbers).items()})


def copied(
    matches: pd.DataFrame, criterion: str = "ratio", threshold: float | None = None
) -> np.ndarray:
    """The place of the image each generated picture is a copy of, -1 where it is none; by a column
    that is one of `CRITERIA`.
    """
    if criterion not in CRITERIA or criterion not in matches:
        raise ValueError(
            f"Copies can be called by {', '.join(name for name in CRITERIA if name in matches)}, "
            f"not by {criterion!r}."
        )
    return np.where(
        CRITERIA[criterion].holds(matches[criterion].to_numpy(), threshold),
        matches["nearest"].to_numpy(),
        -1,
    )


def reproductions(
    matches: pd.DataFrame, images: int, criterion: str = "ratio", threshold: float | None = None
) -> np.ndarray:
    """How many of the generated pictures are copies of each image, (images,)."""
    found = copied(matches, criterion, threshold)
    return np.bincount(found[found >= 0], minlength=images)


def reproduced(
    matches: pd.DataFrame,
    images: ImageSet,
    criterion: str = "ratio",
    threshold: float | None = None,
) -> pd.DataFrame:
    """A line for each image that came back, the most often first: name, id, group if known, times,
    distance of its closest copy.
    """
    found = copied(matches, criterion, threshold)
    times, closest = (
        reproductions(matches, len(images), criterion, threshold),
        np.full(len(images), np.inf),
    )
    np.minimum.at(closest, found[found >= 0], matches["distance"].to_numpy()[found >= 0])
    order = np.lexsort((closest, -times))[: int((times > 0).sum())]
    columns = {"name": images.names, "id": images.ids} | (
        {"group": images.metadata["group"]} if "group" in images.metadata else {}
    )
    known = {name: [values[place] for place in order] for name, values in columns.items()}
    return pd.DataFrame(known | {"times": times[order], "distance": closest[order]})


def at_most(samples: int, hits: int = 0, confidence: float = 0.95) -> float:
    """The largest share of copies among all the model draws that `hits` of `samples` leave possible
    (one-sided Clopper-Pearson).
    """
    return float(
        binomtest(hits, samples, alternative="less").proportion_ci(confidence, "exact").high
    )

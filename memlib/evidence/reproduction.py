"""The ground truth: which training images are reproduced in generated images, and how often."""

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from memlib.evidence.draws import count_interval
from memlib.evidence.unseen import Estimate
from memlib.extraction.matches import CRITERIA, training_set
from memlib.images import ImageSet
from memlib.neighbours import duplicates, match_ratio, nearest


def held_out(images: ImageSet) -> np.ndarray:
    """Return a mask (N,), True for images of the group called held-out, which were not
    trained on.
    """
    return images.held_out


def match_samples(
    samples: ImageSet, images: ImageSet, groups: Tensor | None = None
) -> pd.DataFrame:
    """Find each generated image's nearest training image, and the nearest in another near-duplicate
    group: distances and their ratio.

    This is the part of `extraction.match` that the ground truth needs; `groups` are
    `duplicates(images)`.
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
    """Return the place of the image that each generated image copies, -1 if it is not a copy; by a
    column that is one of `CRITERIA`.
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
    """Count how many of the generated images are copies of each image, (images,)."""
    found = copied(matches, criterion, threshold)
    return np.bincount(found[found >= 0], minlength=images)


def reproduced(
    matches: pd.DataFrame,
    images: ImageSet,
    criterion: str = "ratio",
    threshold: float | None = None,
) -> pd.DataFrame:
    """Return a line for each reproduced image, the most often first: name, id, group if known,
    times, distance of its closest copy.
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


def clusters(images: ImageSet, groups: Tensor | None) -> np.ndarray:
    """Label the images that count as one observation, (N,): near-duplicates and variants of one
    drawing.

    `groups` are `duplicates(images)`, None where they are not known; variants have an equal
    `family` in the metadata. Images are in one cluster if a chain of either joins them.
    """
    alone = np.arange(len(images))
    _, near = np.unique(alone if groups is None else groups.numpy(), return_inverse=True)
    families = images.metadata.get("family", [""] * len(images))
    own = [family or f"\0{place}" for place, family in enumerate(families)]
    _, kin = np.unique(own, return_inverse=True)
    size = int(near.max(initial=-1)) + 1
    ends = (near, size + kin)
    graph = coo_array((np.ones(len(near)), ends), shape=(size + len(near),) * 2)
    label: np.ndarray = connected_components(graph, directed=False)[1][near]
    return label


def different(groups: Tensor | np.ndarray, chosen: np.ndarray) -> int:
    """Count the chosen images, near-duplicates once."""
    return len(np.unique(np.asarray(groups)[chosen]))


def at_most(draws: int) -> float:
    """Return an upper bound on the share of copies where none of so many pictures is one.

    One-sided (Clopper-Pearson): every "at most" of pages, tables and sentences is this bound with
    95% confidence. Brackets hold two-sided intervals.
    """
    return float(1 - 0.05 ** (1 / draws))


def counted_rate(times: int, draws: int) -> Estimate:
    """The share of pictures that are copies, with its interval (Clopper-Pearson)."""
    low, high = count_interval(np.array([times]), draws)
    return Estimate(times / draws, float(low[0]), float(high[0]))


def bounds(times: int, draws: int) -> str:
    """Write the interval of `counted_rate`, of 0 its upper bound (`at_most`): "95%: 29.8% to
    32.7%", "95%: at most 0.07%".
    """
    if not times:
        return f"95%: at most {at_most(draws):.2%}"
    share = counted_rate(times, draws)
    return f"95%: {share.low:.1%} to {share.high:.1%}"

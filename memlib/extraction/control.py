"""The control of a test for copies: how often it calls a generated image a copy of other images."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import gammaln
from torch import Tensor

from memlib.extraction.matches import TrainingSet
from memlib.images import ImageSet

LEFT_OUT = 1e-6  # the probability that a draw contains fewer than two of the stored groups
BLOCK = 2**24  # values of images, or of distances, in memory at once


@dataclass(frozen=True)
class SameTest:
    """The test against a random choice of training images, averaged over all choices.

    `distance` (Q, K) are the root mean square differences of each generated image to the nearest
    image of its K nearest near-duplicate groups, in ascending order, of N `groups`, of which m are
    `drawn`.
    """

    distance: np.ndarray
    groups: int
    drawn: int

    def copies(self, criterion: str, threshold: float) -> np.ndarray:
        """Return the probability (Q,) that the test calls each generated image a copy of m groups
        drawn at random from the N, with distances d_0 <= d_1 <= ...:

            distance   sum over d_r < threshold of C(N - r - 1, m - 1) / C(N, m)
            ratio      sum over r < s with d_r / d_s < threshold of C(N - s - 1, m - 2) / C(N, m)

        Raises ValueError for other criteria.
        """
        if criterion == "distance":
            near = (self.distance < threshold).sum(1)
            found: np.ndarray = 1 - _share(self.groups - near, self.drawn, self.groups, self.drawn)
            return found
        if criterion != "ratio":
            raise ValueError(
                "The test on training images exists only for the ratio and the distance, not "
                f"for {criterion!r}."
            )
        if threshold <= 0:
            return np.zeros(len(self.distance))
        ranks = np.arange(1, self.distance.shape[1] + 1)
        shares = _share(self.groups - ranks + 1, self.drawn - 1, self.groups, self.drawn)
        shares = np.append(shares, 0.0)  # of a rank that is not stored
        rows = self.distance.astype(np.float64)
        return np.array([shares[_second(row, threshold, ranks)].sum() for row in rows])


def _second(distance: np.ndarray, threshold: float, ranks: np.ndarray) -> np.ndarray:
    """Return for each rank r the first rank s > r with d_r / d_s < threshold, or the number of
    ranks.
    """
    far = np.searchsorted(distance, distance / threshold, side="right")
    far = np.where(distance > 0, far, 0)  # 0 over any distance is a copy
    found: np.ndarray = np.maximum(far, ranks)
    return found


def same_test(queries: ImageSet, training: TrainingSet, mirrored: bool = False) -> SameTest | None:
    """Prepare the test on as many groups of training images as there are held-out groups; None if
    fewer than two groups are held out.

    Enough nearest groups are stored that a draw contains fewer than two of them with a probability
    below 1e-6.
    """
    labels = training.groups[training.members]
    groups = len(torch.unique(labels))
    drawn = min(groups, len(torch.unique(training.groups[training.others])))
    if drawn < 2:
        return None
    ranks = np.arange(groups + 1)
    none, one = (_share(groups - ranks, drawn - k, groups, drawn) for k in (0, 1))
    kept = int(np.argmax(none + ranks * one < LEFT_OUT))
    nearest = torch.full((len(queries), 0), torch.inf)
    flat = queries.batch(range(len(queries)))
    ways = [flat, flat.flip(3)] if mirrored else [flat]
    for places, place in _by_group(training, labels):
        other = training.images.batch(places.tolist()).flatten(1)
        square = torch.stack([_distances(way.flatten(1), other) for way in ways]).amin(0)
        least = torch.full((len(flat), int(place.max()) + 1), torch.inf)
        least.scatter_reduce_(1, place.expand(len(flat), -1), square, "amin")
        nearest = torch.cat([nearest, least], 1)
        nearest = nearest.topk(min(kept, nearest.shape[1]), largest=False).values
    return SameTest(nearest.sort(1).values.numpy(), groups, drawn)


def _by_group(training: TrainingSet, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield places of images in blocks of whole groups, and the group of each within the block."""
    order = labels.argsort(stable=True)
    _, group, counts = torch.unique_consecutive(
        labels[order], return_inverse=True, return_counts=True
    )
    step = max(1, BLOCK // training.images[0].numel())
    block = (counts.cumsum(0) - counts).div(step, rounding_mode="floor")[group]
    for one in torch.unique(block):
        rows = block == one
        yield training.members[order[rows]], group[rows] - group[rows][0]


def _distances(queries: Tensor, images: Tensor) -> Tensor:
    """Return root mean square differences, (Q, N)."""
    square = queries.square().sum(1)[:, None] + images.square().sum(1) - 2 * queries @ images.T
    return (square.clamp(min=0) / queries.shape[1]).sqrt()


def _share(n: np.ndarray, k: int, groups: int, drawn: int) -> np.ndarray:
    """C(n, k) / C(groups, drawn), 0 where n < k."""
    some = np.maximum(n, k)
    logs = [
        gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1)
        for a, b in ((some, k), (groups, drawn))
    ]
    return np.where(n < k, 0.0, np.exp(logs[0] - logs[1]))

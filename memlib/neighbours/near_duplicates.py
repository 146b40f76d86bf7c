"""Near-duplicates among training images: copies and mirror images that count as one image."""

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import avg_pool2d

from memlib.images import ImageSet
from memlib.neighbours.search import BLOCK, QUERIES, blocks, nearest, slices, square_norms

# root mean square difference per value below which two training images count as one
NEAR_DUPLICATE = 0.1


@torch.no_grad()
def duplicates(
    images: ImageSet | Tensor, threshold: float = NEAR_DUPLICATE, mirrored: bool = False
) -> Tensor:
    """Return the near-duplicate group of each image, (N,) int64: the smallest index in it.

    Two images belong together if their root mean square difference per value is at most
    `threshold`, or if a chain of such images joins them; with `mirrored` also if one resembles the
    other flipped. The result is exact: averaging over cells never increases a root mean square
    difference, so pairs are first sought among images shrunk up to four times. All N^2 / 2 pairs
    are compared, in bounded memory.
    """
    if not threshold >= 0:
        raise ValueError(f"The threshold must not be negative, not {threshold}.")
    label = torch.arange(len(images))
    small = torch.cat([_shrink(block) for _, block in blocks(images)])
    scale, square = small.shape[1], square_norms(small)
    for first in range(0, len(images), QUERIES):
        rows = small[first : first + QUERIES]
        ways = [rows, _shrink_flip(images, first, len(rows))] if mirrored else [rows]
        for start in range(0, first + len(rows), 8 * QUERIES):
            stop = min(start + 8 * QUERIES, first + len(rows))
            pairs = []
            for way, flip in zip(ways, (False, True), strict=False):
                apart = (
                    torch.addmm(square[start:stop], way, small[start:stop].T, alpha=-2)
                    + square_norms(way)[:, None]
                )
                slack = 1e-4 * (
                    1 + square[start:stop].max()
                )  # tolerance for rounding, so that no pair is missed
                left, right = torch.nonzero(apart <= scale * threshold**2 + slack, as_tuple=True)
                left, right = left + first, right + start
                below = right < left
                pairs.append(_confirmed(images, left[below], right[below], threshold, flip))
            found = torch.cat(pairs)
            if len(found):
                label = _join(label, found)
    return label


def _confirmed(
    images: ImageSet | Tensor, left: Tensor, right: Tensor, threshold: float, flip: bool
) -> Tensor:
    """Return those pairs (P, 2) whose full-size images are within the threshold."""
    kept = []
    for part in slices(len(left), max(1, min(QUERIES, BLOCK // (2 * images[0].numel())))):
        table, place = torch.unique(torch.stack([left[part], right[part]]), return_inverse=True)
        pictures = images[table] if isinstance(images, Tensor) else images.batch(table.tolist())
        one, other = pictures[place[0]], pictures[place[1]]
        near = (one - (other.flip(3) if flip else other)).square().mean(
            (1, 2, 3)
        ).sqrt() <= threshold
        kept.append(torch.stack([left[part][near], right[part][near]], 1))
    return torch.cat(kept) if kept else torch.zeros(0, 2, dtype=torch.long)


def _join(label: Tensor, pairs: Tensor) -> Tensor:
    """Join groups by further pairs; a group's label is its smallest member."""
    ends = torch.cat([torch.stack([torch.arange(len(label)), label], 1), pairs]).numpy()
    graph = coo_array(
        (np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(len(label), len(label))
    )
    component = torch.from_numpy(connected_components(graph, directed=False)[1].astype(np.int64))
    smallest = torch.full((int(component.max()) + 1,), len(label)).scatter_reduce(
        0, component, torch.arange(len(label)), "amin"
    )
    return smallest[component]


def unrelated_threshold(images: ImageSet | Tensor, groups: Tensor, quantile: float = 0.01) -> float:
    """Return the distance below which only this share of training images has another one that is
    not a near-duplicate: a threshold for copies.
    """
    apart = []
    for start, block in blocks(images):
        rows = groups[start : start + len(block)]
        apart.append(
            nearest(block, images, 2, groups=groups).distance[:, 1] if len(rows) else torch.zeros(0)
        )
    return float(torch.cat(apart).quantile(quantile))


def _shrink(images: Tensor) -> Tensor:
    """Return averages over cells, flattened; the cells have the largest side up to 4 that divides
    the image.
    """
    cell = next(side for side in (4, 2, 1) if images.shape[2] % side == images.shape[3] % side == 0)
    return avg_pool2d(images.float(), cell).flatten(1)


def _shrink_flip(images: ImageSet | Tensor, start: int, count: int) -> Tensor:
    rows = (
        images[start : start + count]
        if isinstance(images, Tensor)
        else images.batch(range(start, start + count))
    )
    return _shrink(rows.flip(3))

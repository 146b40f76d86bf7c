"""Nearest training images, and the criteria that call a picture a copy."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from memlib.images import ImageSet

BLOCK = 2**24  # values of one block of images, 64 MB


@dataclass(frozen=True)
class Neighbours:
    """The k nearest images of Q queries, nearest first."""

    index: Tensor  # (Q, k) int64, positions in the image set
    distance: Tensor  # (Q, k) root mean square difference a value, in [-1, 1] units


def nearest(queries: Tensor, images: ImageSet | Tensor, k: int = 2) -> Neighbours:
    """Exact k nearest `images` of each query (Q, C, H, W) by root-mean-square pixel difference.

    Candidates come from |q|^2 + |x|^2 - 2 q.x in blocks of images, so memory is bounded by one block; the distances
    of the winners are then recomputed from the differences themselves. Raises ValueError for shapes that do not match
    or fewer than k images.
    """
    if len(images) < k:
        raise ValueError(f"{k} neighbours were asked for among {len(images)} images.")
    flat = queries.flatten(1).float()
    best, index = torch.full((len(flat), 0), torch.inf), torch.zeros(len(flat), 0, dtype=torch.long)
    for start, block in _blocks(images):
        if block.shape[1:] != queries.shape[1:]:
            raise ValueError(f"The queries are {tuple(queries.shape[1:])}, the images {tuple(block.shape[1:])}.")
        other = block.flatten(1)
        square = (flat**2).sum(1, keepdim=True) + (other**2).sum(1) - 2 * flat @ other.T
        merged = torch.cat([best, square], 1)
        best, order = merged.topk(min(k, merged.shape[1]), largest=False)
        places = torch.arange(start, start + len(other)).expand(len(flat), -1)
        index = torch.cat([index, places], 1).gather(1, order)
    winners = torch.unique(index)
    table = images[winners] if isinstance(images, Tensor) else images.batch(winners.tolist())
    where = torch.searchsorted(winners, index)
    exact = torch.stack([(flat - table[column].flatten(1)).square().mean(1).sqrt() for column in where.T], 1)
    distance, order = exact.sort(1)
    return Neighbours(index.gather(1, order), distance)


def match_ratio(neighbours: Neighbours) -> Tensor:
    """Distance to the nearest image over distance to the second nearest, (Q,): below 1/3 is called a copy.

    The images must be distinct, or every copy of a repeated image has the ratio 1 (Yoon et al. 2023).
    """
    return neighbours.distance[:, 0] / neighbours.distance[:, 1].clamp(min=1e-12)


def _blocks(images: ImageSet | Tensor) -> Iterator[tuple[int, Tensor]]:
    step = max(1, BLOCK // images[0].numel())
    for start in range(0, len(images), step):
        stop = min(len(images), start + step)
        yield start, images[start:stop] if isinstance(images, Tensor) else images.batch(range(start, stop))

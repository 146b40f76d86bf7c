"""Exact search for the nearest training images of an image, in bounded memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from memlib.images import ImageSet

BLOCK = 2**25  # most values in one block of images, 128 MB
QUERIES = 1024  # images confirmed together, fewer if they are large
# queries and images multiplied together: narrower products are slower on shared cores
TILE = (4096, 8192)
DESCRIBED = 64  # images described together: describers enlarge them
SPARE = 2  # candidates kept beyond k: |q|^2 + |x|^2 - 2 q.x loses precision if q is close to x

Describer = Callable[[Tensor], Tensor]  # images (B, C, H, W) to features (B, F)


@dataclass(frozen=True)
class Neighbours:
    """The k nearest images of Q queries, nearest first."""

    index: Tensor  # (Q, k) int64, positions in the image set
    # (Q, k) root mean square difference per value, in [-1, 1] units; or 1 - cosine of the features
    distance: Tensor
    mirrored: Tensor  # (Q, k) bool: the match is with the query's mirror image


@torch.no_grad()
def nearest(
    queries: Tensor,
    images: ImageSet | Tensor,
    k: int = 2,
    metric: str | Describer = "pixels",
    mirrored: bool = False,
    groups: Tensor | None = None,
) -> Neighbours:
    """Find the exact k nearest `images` of each query (Q, C, H, W).

    `metric` is "pixels", the root mean square difference per value, or a function that computes
    features of images, which are compared by 1 - cosine. With `mirrored` an image may also match
    the query flipped from left to right. With `groups` (N,), such as `duplicates` returns, only the
    nearest image of each group counts, so that the second nearest is a different image and not a
    near-duplicate.

    Candidates come from |x|^2 - 2 q.x in blocks, in memory bounded by one block and its products;
    pixel distances of the candidates are then recomputed from the differences themselves. Raises
    ValueError for shapes that do not match or fewer than k images.
    """
    if groups is not None:
        return _nearest_groups(queries, images, k, metric, mirrored, groups)
    if not 1 <= k <= len(images):
        raise ValueError(f"{k} neighbours were requested among {len(images)} images.")
    wanted = tuple(images[0].shape)
    if tuple(queries.shape[1:]) != wanted:
        raise ValueError(f"The queries are {tuple(queries.shape[1:])}, the images {wanted}.")
    describe = flattened if metric == "pixels" else _cosine(metric)
    flat = describe(queries.float())
    ways = [flat, describe(queries.float().flip(3))] if mirrored else [flat]
    best = torch.full((len(flat), 0), torch.inf)
    index = torch.zeros(len(flat), 0, dtype=torch.long)
    keep = min(len(images), k + SPARE)
    products = [torch.empty(min(TILE[0], len(flat)), min(TILE[1], len(images))) for _ in ways]
    for start, block in blocks(images):
        other = describe(block)
        square = square_norms(other)
        near = [
            _tile_best([way[rows] for way in ways], other, square, products, keep)
            for rows in slices(len(flat), TILE[0])
        ]
        merged = torch.cat([best, torch.cat([values for values, _ in near])], 1)
        best, order = merged.topk(min(keep, merged.shape[1]), largest=False)
        index = torch.cat([index, start + torch.cat([places for _, places in near])], 1).gather(
            1, order
        )
    parts = [
        _exact(
            queries[rows].float(), images, index[rows], describe, mirrored, k, metric == "pixels"
        )
        for rows in slices(len(flat), max(1, min(QUERIES, BLOCK // (keep * queries[0].numel()))))
    ]
    return Neighbours(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _tile_best(
    ways: list[Tensor], other: Tensor, square: Tensor, products: list[Tensor], keep: int
) -> tuple[Tensor, Tensor]:
    """Return the smallest |x|^2 - 2 q.x of some images, each query in its better orientation, and
    their places.
    """
    tiles = [
        torch.addmm(square, way, other.T, alpha=-2, out=product[: len(way), : len(other)])
        for way, product in zip(ways, products, strict=True)
    ]
    least = tiles[0] if len(tiles) == 1 else torch.minimum(*tiles, out=tiles[0])
    return _smallest(least, min(keep, len(other)))


def _smallest(values: Tensor, k: int, cell: int = 64) -> tuple[Tensor, Tensor]:
    """Return the k smallest of each row and their places: they lie in the k cells with the smallest
    minima, which is faster than topk.
    """
    rows, columns = values.shape
    whole = columns // cell * cell
    if whole // cell <= k:
        found = values.topk(k, largest=False, sorted=False)
        return found.values, found.indices
    cells = values[:, :whole].view(rows, -1, cell)
    chosen = cells.amin(2).topk(k, largest=False, sorted=False).indices
    places = torch.cat(
        [
            (chosen[..., None] * cell + torch.arange(cell)).flatten(1),
            torch.arange(whole, columns).expand(rows, columns - whole),
        ],
        1,
    )
    least = values.gather(1, places).topk(k, largest=False, sorted=False)
    return least.values, places.gather(1, least.indices)


def _exact(
    queries: Tensor,
    images: ImageSet | Tensor,
    index: Tensor,
    describe: Describer,
    mirrored: bool,
    k: int,
    pixels: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return index, distance and orientation of the k nearest among the candidates (Q, K), from the
    differences themselves.
    """
    winners = torch.unique(index)
    table = describe(
        images[winners] if isinstance(images, Tensor) else images.batch(winners.tolist())
    )
    places = torch.searchsorted(winners, index)
    ways = [describe(queries), describe(queries.flip(3))] if mirrored else [describe(queries)]
    scale = queries[0].numel() if pixels else 2  # |a - b|^2 / 2 = 1 - cos of unit vectors
    squares = torch.stack(
        [
            torch.stack([square_norms(way - table[column]) / scale for column in places.T], 1)
            for way in ways
        ]
    )
    least, way = squares.min(0)
    least, order = least.sort(dim=1, stable=True)
    return (
        index.gather(1, order)[:, :k],
        (least.sqrt() if pixels else least)[:, :k],
        way.gather(1, order)[:, :k] > 0,
    )


def square_norms(rows: Tensor) -> Tensor:
    """Return |x|^2 of each row, without copying all rows."""
    squares: Tensor = torch.linalg.vector_norm(rows, dim=1).square()
    return squares


def _nearest_groups(
    queries: Tensor,
    images: ImageSet | Tensor,
    k: int,
    metric: str | Describer,
    mirrored: bool,
    groups: Tensor,
) -> Neighbours:
    """Return the nearest image of each of the k nearest groups, from as many neighbours as
    needed.
    """
    if len(groups) != len(images):
        raise ValueError(f"There are {len(groups)} group labels for {len(images)} images.")
    if len(torch.unique(groups)) < k:
        raise ValueError(
            f"{k} neighbours were asked for among {len(torch.unique(groups))} groups of images."
        )
    wide = min(len(images), 4 * k)
    found = nearest(queries, images, wide, metric, mirrored)
    label = groups[found.index]
    first = torch.stack(
        [(label[:, :place] != label[:, place, None]).all(1) for place in range(wide)], 1
    )
    short = first.sum(1) < k
    while short.any():
        wide = min(len(images), 4 * wide)
        more = nearest(queries[short], images, wide, metric, mirrored)
        label = groups[more.index]
        again = torch.stack(
            [(label[:, :place] != label[:, place, None]).all(1) for place in range(wide)], 1
        )
        found, first = _splice(found, more, short), _pad(first, again, short)
        short = first.sum(1) < k
    order = (~first).to(torch.int8).sort(dim=1, stable=True).indices[:, :k]
    return Neighbours(
        *(getattr(found, name).gather(1, order) for name in ("index", "distance", "mirrored"))
    )


def _splice(found: Neighbours, more: Neighbours, rows: Tensor) -> Neighbours:
    """Return `found`, widened, with the chosen rows replaced."""
    return Neighbours(
        *(
            _pad(getattr(found, name), getattr(more, name), rows)
            for name in ("index", "distance", "mirrored")
        )
    )


def _pad(values: Tensor, others: Tensor, rows: Tensor) -> Tensor:
    wide = torch.zeros(len(values), others.shape[1], dtype=values.dtype)
    wide[:, : values.shape[1]] = values
    wide[rows] = others
    return wide


def flattened(images: Tensor) -> Tensor:
    return images.float().flatten(1)


def _cosine(metric: str | Describer) -> Describer:
    if isinstance(metric, str):
        raise ValueError(
            f"The metric is 'pixels' or a function that describes images, not {metric!r}."
        )
    return lambda images: normalize(
        torch.cat([metric(part) for part in torch.split(images, DESCRIBED)]).float(), dim=1
    )


def slices(count: int, step: int) -> list[slice]:
    return [slice(start, start + step) for start in range(0, count, step)]


def blocks(images: ImageSet | Tensor) -> Iterator[tuple[int, Tensor]]:
    step = min(TILE[1], max(1, BLOCK // images[0].numel()))
    for start in range(0, len(images), step):
        stop = min(len(images), start + step)
        yield (
            start,
            images[start:stop] if isinstance(images, Tensor) else images.batch(range(start, stop)),
        )

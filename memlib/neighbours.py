"""Nearest training images, near-duplicates among them, and the criteria that call a picture
a copy.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from memlib.images import ImageSet

BLOCK = 2**25  # values of one block of images at most, 128 MB
QUERIES = 1024  # pictures confirmed at once, fewer where they are large
TILE = (
    4096,
    8192,
)  # queries and images multiplied at once: narrower products are slower where cores are shared
DESCRIBED = 64  # pictures described at once: describers enlarge them
SPARE = 2  # candidates kept beyond k: |q|^2 + |x|^2 - 2 q.x loses digits where q is close to x
COPY_RATIO = (
    1 / 3
)  # of the nearest distance to the second nearest, below which a picture is called a copy
NEAR_DUPLICATE = (
    0.1  # root mean square difference a value below which two training images count as one
)

Describer = Callable[[Tensor], Tensor]  # images (B, C, H, W) to features (B, F)


@dataclass(frozen=True)
class Neighbours:
    """The k nearest images of Q queries, nearest first."""

    index: Tensor  # (Q, k) int64, positions in the image set
    # (Q, k) root mean square difference a value, in [-1, 1] units; or 1 - cosine of the features
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
    """Exact k nearest `images` of each query (Q, C, H, W).

    `metric` is "pixels", the root mean square difference a value, or a function that describes
    images by features, which are then compared by 1 - cosine. With `mirrored` an image may also
    match the query flipped from left to right. With `groups` (N,), such as `duplicates` returns,
    only the nearest image of each group counts, so that the second nearest is a different picture
    and not a twin.

    Candidates come from |x|^2 - 2 q.x in blocks, in memory bounded by one block and its products;
    pixel distances of the winners are then recomputed from the differences themselves. Raises
    ValueError for shapes that do not match or fewer than k images.
    """
    if groups is not None:
        return _nearest_groups(queries, images, k, metric, mirrored, groups)
    if not 1 <= k <= len(images):
        raise ValueError(f"{k} neighbours were asked for among {len(images)} images.")
    wanted = tuple(images[0].shape)
    if tuple(queries.shape[1:]) != wanted:
        raise ValueError(f"The queries are {tuple(queries.shape[1:])}, the images {wanted}.")
    describe = _flat if metric == "pixels" else _cosine(metric)
    flat = describe(queries.float())
    ways = [flat, describe(queries.float().flip(3))] if mirrored else [flat]
    best = torch.full((len(flat), 0), torch.inf)
    index = torch.zeros(len(flat), 0, dtype=torch.long)
    keep = min(len(images), k + SPARE)
    products = [torch.empty(min(TILE[0], len(flat)), min(TILE[1], len(images))) for _ in ways]
    for start, block in _blocks(images):
        other = describe(block)
        square = _square(other)
        near = [
            _tile_best([way[rows] for way in ways], other, square, products, keep)
            for rows in _slices(len(flat), TILE[0])
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
        for rows in _slices(len(flat), max(1, min(QUERIES, BLOCK // (keep * queries[0].numel()))))
    ]
    return Neighbours(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _tile_best(
    ways: list[Tensor], other: Tensor, square: Tensor, products: list[Tensor], keep: int
) -> tuple[Tensor, Tensor]:
    """The smallest |x|^2 - 2 q.x of some images, each query turned the better way, and where they
    are.
    """
    tiles = [
        torch.addmm(square, way, other.T, alpha=-2, out=product[: len(way), : len(other)])
        for way, product in zip(ways, products, strict=True)
    ]
    least = tiles[0] if len(tiles) == 1 else torch.minimum(*tiles, out=tiles[0])
    return _smallest(least, min(keep, len(other)))


def _smallest(values: Tensor, k: int, cell: int = 64) -> tuple[Tensor, Tensor]:
    """The k smallest of each row and their places: they lie in the k cells with the smallest
    minima, which is quicker than topk.
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
    """Index, distance and orientation of the k nearest among the candidates (Q, K), from the
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
            torch.stack([_square(way - table[column]) / scale for column in places.T], 1)
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


def _square(rows: Tensor) -> Tensor:
    """|x|^2 of each row, without a copy of them all."""
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
    """The nearest image of each of the k nearest groups, from as many neighbours as that takes."""
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
    """`found` widened, with the chosen rows replaced."""
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


def match_ratio(neighbours: Neighbours) -> Tensor:
    """Distance to the nearest image over distance to the second nearest, (Q,): below 1/3 is called
    a copy.

    The images must be distinct, and twins among them merged by `groups`, or a copy of a repeated
    image has the ratio 1 (Yoon et al. 2023, Gu et al. 2023). 0 / 0 is 0: both neighbours are the
    query itself.
    """
    return neighbours.distance[:, 0] / neighbours.distance[:, 1].clamp(min=1e-12)


def adaptive_ratio(
    queries: Tensor,
    images: ImageSet | Tensor,
    neighbours: Neighbours,
    center: str = "training",
    n: int = 50,
    alpha: float = 0.5,
) -> Tensor:
    """Distance to the nearest image over alpha times a mean distance of its surroundings, (Q,): at
    most 1 is called extracted.

    l(q, x) / (alpha E_{z in S} l(., z)), S the n nearest training images of the matched image x
    itself, x left out (center "training"), or of the query q (center "query"). Carlini et al. 2023
    (arXiv 2301.13188) define it with n = 50 and alpha = 0.5; implementations differ in the centre.
    With fewer images S is all of them.
    """
    if center not in ("training", "query"):
        raise ValueError(f"The centre is 'training' or 'query', not {center!r}.")
    if center == "query":
        around = nearest(queries, images, min(n, len(images))).distance.mean(1)
    else:
        matched, place = torch.unique(neighbours.index[:, 0], return_inverse=True)
        around = surroundings(images, matched, n)[place]
    return neighbours.distance[:, 0] / (alpha * around).clamp(min=1e-12)


def surroundings(images: ImageSet | Tensor, chosen: Tensor | None = None, n: int = 50) -> Tensor:
    """The mean distance of each chosen training image (all by default) to its n nearest others,
    (len(chosen),).
    """
    chosen = torch.arange(len(images)) if chosen is None else chosen
    if len(images) < 2:
        raise ValueError("An image alone has no surroundings.")
    rows = images[chosen] if isinstance(images, Tensor) else images.batch(chosen.tolist())
    found = nearest(rows, images, min(n + 1, len(images)))
    others = found.distance.masked_fill(found.index == chosen[:, None], 0)
    itself = (found.index == chosen[:, None]).any(
        1
    )  # exact duplicates can push an image out of its own neighbours
    others[~itself, -1] = 0
    return others.sum(1) / (found.index.shape[1] - 1)


@torch.no_grad()
def duplicates(
    images: ImageSet | Tensor, threshold: float = NEAR_DUPLICATE, mirrored: bool = False
) -> Tensor:
    """The near-duplicate group of each image, (N,) int64: the smallest index in it.

    Two images belong together where their root mean square difference a value is at most
    `threshold`, or where a chain of such images joins them; with `mirrored` also where one
    resembles the other flipped. Exact: averaging over cells never raises a root mean square
    difference, so pairs are first sought among pictures shrunk up to four times. Compares all
    pairs, N^2 / 2 of them, in bounded memory.
    """
    if not threshold >= 0:
        raise ValueError(f"The threshold must not be negative, not {threshold}.")
    label = torch.arange(len(images))
    small = torch.cat([_shrink(block) for _, block in _blocks(images)])
    scale, square = small.shape[1], _square(small)
    for first in range(0, len(images), QUERIES):
        rows = small[first : first + QUERIES]
        ways = [rows, _shrink_flip(images, first, len(rows))] if mirrored else [rows]
        for start in range(0, first + len(rows), 8 * QUERIES):
            stop = min(start + 8 * QUERIES, first + len(rows))
            pairs = []
            for way, flip in zip(ways, (False, True), strict=False):
                apart = (
                    torch.addmm(square[start:stop], way, small[start:stop].T, alpha=-2)
                    + _square(way)[:, None]
                )
                slack = 1e-4 * (
                    1 + square[start:stop].max()
                )  # of rounding, so that no pair is missed
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
    """Those pairs (P, 2) whose full-size pictures are within the threshold."""
    kept = []
    for part in _slices(len(left), max(1, min(QUERIES, BLOCK // (2 * images[0].numel())))):
        table, place = torch.unique(torch.stack([left[part], right[part]]), return_inverse=True)
        pictures = images[table] if isinstance(images, Tensor) else images.batch(table.tolist())
        one, other = pictures[place[0]], pictures[place[1]]
        near = (one - (other.flip(3) if flip else other)).square().mean(
            (1, 2, 3)
        ).sqrt() <= threshold
        kept.append(torch.stack([left[part][near], right[part][near]], 1))
    return torch.cat(kept) if kept else torch.zeros(0, 2, dtype=torch.long)


def _join(label: Tensor, pairs: Tensor) -> Tensor:
    """Groups joined by further pairs; a group's label is its smallest member."""
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
    """The distance below which only this share of training images has another one, near-duplicates
    apart: a cut for copies.
    """
    apart = []
    for start, block in _blocks(images):
        rows = groups[start : start + len(block)]
        apart.append(
            nearest(block, images, 2, groups=groups).distance[:, 1] if len(rows) else torch.zeros(0)
        )
    return float(torch.cat(apart).quantile(quantile))


def _flat(images: Tensor) -> Tensor:
    return images.float().flatten(1)


def _cosine(metric: str | Describer) -> Describer:
    if isinstance(metric, str):
        raise ValueError(
            f"The metric is 'pixels' or a function that describes images, not {metric!r}."
        )
    return lambda images: normalize(
        torch.cat([metric(part) for part in torch.split(images, DESCRIBED)]).float(), dim=1
    )


def _shrink(images: Tensor) -> Tensor:
    """Averages over cells, flattened, the cells as large as divides the picture, four at most."""
    cell = next(side for side in (4, 2, 1) if images.shape[2] % side == images.shape[3] % side == 0)
    return avg_pool2d(images.float(), cell).flatten(1)


def _shrink_flip(images: ImageSet | Tensor, start: int, count: int) -> Tensor:
    rows = (
        images[start : start + count]
        if isinstance(images, Tensor)
        else images.batch(range(start, start + count))
    )
    return _shrink(rows.flip(3))


def _slices(count: int, step: int) -> list[slice]:
    return [slice(start, start + step) for start in range(0, count, step)]


def _blocks(images: ImageSet | Tensor) -> Iterator[tuple[int, Tensor]]:
    step = min(TILE[1], max(1, BLOCK // images[0].numel()))
    for start in range(0, len(images), step):
        stop = min(len(images), start + step)
        yield (
            start,
            images[start:stop] if isinstance(images, Tensor) else images.batch(range(start, stop)),
        )

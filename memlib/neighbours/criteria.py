"""The criteria by which an image is a copy of its nearest training image."""

import torch
from torch import Tensor

from memlib.images import ImageSet
from memlib.neighbours.search import Neighbours, nearest

# ratio of the nearest to the second nearest distance, below which an image is called a copy
COPY_RATIO = 1 / 3


def match_ratio(neighbours: Neighbours) -> Tensor:
    """Return the distance to the nearest image over the distance to the second nearest, (Q,): below
    1/3 is called a copy.

    The images must be distinct, and near-duplicates merged by `groups`; otherwise a copy of a
    repeated image has the ratio 1 (Yoon et al. 2023, Gu et al. 2023). 0 / 0 is 0: both neighbours
    equal the query.
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
    """Return the distance to the nearest image over alpha times a mean distance to its neighbours,
    (Q,): at most 1 is called extracted.

    l(q, x) / (alpha E_{z in S} l(., z)), S the n nearest training images of the matched image x
    itself, x left out (center "training"), or of the query q (center "query"). Carlini et al. 2023
    (arXiv 2301.13188) define it with n = 50 and alpha = 0.5; implementations differ in the centre.
    With fewer than n images S contains all of them.
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
    """Return the mean distance of each chosen training image (all by default) to its n nearest
    others, (len(chosen),).
    """
    chosen = torch.arange(len(images)) if chosen is None else chosen
    if len(images) < 2:
        raise ValueError("A single image has no neighbours.")
    rows = images[chosen] if isinstance(images, Tensor) else images.batch(chosen.tolist())
    found = nearest(rows, images, min(n + 1, len(images)))
    others = found.distance.masked_fill(found.index == chosen[:, None], 0)
    itself = (found.index == chosen[:, None]).any(
        1
    )  # exact duplicates can displace an image from its own neighbours
    others[~itself, -1] = 0
    return others.sum(1) / (found.index.shape[1] - 1)

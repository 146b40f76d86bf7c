"""How many training images an attack extracted: AMS and UMS, with intervals."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor

Interval = tuple[float, float]


@dataclass(frozen=True)
class ExtractionScores:
    """Shares of n generated images, with 95% intervals: Wilson's for `ams`, a bootstrap for the
    other two.

    `ams` counts generated images whose best match lies in the band. `ums` counts the distinct
    training images matched in the band, by any match, so it can exceed `ams`; `best` counts those
    that are a best match.
    """

    n: int
    ams: float
    ums: float
    best: float
    ams_interval: Interval
    ums_interval: Interval
    best_interval: Interval


def extraction_scores(
    similarity: Tensor | Iterable[Tensor],
    low: float,
    high: float = float("inf"),
    *,
    seed: int = 0,
    draws: int = 500,
) -> ExtractionScores:
    """Compute AMS and UMS of generated images against training images, by SIDE's formulas (arXiv
    2410.02467), for the band [low, high).

        AMS = (1/n) sum_x 1[low <= max_j gamma(x, x_j) < high]
        UMS = (1/n) |union_x {j : low <= gamma(x, x_j) < high}|

    `similarity` is gamma, (n, N), or its blocks of rows in order; pass the negative of a distance.
    Bands are disjoint: a near copy is not in the low band. high = inf gives the cumulative version.
    Both depend on n; compare them at equal n only.
    """
    if not low < high:
        raise ValueError(f"The band must have ascending ends, not {low:g} and {high:g}.")
    n = 0
    in_band, matched, best = [], [], []
    for block in [similarity] if isinstance(similarity, Tensor) else similarity:
        top, place = block.max(1)
        hit = (top >= low) & (top < high)
        rows, columns = torch.nonzero((block >= low) & (block < high), as_tuple=True)
        in_band.append(hit)
        matched.append(torch.stack([rows + n, columns]))
        best.append(torch.stack([torch.nonzero(hit)[:, 0] + n, place[hit]]))
        n += len(block)
    if not n:
        raise ValueError("There are no generated images to score.")
    count = int(torch.cat(in_band).sum())
    ums, ums_interval = _unique(torch.cat(matched, 1), n, seed, draws)
    unique, unique_interval = _unique(torch.cat(best, 1), n, seed, draws)
    return ExtractionScores(
        n, count / n, ums, unique, wilson(count, n), ums_interval, unique_interval
    )


def wilson(count: int, n: int) -> Interval:
    """Return Wilson's 95% interval of a share."""
    found = binomtest(count, n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def _unique(pairs: Tensor, n: int, seed: int, draws: int) -> tuple[float, Interval]:
    """Return the number of distinct columns among (row, column) pairs over n, and its bootstrap
    interval.

    Resampling the generated images cannot find an image that was not found, so its spread is too
    small. Instead, samples are drawn from an estimate of how often each image occurs, found or not
    (Chao et al. 2015, as in iNEXT): with f1, f2 images found once, twice, about f1^2 / 2 f2 are
    unseen, and the probability is divided between them and the found ones by the estimated coverage
    of the sample. The spread is centred on the estimate.
    """
    times = np.unique(pairs[1].numpy(), return_counts=True)[1]
    estimate = len(times) / n
    if not len(times):
        return 0.0, (0.0, 0.0)
    once, twice, total = int((times == 1).sum()), int((times == 2).sum()), int(times.sum())
    unseen = math.ceil((n - 1) / n * (once**2 / (2 * twice) if twice else once * (once - 1) / 2))
    missed = (
        once / total * ((n - 1) * once / ((n - 1) * once + 2 * twice) if once else 0.0)
    )  # 1 - coverage
    share = times / n
    fading = (1 - share) ** n
    found = (
        share * (1 - total / n * missed / max((share * fading).sum(), 1e-300) * fading)
        if missed
        else share
    )
    draw = np.random.default_rng(seed)
    counts = (
        (draw.random((draws, len(found))) < 1 - (1 - found.clip(0, 1)) ** n).sum(1).astype(float)
    )
    if unseen:
        counts += draw.binomial(
            unseen, 1 - (1 - min(1.0, total / n * missed / unseen)) ** n, size=draws
        )
    low, high = np.quantile(counts - counts.mean(), [0.025, 0.975]) / n
    return estimate, (max(0.0, estimate + float(low)), estimate + float(high))


def unique_curve(found: Tensor) -> Tensor:
    """Count distinct training images among the first 1, 2, ..., n generated images; `found` (n,) is
    the image each copies, -1 for none.
    """
    values, first = np.unique(found.numpy(), return_index=True)
    new = torch.zeros(len(found), dtype=torch.long)
    new[torch.from_numpy(first[values >= 0])] = 1
    return new.cumsum(0)

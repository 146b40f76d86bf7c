"""How much is left to find: images that the model can reproduce but that were not drawn yet.

The draws must be independent and identically distributed: not guided, and not chosen by earlier
ones. Of n draws X_i are copies of image i, where near-duplicates count as one image; f_k images
were drawn k times. The estimators are those of unseen species (Chao et al. 2014, doi
10.1890/13-0133.1, and the R package iNEXT).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from torch import Tensor

Z = 1.959964  # two-sided 95% of the normal distribution
# 99%, for forecasts: they use a lower bound, and 95% limits covered .83 to .96 in simulations
WIDE = 2.575829


@dataclass(frozen=True)
class Estimate:
    """A number and the ends of its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Counts:
    """How many of `draws` generated images are copies of each reproduced image, (S,), and how many
    different training images there are in all.
    """

    draws: int
    times: np.ndarray
    images: int

    @classmethod
    def of(cls, counts: np.ndarray, groups: Tensor, draws: int, trained: np.ndarray) -> "Counts":
        """Count by near-duplicate group, from the counts of single images (N,), the groups (N,) and
        which images were trained on (N,).
        """
        _, label = np.unique(groups.numpy(), return_inverse=True)
        times = np.bincount(label[trained], counts[trained], minlength=int(label.max()) + 1)
        return cls(draws, times[times > 0].astype(int), len(np.unique(label[trained])))

    @property
    def seen(self) -> int:
        """The number of different reproduced images."""
        return len(self.times)

    def exactly(self, k: int) -> int:
        """Return f_k, the number of images drawn k times."""
        return int((self.times == k).sum())

    def with_one(self, k: int) -> "Counts":
        """Return these counts with one more image drawn k times."""
        return Counts(self.draws, np.append(self.times, k), self.images + 1)


def chance_of_new(counts: Counts) -> Estimate:
    """Return the chance that the next draw is a copy of an image not seen yet, f_1 / n (Good 1953).

    The interval solves (f_1 - m)^2 = z^2 (m + 2 f_2) for m = n times the chance, the variance of
    Robbins (1968) with m in place of f_1; so it has positive width even if f_1 is 0.
    """
    once, twice, n = counts.exactly(1), counts.exactly(2), counts.draws
    middle, half = once + Z**2 / 2, Z * math.sqrt(once + 2 * twice + Z**2 / 4)
    return Estimate(once / n, max(0.0, middle - half) / n, min(1.0, (middle + half) / n))


def can_come_back(counts: Counts) -> Estimate:
    """Return a lower bound on how many images can be reproduced at all, S + f_1 (f_1 - 1) / (2 (f_2
    + 1)), with its log-normal interval (Chao 1987); if f_1 is 0 or 1, S with the interval of
    SpadeR.

    It is a lower bound, since images too rare to be seen once are not counted, and never more than
    the training set has.
    """
    once, twice, share = counts.exactly(1), counts.exactly(2), (counts.draws - 1) / counts.draws
    hidden = share * once * (once - 1) / (2 * (twice + 1))
    variance = (
        hidden
        + share**2 * once * (2 * once - 1) ** 2 / (4 * (twice + 1) ** 2)
        + share**2 * once**2 * twice * (once - 1) ** 2 / (4 * (twice + 1) ** 4)
    )
    limit = counts.images - counts.seen
    if not hidden:
        return Estimate(counts.seen, counts.seen, counts.seen + min(limit, _all_seen(counts)))
    factor = math.exp(Z * math.sqrt(math.log1p(variance / hidden**2)))
    ends = (min(limit, one) for one in (hidden, hidden / factor, hidden * factor))
    return Estimate(*(counts.seen + end for end in ends))


def _all_seen(counts: Counts) -> float:
    """Return how many more images there may be if all seem to be seen.

    An image that was drawn k times would have been missed with chance e^-k.
    """
    if not counts.seen:
        return 0.0
    missed = np.exp(-counts.times.astype(float))
    share = float(missed.mean())
    variance = (missed - missed**2).sum() - (counts.times * missed).sum() ** 2 / counts.draws
    high = (counts.seen + Z * math.sqrt(max(0.0, variance))) / (1 - share)
    return float(high) - counts.seen


def expected_images(counts: Counts, sizes: Sequence[int]) -> list[Estimate]:
    """Return how many different images are reproduced in m draws, for each m of `sizes` up to 2 n.

    Up to n by rarefaction, the exact mean over all choices of m of the n draws,

        S(m) = sum_i 1 - C(n - X_i, m) / C(n, m),

    beyond by S + f_0 (1 - (1 - f_1 / (n f_0 + f_1))^(m - n)), with f_0 = `can_come_back` - S (Shen
    et al. 2003). Both are functions of f_1, f_2, ..., whose covariance is f_k (1{j = k} - f_j / T),
    T = S + f_0; the interval follows by their derivatives (Chao et al. 2014). Beyond n it ends no
    lower than S + (m - n) times the upper end of `chance_of_new` if no image was seen once, where
    the derivatives say nothing.

    Raises ValueError beyond 2 n, where counts carry no information; rates do
    (`expected_from_rates`).
    """
    wanted = np.asarray(sizes)
    if len(wanted) and not 0 <= wanted.min() <= wanted.max() <= 2 * counts.draws:
        raise ValueError(
            f"{counts.draws:,} draws can be forecast to {2 * counts.draws:,}, not to "
            f"{int(wanted.max()):,}."
        )
    curve, total = _curve(counts, wanted), can_come_back(counts).value
    kinds, many = np.unique(counts.times, return_counts=True)
    slopes = np.array([_curve(counts.with_one(k), wanted) - curve for k in kinds.tolist()])
    variance = many @ slopes**2 - (many @ slopes) ** 2 / total if counts.seen else 0 * curve
    half = np.where(wanted > counts.draws, WIDE, Z) * np.sqrt(np.maximum(0, variance))
    high = curve + half
    if not counts.exactly(1):
        beyond = np.maximum(0, wanted - counts.draws) * chance_of_new(counts).high
        high = np.maximum(high, np.where(wanted > counts.draws, curve + beyond, 0))
    return [
        Estimate(value, max(0.0, value - end), min(float(counts.images), most))
        for value, end, most in zip(curve.tolist(), half.tolist(), high.tolist(), strict=True)
    ]


def new_images(counts: Counts, more: int) -> Estimate:
    """Return how many images not seen yet the next `more` draws bring, up to as many draws as there
    were.

    The increase of the curve of `expected_images`; the interval is for the number that will be
    counted, so that it contains the spread of a Poisson number as well. If no image was seen once,
    it ends at `more` times the upper end of `chance_of_new`. Raises ValueError beyond n draws.
    """
    if not 0 <= more <= counts.draws:
        raise ValueError(f"{counts.draws:,} draws can forecast as many more at most, not {more:,}.")
    size = np.array([counts.draws + more])

    def increase(known: Counts) -> float:
        return float(_curve(known, size)[0]) - known.seen

    value = increase(counts)
    if not value:
        return Estimate(
            0.0, 0.0, min(counts.images - counts.seen, chance_of_new(counts).high * more)
        )
    kinds, many = np.unique(counts.times, return_counts=True)
    slopes = np.array([increase(counts.with_one(k)) - value for k in kinds.tolist()])
    variance = many @ slopes**2 - (many @ slopes) ** 2 / can_come_back(counts).value
    half = math.sqrt(WIDE**2 * max(0.0, float(variance)) + Z**2 * value)
    return Estimate(value, max(0.0, value - half), min(counts.images - counts.seen, value + half))


def expected_from_rates(rates: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Return how many different images are reproduced in m draws, sum_i 1 - (1 - R_i)^m, for any m.

    `rates` (G,) of groups of near-duplicates, each the sum of its members' rates to a nearest
    image.
    """
    with np.errstate(divide="ignore"):
        never = np.log1p(-np.clip(rates, 0, 1))
    return np.array([-np.expm1(m * never).sum() if m else 0.0 for m in sizes])


def _curve(counts: Counts, sizes: np.ndarray) -> np.ndarray:
    n, times = counts.draws, counts.times
    inside = np.minimum(sizes, n)[:, None]
    left = n - times - inside  # below 0 if so many draws certainly contain a copy
    missed = gammaln(n - times + 1) + gammaln(n - inside + 1) - gammaln(n + 1)
    missed = np.where(left >= 0, missed - gammaln(np.maximum(left, 0) + 1), -np.inf)
    seen = -np.expm1(np.minimum(missed, 0)).sum(1)  # a chance, whatever the rounding
    once, hidden = counts.exactly(1), can_come_back(counts).value - counts.seen
    if not (once and hidden):
        return np.asarray(seen)
    kept = 1 - once / (n * hidden + once)
    return np.asarray(seen + hidden * (1 - kept ** np.maximum(0, sizes - n)))

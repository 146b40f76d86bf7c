"""Which of two kinds of image ranks above the other: curves, areas under them, and intervals.

Intervals count clusters, not images: images that are alike (one drawing, one near-duplicate group)
have nearly the same value and are one observation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, norm

Values = Sequence[float] | np.ndarray
Labels = Sequence[object] | np.ndarray
Clusters = tuple[Labels, Labels]  # labels of both sides; an equal label is the same cluster
FEWEST = 100  # images that a rate at 1% false positives needs
CONFIDENCE = 0.95
HALVINGS = 50  # of the interval that holds an end of a score interval


def roc(values: Values, others: Values) -> tuple[np.ndarray, np.ndarray]:
    """Give false and true positive rates, from (0, 0) to (1, 1), of calling positive what is at
    least a falling threshold.
    """
    from sklearn.metrics import roc_curve  # takes seconds: only where it is needed

    labels = np.repeat([1, 0], [len(values), len(others)])
    false, true, _ = roc_curve(labels, np.concatenate([values, others]), drop_intermediate=False)
    return false, true


@dataclass(frozen=True)
class Area:
    """The area under a curve, P(one > other) + P(one = other) / 2, with what its interval needs.

    `sizes` are the `effective` numbers of clusters of both sides. `effects` say how much each
    cluster, named by `labels`, moves the area; their squares sum to its variance (DeLong et al.
    1988; for clusters Obuchowski 1997).
    """

    value: float
    sizes: tuple[float, float]
    labels: np.ndarray
    effects: np.ndarray

    @classmethod
    def of(
        cls,
        one: Values,
        other: Values,
        clusters: Clusters | None = None,
        weights: tuple[Values, Values] | None = None,
    ) -> "Area":
        """Measure the area of `one` above `other`.

        `weights` > 0 say how many values each one stands for, where they are a sample of unequal
        chances. Raises ValueError where a side is empty, holds NaN or does not fit its labels.
        """
        sides = [np.asarray(side, dtype=np.float64) for side in (one, other)]
        counts = tuple(map(len, sides))
        if not all(counts) or any(np.isnan(side).any() for side in sides):
            raise ValueError(
                f"An area under the curve needs known values on both sides, not {counts[0]} and "
                f"{counts[1]} of which {sum(int(np.isnan(side).sum()) for side in sides)} are NaN."
            )
        if clusters is None:
            clusters = (np.arange(counts[0]), counts[0] + np.arange(counts[1]))
        if tuple(map(len, clusters)) != counts:
            raise ValueError(
                f"There are {len(clusters[0])} and {len(clusters[1])} cluster labels for "
                f"{counts[0]} and {counts[1]} values."
            )
        labels, place = np.unique(
            np.concatenate([np.asarray(side) for side in clusters]), return_inverse=True
        )
        places = (place[: counts[0]], place[counts[0] :])
        mass = [np.asarray(side, float) for side in weights or map(np.ones_like, sides)]
        shares = (
            _share_below(sides[0], sides[1], mass[1]),
            1 - _share_below(sides[1], sides[0], mass[0]),
        )
        value = float(np.average(shares[0], weights=mass[0]))
        effects = np.zeros(len(labels))
        for share, where, heavy in zip(shares, places, mass, strict=True):
            many = len(np.unique(where))
            moved = np.bincount(where, heavy * (share - value), minlength=len(labels))
            effects += moved / heavy.sum() * np.sqrt(many / max(1, many - 1))
        sizes = (effective(places[0], mass[0]), effective(places[1], mass[1]))
        return cls(value, sizes, labels, effects)

    @property
    def design(self) -> float:
        """How many times the variance exceeds the one the score interval assumes, at least 1."""
        assumed = float(_model_variance(np.array(self.value), *self.sizes))
        return max(1.0, float((self.effects**2).sum()) / assumed) if assumed > 0 else 1.0

    def interval(self, level: float = CONFIDENCE) -> tuple[float, float]:
        """Give the ends of the two-sided interval at this level; see `auc_interval`."""
        low, high = score_interval(self.value, *self.sizes, self.design, level)
        return float(low), float(high)


def _share_below(values: np.ndarray, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The share of `others` by weight below each value, equal ones counted half."""
    order = np.argsort(others, kind="stable")
    mass = np.concatenate([[0.0], np.cumsum(weights[order])])
    below, upto = (np.searchsorted(others[order], values, side) for side in ("left", "right"))
    share: np.ndarray = (mass[below] + mass[upto]) / (2 * mass[-1])
    return share


def _model_variance(area: np.ndarray, m: np.ndarray | float, n: np.ndarray | float) -> np.ndarray:
    """The variance of the area of m against n values by the exponential model (Hanley & McNeil
    1982), m - 1 and n - 1 replaced by their mean (Newcombe 2006).
    """
    spread = (1 - area) / (2 - area) + area / (1 + area)
    return np.asarray(area * (1 - area) * (1 + ((m + n) / 2 - 1) * spread) / (m * n))


def score_interval(
    area: np.ndarray | float,
    m: np.ndarray | float,
    n: np.ndarray | float,
    design: np.ndarray | float = 1.0,
    level: float = CONFIDENCE,
) -> tuple[np.ndarray, np.ndarray]:
    """Give the ends of all t with (t - area)^2 <= z^2 design V(t), V of m against n values.

    Newcombe 2006, Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic, part 2, method 5, with its variance times `design`. Arrays are taken elementwise.
    """
    area = np.asarray(area, dtype=np.float64)
    z = norm.isf((1 - level) / 2)
    ends = []
    for limit in (0.0, 1.0):
        inside, outside = area.copy(), np.full_like(area, limit)
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            near = (middle - area) ** 2 <= z**2 * design * _model_variance(middle, m, n)
            inside, outside = np.where(near, middle, inside), np.where(near, outside, middle)
        ends.append(inside)
    return ends[0], ends[1]


def auc_interval(
    one: Values, other: Values, clusters: Clusters | None = None
) -> tuple[float, float, float]:
    """Give the AUC of `one` above `other` and the ends of its 95% interval.

    AUC = P(one > other) + P(one = other) / 2. The interval is Newcombe's method 5 with the
    effective numbers of clusters on both sides. Its variance is multiplied by the ratio of the
    variance that the data show, between clusters (DeLong, Obuchowski), to the one the method
    assumes, where that ratio exceeds 1. So it stays open at an AUC of 1, and follows the data where
    they are many.

    `clusters` is a pair of label arrays, of `one` and of `other`: values with an equal label, on
    whichever side, are one cluster. Without it every value is one of its own.

    Coverage, in 2,000 repetitions for AUC .8, .9, .95, .98, .99 and .999 and sizes of 8, 20, 60 and
    200 on either side: at least .948 for normal values of equal variance. Where one side's standard
    deviation is 3 times the other's: .877 (8 wide against 200 narrow at AUC .8) to 1, and .92 or
    more at AUC .95 and above; without the ratio .80. Clusters of six equal values, 8 to 60 a side:
    at least .939 (1,000 repetitions). With values that agree only in part within clusters, or with
    clusters on both sides, it is wider than it needs to be.
    """
    area = Area.of(one, other, clusters)
    return area.value, *area.interval()


def auc_difference(one: Area, other: Area, level: float = CONFIDENCE) -> tuple[float, float, float]:
    """Give by how much the first area exceeds the second, and the ends of the interval.

    The areas are of two measures of the same images, their clusters named alike. With areas a and b
    in (a_low, a_high) and (b_low, b_high), correlated by r over clusters,

        low = a - b - sqrt((a - a_low)^2 - 2 r (a - a_low)(b_high - b) + (b_high - b)^2)

    and high likewise (square-and-add: Zou & Donner 2008), which stays open where an area is 1.
    Coverage of 95% in 1,000 repetitions: at least .94 for AUC .8 to .999, sizes 8 to 200 and values
    correlated by .5 and .9 (that of the normal interval falls to .47).
    """
    return (
        one.value - other.value,
        *_difference(one, one.interval(level), other, other.interval(level)),
    )


def _difference(
    one: Area, ends: tuple[float, float], other: Area, others: tuple[float, float]
) -> tuple[float, float]:
    """Square and add the distances of both areas from the ends of their intervals."""
    _, mine, theirs = np.intersect1d(one.labels, other.labels, True, return_indices=True)
    spread = np.sqrt((one.effects**2).sum() * (other.effects**2).sum())
    product = float((one.effects[mine] * other.effects[theirs]).sum())
    correlation = float(np.clip(product / spread, -1, 1)) if spread > 0 else 0.0

    def reach(a: float, b: float) -> float:
        return float(np.sqrt(max(0.0, a**2 - 2 * correlation * a * b + b**2)))

    difference = one.value - other.value
    return (
        difference - reach(one.value - ends[0], others[1] - other.value),
        difference + reach(ends[1] - one.value, other.value - others[0]),
    )


def possible_best(areas: Mapping[str, Area], level: float = CONFIDENCE) -> list[str]:
    """Name the areas of which the greatest true one is, with this confidence, however many there
    are.

    An area is left out where the upper end of its difference from another is not above 0, at a
    one-sided level of 1 - (1 - level) / (M - 1) for M areas (Bonferroni; Hsu 1981).
    """
    two_sided = 1 - 2 * (1 - level) / max(1, len(areas) - 1)
    ends = {name: area.interval(two_sided) for name, area in areas.items()}
    return [
        name
        for name, area in areas.items()
        if all(
            _difference(area, ends[name], other, ends[another])[1] > 0
            for another, other in areas.items()
            if another != name
        )
    ]


def tpr_at(values: Values, others: Values, most: float = 0.01) -> float:
    """Give the largest true positive rate at which at most a share `most` of the `others` are
    called positive.
    """
    false, true = roc(values, others)
    return float(true[false <= most + 1e-12].max())


def tpr_interval(
    values: Values, others: Values, clusters: Clusters | None = None, most: float = 0.01
) -> tuple[float, float, float]:
    """Give `tpr_at` with the ends of its 95% interval.

    The distances of Wilson's ends (for a known threshold) and of the rates at the ends of the
    threshold (the order statistics of the `others` between which its true value lies) are squared
    and added. Where the true threshold may lie above all `others`, an exponential tail with the
    mean excess of the highest tenth says how far. Clusters count as in `auc_interval`.

    Coverage at 1% of 100 to 1,000 others, 8 to 200 values and AUC .8 to .995, in 1,000 repetitions:
    at least .93 for normal values, .90 for heavier tails. Raises ValueError for fewer than 100
    others (clusters), of which 1% is not one.
    """
    own, rest = np.asarray(values, np.float64), -np.sort(-np.asarray(others, np.float64))
    names = clusters or (np.arange(len(own)), np.arange(len(rest)))
    negatives = len(np.unique(np.asarray(names[1])))
    if negatives < FEWEST:
        raise ValueError(
            f"A rate at {most:.0%} false positives needs at least {FEWEST} different images that "
            f"should rank low; there are {negatives}."
        )
    m, n = (effective(np.asarray(side)) for side in names)
    rate = tpr_at(own, rest, most)
    tail = (1 - CONFIDENCE) / 2
    fewest, furthest = (int(binom.ppf(q, round(n), most)) for q in (tail, 1 - tail))

    def at(rank: int) -> float:
        """The value at this rank of the clusters, 0 the highest."""
        return float(rest[min(len(rest) - 1, int(rank * len(rest) / n))])

    if fewest:
        strict = at(fewest - 1)
    else:
        tenth = max(2, len(rest) // 10)
        beyond = np.log((1 - tail ** (1 / n)) / most)
        strict = rest[0] + (rest[:tenth].mean() - rest[tenth]) * max(0.0, float(beyond))
    low, high = map(float, score_shares(rate, m))
    below, above = (float((own > cut).mean()) for cut in (strict, at(furthest)))
    return (
        rate,
        max(0.0, rate - float(np.hypot(rate - low, rate - below))),
        min(1.0, rate + float(np.hypot(high - rate, above - rate))),
    )


def effective(labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Count clusters by weight: n^2 / sum of n_c^2 for n labels, n_c of them equal; or weights in
    the place of their numbers.
    """
    _, place = np.unique(labels, return_inverse=True)
    counts = np.bincount(place, weights)
    return float(counts.sum() ** 2 / (counts**2).sum())


def score_shares(
    shares: np.ndarray | float, n: float, level: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Give the ends of Wilson's intervals of shares of n, which need not be whole."""
    z = float(norm.isf((1 - level) / 2))
    middle, scale = shares + z**2 / (2 * n), 1 + z**2 / n
    half = z * np.sqrt(shares * (1 - np.asarray(shares)) / n + z**2 / (4 * n**2))
    return np.maximum(0.0, (middle - half) / scale), np.minimum(1.0, (middle + half) / scale)

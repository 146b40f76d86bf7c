"""Two models on the same images: which of them gives away more, which images changed, and by how
much the measures did. Every interval is of 95%.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, false_discovery_control, fisher_exact
from scipy.stats import t as student

from memlib.evidence.quality import signed
from memlib.evidence.remembered import Remembered
from memlib.evidence.reproduction import at_most
from memlib.evidence.text import interval
from memlib.evidence.unseen import Estimate, expected_images
from memlib.measures import MEASURES
from memlib.statistics import FEWEST

RATE = 0.05  # of false discoveries among the images said to have changed
SHIFTS = ["measure", "trained", "held out", "change", "low", "high", "net", "net low", "net high"]


@dataclass(frozen=True)
class Changed:
    """The place of an image, how often each model drew a copy of its near-duplicate group, and
    whether the two rates differ by more than chance.
    """

    place: int
    times: int
    other: int
    sure: bool


def share_difference(times: int, draws: int, other: int, others: int) -> Estimate:
    """Return times / draws - other / others and its interval, from the Wilson intervals of both
    (Newcombe 1998, Interval estimation for the difference between independent proportions, method
    10).
    """
    one, two = times / draws, other / others
    (low, high), (low2, high2) = (
        binomtest(count, of).proportion_ci(method="wilson")
        for count, of in ((times, draws), (other, others))
    )
    below, above = np.hypot(one - low, high2 - two), np.hypot(high - one, two - low2)
    return Estimate(one - two, one - two - float(below), one - two + float(above))


def at_equal_draws(one: Remembered, other: Remembered) -> tuple[Estimate, Estimate]:
    """Return how many different images each model gives away among as many pictures as were drawn
    of both. Where nothing came back, the upper end is that of the number of copies.
    """
    draws = min(one.draws, other.draws)

    def among(model: Remembered) -> Estimate:
        if not model.copies:
            return Estimate(0, 0, draws * at_most(model.draws))
        return expected_images(model.counts, [draws])[0]

    return among(one), among(other)


def compared_in_words(one: Remembered, other: Remembered) -> str:
    """Say how the two models differ in what they give away."""
    apart = share_difference(one.copies, one.draws, other.copies, other.draws)
    first, second = at_equal_draws(one, other)
    draws = min(one.draws, other.draws)
    points = [f"{100 * end:+.1f}" for end in (apart.value, apart.low, apart.high)]
    return (
        f"The share of copies differs by {points[0]} percentage points (95%: {points[1]} to "
        f"{points[2]}). Among {draws:,} pictures of each model, {first.value:.0f} (95%: "
        f"{first.low:.0f} to {first.high:.0f}) and {second.value:.0f} ({second.low:.0f} to "
        f"{second.high:.0f}) different training images came back."
    )


def copies_changed(one: Remembered, other: Remembered) -> list[Changed]:
    """Compare how often each image came back, near-duplicates as one, the largest difference of the
    rates first.

    Each image has Fisher's exact test; of those called sure, a share of RATE is expected to be
    wrong (Benjamini & Hochberg 1995). Images that neither model gave away are left out.
    """
    _, label = np.unique(one.groups.numpy(), return_inverse=True)
    both = [np.bincount(label, model.times * model.trained).astype(int) for model in (one, other)]
    seen = np.flatnonzero(sum(both))
    if not len(seen):
        return []
    tests = [
        fisher_exact([[a, one.draws - a], [b, other.draws - b]]).pvalue
        for a, b in zip(both[0][seen].tolist(), both[1][seen].tolist(), strict=True)
    ]
    sure = false_discovery_control(tests) < RATE
    most = np.lexsort((-(one.times + other.times), label))  # the most copied image of each group
    place = most[np.searchsorted(label[most], seen)]
    apart = np.abs(both[0][seen] / one.draws - both[1][seen] / other.draws)
    return [
        Changed(int(place[i]), int(both[0][seen[i]]), int(both[1][seen[i]]), bool(sure[i]))
        for i in np.argsort(-apart, kind="stable")
    ]


def shifts(
    values: pd.DataFrame, others: pd.DataFrame, held_out: np.ndarray, labels: np.ndarray
) -> pd.DataFrame:
    """Return by how much every measure that both models have changed on the same images.

    `values` and `others` are (N, measures); a change is values - others times the direction of the
    measure, so that positive is more memorised. A line holds the mean change of the trained images
    with its interval, and `net`: the same minus the mean change of the held-out images, which is
    what cannot be a difference of the models as such; NaN where none are held out. `beyond` counts
    the trained images that changed by more than all but 1% of the held-out ones, NaN below FEWEST
    of these. Intervals count the clusters `labels` (N,).
    """
    lines = []
    for name in map(str, values):
        change = (signed(values[[name]]) - signed(others[[name]]))[name].to_numpy()
        known = ~np.isnan(change)
        sides = [change[known & side] for side in (~held_out, held_out)]
        if len(sides[0]) < 2 or not np.ptp(change[known]):
            continue
        own, theirs = (
            _mean(side, labels[known & of])
            for side, of in zip(sides, (~held_out, held_out), strict=True)
        )
        line: dict[str, object] = {"measure": name, "trained": len(sides[0])}
        line |= {"held out": len(sides[1])} | dict(zip(SHIFTS[3:6], _ends([own]), strict=True))
        line |= dict(zip(SHIFTS[6:], _ends([own, theirs]), strict=True))
        enough = len(sides[1]) >= FEWEST
        line["beyond"] = (sides[0] > np.quantile(sides[1], 0.99)).sum() if enough else np.nan
        lines.append(line)
    return pd.DataFrame(lines, columns=[*SHIFTS, "beyond"])


def shift_in_words(line: pd.Series) -> str:
    """Say what a line of `shifts` means, and whether it is more than chance."""
    measure, apart = MEASURES[str(line["measure"])], not np.isnan(line["net low"])
    names = ["net", "net low", "net high"] if apart else ["change", "low", "high"]
    value, low, high = (float(line[name]) for name in names)
    more = value > 0
    ends = (low, high) if more else (-high, -low)
    return (
        f"By {measure.words}, the first model remembers the {line['trained']:,} training images "
        f"{'more' if more else 'less'} than the second does: on average by "
        f"{in_words(abs(value), *ends)} {measure.unit}"
        f"{', beyond what the held-out images changed by' if apart else ''}. "
        f"It {'is more than chance' if ends[0] > 0 else 'may be chance'}."
    )


def in_words(value: float, low: float, high: float) -> str:
    """Write a change with its interval, in as many digits as its size asks for."""
    if max(map(abs, (value, low, high))) < 10:
        return interval(value, low, high)
    return f"{value:,.0f} ({low:,.0f} to {high:,.0f})"


def _mean(values: np.ndarray, labels: np.ndarray) -> tuple[float, float, int]:
    """Return the mean, its variance between clusters, and the degrees of freedom."""
    if not len(values):
        return np.nan, np.nan, 1
    mean = float(values.mean())
    sums = np.bincount(np.unique(labels, return_inverse=True)[1], values - mean)
    many = len(sums)
    if many < 2:
        return mean, np.nan, 1
    return mean, float((sums**2).sum()) / len(values) ** 2 * many / (many - 1), many - 1


def _ends(means: Sequence[tuple[float, float, int]]) -> tuple[float, float, float]:
    """Return the first mean, or the first minus the second, with its interval by Student's t
    (Welch).
    """
    value = means[0][0] - sum(mean for mean, _, _ in means[1:])
    variance = sum(part for _, part, _ in means)
    if not variance:
        return value, value, value
    degrees = variance**2 / sum(part**2 / df for _, part, df in means)
    half = float(student.ppf(0.975, degrees)) * variance**0.5
    return value, value - half, value + half

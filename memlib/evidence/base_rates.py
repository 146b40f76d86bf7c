"""How many of the images that reach a threshold would reach it by chance."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest


@dataclass(frozen=True)
class BaseRate:
    """What a threshold flags, and what it would flag if nothing were memorised.

    `rate` is None without held-out images.
    """

    flagged: int
    of: int
    rate: float | None
    low: float
    high: float
    held_out: int

    @property
    def expected(self) -> float | None:
        return None if self.rate is None else self.rate * self.of

    def __str__(self) -> str:
        said = f"{self.flagged:,} of {self.of:,} flagged"
        if self.rate is None:
            return (
                f"{said}; how many of them by chance cannot be said: there are no held-out "
                "images of the same kind with this number."
            )
        return (
            f"{said}; at {self.rate:.1%} false positives {self.expected:,.0f} expected by chance "
            f"(95%: {self.low * self.of:,.0f} to {self.high * self.of:,.0f}, from "
            f"{self.held_out:,} held-out images)."
        )


def base_rate(value: np.ndarray, threshold: float, kept_out: np.ndarray) -> BaseRate:
    """Of the trained images with a value (bigger is more memorised), how many reach the threshold,
    and at which rate held-out ones do.
    """
    known = ~np.isnan(value)
    trained, other = value[known & ~kept_out], value[known & kept_out]
    flagged = int((trained >= threshold).sum())
    if not len(other):
        return BaseRate(flagged, len(trained), None, 0, 1, 0)
    test = binomtest(int((other >= threshold).sum()), len(other))
    interval = test.proportion_ci(0.95, "wilson")
    return BaseRate(flagged, len(trained), test.statistic, interval.low, interval.high, len(other))

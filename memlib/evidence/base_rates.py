"""The number of images that would reach a threshold by chance."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest


@dataclass(frozen=True)
class BaseRate:
    """How many images a threshold flags, and how many it would flag if none were memorised.

    `rate` is None if there are no held-out images.
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
                f"{said}; the number by chance is unknown, since no held-out images have this "
                "measure."
            )
        return (
            f"{said}; at {self.rate:.1%} false positives {self.expected:,.0f} expected by chance "
            f"(95%: {self.low * self.of:,.0f} to {self.high * self.of:,.0f}, from "
            f"{self.held_out:,} held-out images)."
        )


def base_rate(value: np.ndarray, threshold: float, kept_out: np.ndarray) -> BaseRate:
    """Count the trained images whose value (bigger is more memorised) reaches the threshold, and
    estimate the rate at which held-out ones do.
    """
    known = ~np.isnan(value)
    trained, other = value[known & ~kept_out], value[known & kept_out]
    flagged = int((trained >= threshold).sum())
    if not len(other):
        return BaseRate(flagged, len(trained), None, 0, 1, 0)
    test = binomtest(int((other >= threshold).sum()), len(other))
    interval = test.proportion_ci(0.95, "wilson")
    return BaseRate(flagged, len(trained), test.statistic, interval.low, interval.high, len(other))

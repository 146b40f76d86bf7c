"""Which measure separates: the area under the ROC curve, with an interval over images."""

from collections.abc import Sequence

import numpy as np


def auc_interval(
    values: Sequence[float] | np.ndarray, held_out: Sequence[float] | np.ndarray, seed: int = 0, draws: int = 500
) -> tuple[float, float, float]:
    """AUC of `values` above `held_out`, and the ends of its 95% bootstrap interval over images."""
    positive, negative = np.asarray(values, dtype=np.float64), np.asarray(held_out, dtype=np.float64)
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    draw = np.random.default_rng(seed)

    def counts(n: int) -> np.ndarray:
        """How often each of n images is drawn, in every bootstrap sample."""
        return draw.multinomial(n, np.full(n, 1 / n), size=draws)

    spread = ((counts(len(positive)) @ wins) * counts(len(negative))).sum(1) / wins.size
    low, high = np.quantile(spread, [0.025, 0.975])
    return float(wins.mean()), float(low), float(high)

"""Which measure separates: ROC curves, the area under them with an interval over images, and the
rate at few false positives.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_curve

Values = Sequence[float] | np.ndarray
BLOCK = 2**24  # numbers a block of bootstrap samples may hold


def roc(values: Values, others: Values) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates, from (0, 0) to (1, 1), of calling positive what is at least a
    falling threshold.
    """
    labels = np.repeat([1, 0], [len(values), len(others)])
    false, true, _ = roc_curve(labels, np.concatenate([values, others]), drop_intermediate=False)
    return false, true


def tpr_at(values: Values, others: Values, most: float = 0.01) -> float:
    """The largest true positive rate at which at most a share `most` of the `others` are called
    positive.
    """
    false, true = roc(values, others)
    return float(true[false <= most + 1e-12].max())


def auc_interval(
    values: Values, held_out: Values, seed: int = 0, draws: int = 500
) -> tuple[float, float, float]:
    """AUC of `values` above `held_out`, and the ends of its 95% bootstrap interval over images.

    AUC = P(value > other) + P(value = other) / 2. Each bootstrap sample draws both groups anew,
    with replacement; the others are sorted once, so that a sample costs one cumulative sum.
    """
    positive, negative = (
        np.asarray(values, dtype=np.float64),
        np.asarray(held_out, dtype=np.float64),
    )
    order = np.argsort(negative, kind="stable")
    below, upto = (np.searchsorted(negative[order], positive, side) for side in ("left", "right"))
    draw = np.random.default_rng(seed)

    def areas(own: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The area where each image counts as often as it was drawn, own (draws, P) and other
        (draws, N).
        """
        total = np.concatenate(
            [np.zeros((len(other), 1)), np.cumsum(other[:, order], 1, dtype=np.float64)], 1
        )
        return np.asarray(
            (own * (total[:, below] + total[:, upto])).sum(1) / (2 * own.sum(1) * other.sum(1))
        )

    sizes = (len(positive), len(negative))
    step = max(1, BLOCK // max(sizes))
    spread = []
    for start in range(0, draws, step):
        count = min(step, draws - start)
        spread.append(areas(*(draw.multinomial(n, np.full(n, 1 / n), size=count) for n in sizes)))
    low, high = np.quantile(np.concatenate(spread), [0.025, 0.975])
    return float(areas(*(np.ones((1, n)) for n in sizes))[0]), float(low), float(high)

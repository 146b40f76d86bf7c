"""The checkpoint of training from which a model remembers an image."""

import math

import numpy as np

ERROR = 0.05  # an upper bound on the chance of an onset for an image like the held-out ones


def bounds(held_out: np.ndarray, error: float = ERROR) -> np.ndarray:
    """Return the values (T,) that an image must exceed at T checkpoints, from those of held-out
    images (N, T).

    Of N + 1 exchangeable images, one is above the k-th smallest of the others with probability 1 -
    k / (N + 1): k is the smallest for which that is at most error / T, or N. `error` is divided
    among the checkpoints (Bonferroni), so that many checkpoints do not make an onset more likely.
    """
    count, checkpoints = held_out.shape
    k = min(count, math.ceil((1 - error / checkpoints) * (count + 1)))
    return np.asarray(np.sort(held_out, axis=0)[k - 1])


def chance(count: int, error: float = ERROR) -> float:
    """Return an upper bound on the chance of an onset for an image like the `count` held-out ones:
    `error`, or more if they are fewer than 19. It is the chance at the last checkpoint.
    """
    return max(error, 1 / (count + 1))


def onset(values: np.ndarray, held_out: np.ndarray, error: float = ERROR) -> int | None:
    """Return the first of T checkpoints from which an image's values (T,) stay above the `bounds`
    of held-out images (N, T) until the last; None if the last is not above.
    """
    below = np.flatnonzero(~(values > bounds(held_out, error)))
    first = int(below[-1]) + 1 if len(below) else 0
    return first if first < len(values) else None

"""When in training a model began to remember an image."""

import math

import numpy as np

ERROR = 0.05  # the chance that an image like the held-out ones is given an onset, at most


def bounds(held_out: np.ndarray, error: float = ERROR) -> np.ndarray:
    """The values (T,) that an image must exceed at T checkpoints, from held-out images' (N, T).

    Of N + 1 images alike, one is above the k-th smallest of the others with chance
    1 - k / (N + 1): k is the smallest for which that is at most error / T, or N. `error` is shared
    by the checkpoints (Bonferroni), so that many of them do not make an onset more likely.
    """
    count, checkpoints = held_out.shape
    k = min(count, math.ceil((1 - error / checkpoints) * (count + 1)))
    return np.asarray(np.sort(held_out, axis=0)[k - 1])


def chance(count: int, error: float = ERROR) -> float:
    """The chance of an onset, at most, for an image like the `count` held-out ones: `error`, or
    more where they are fewer than 19. The last checkpoint alone decides it.
    """
    return max(error, 1 / (count + 1))


def onset(values: np.ndarray, held_out: np.ndarray, error: float = ERROR) -> int | None:
    """The first of T checkpoints from which on an image's values (T,) stay above the `bounds` of
    held-out images (N, T), to the last; None where the last is not above.
    """
    below = np.flatnonzero(~(values > bounds(held_out, error)))
    first = int(below[-1]) + 1 if len(below) else 0
    return first if first < len(values) else None

"""An onset lasts to the end of training, and many checkpoints do not make it more likely."""

import numpy as np
import pytest

from memlib.evidence.onset import bounds, onset


def test_an_onset_persists_to_the_last_checkpoint() -> None:
    held_out = np.tile(np.linspace(0, 1, 40)[:, None], 5)
    assert onset(np.array([0, 2, 0, 2, 2.0]), held_out) == 3
    assert onset(np.array([2, 2, 2, 2, 2.0]), held_out) == 0
    assert onset(np.array([2, 2, 2, 2, 0.5]), held_out) is None
    assert onset(np.array([0, 0, 0, 0, np.nan]), held_out) is None


@pytest.mark.parametrize("checkpoints", [1, 4, 30])
@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_images_like_the_held_out_ones_seldom_have_one(checkpoints: int, shared: float) -> None:
    """`shared` is the correlation of an image's values at different checkpoints."""
    draw = np.random.default_rng(0)
    found = 0
    for _ in range(1500):
        own = draw.normal(size=(26, 1)) * shared**0.5
        values = own + draw.normal(size=(26, checkpoints)) * (1 - shared) ** 0.5
        found += onset(values[0], values[1:]) is not None
    assert found / 1500 <= 0.05


def test_more_checkpoints_ask_for_more_at_each() -> None:
    held_out = np.random.default_rng(0).normal(size=(400, 1))
    assert bounds(held_out)[0] < bounds(np.tile(held_out, 8))[0]

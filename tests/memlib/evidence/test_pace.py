"""When to stop an attack: by the images that the model itself drew twice."""

import math

import numpy as np
import pytest
import torch

from memlib.evidence.pace import WINDOW, Pace
from memlib.extraction.seeking.found import Found

SHAPE = (1, 2, 2)


def test_an_image_is_found_when_it_comes_again() -> None:
    pace = Pace(Found(SHAPE))
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, *SHAPE)
    pace.add(images[[0, 1, 0]], torch.tensor([6, 6, 4]))
    pace.add(images[[0, 1, 2]], torch.tensor([2, 2, 2]))
    assert pace.again == [16.0, 20.0]
    assert pace.spent == 22
    pace.spent = 4 * WINDOW
    pace.again = [1.0, 3.5 * WINDOW, 3.6 * WINDOW]
    expected = 2 * math.log(5 / 4) / math.log(4 / 3)
    assert pace.forecast().value == pytest.approx(expected)
    assert pace.price() == pytest.approx(WINDOW / expected)
    pace.falling = False
    assert pace.forecast().value == 2
    pace.again = [1.0]
    assert (pace.forecast().value, pace.forecast().low) == (0, 0)
    assert 3 <= pace.forecast().high <= 5
    assert pace.price() == math.inf
    assert "1 images were drawn twice with 40,000 forwards" in pace.sentence()


def test_forecasts_cover_what_the_next_forwards_bring() -> None:
    """Independent draws of images with rates over three decades, four forwards each."""
    rates = 10 ** np.linspace(-2, -4.5, 150)
    hits = []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        pace, second = Pace(Found(SHAPE)), []
        which = draw.choice(151, 10_000, p=[*rates, 1 - rates.sum()])
        for image in range(150):
            at = np.flatnonzero(which == image)
            second += [4.0 * (at[1] + 1)] if len(at) > 1 else []
        for spent in (2 * WINDOW, 3 * WINDOW):
            pace.spent, pace.again = spent, [at for at in second if at <= spent]
            told = pace.forecast()
            brought = sum(spent < at <= spent + WINDOW for at in second)
            hits.append(told.low <= brought <= told.high)
    assert np.mean(hits) >= 0.9

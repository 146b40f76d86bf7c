"""Rates of modes in the plane: exact, counted and estimated ones are the same."""

import numpy as np
import pytest

from memlib.evidence.draws import count_interval
from memlib.landscapes.basins import basins
from memlib.landscapes.mixtures import Mode, three_modes

POINTS = (Mode(-2, 0, 0, 0, 0, 6), Mode(2, 1, 0, 0, 0, 3), Mode(1, -3, 0, 0, 0, 1))


def test_the_exact_rate_of_a_point_is_its_weight_and_of_a_mode_its_mass() -> None:
    table = basins(POINTS, 1.0, draws=64, steps=10)
    assert table["exact"].to_numpy() == pytest.approx([0.6, 0.3, 0.1])
    table = basins(three_modes(), 0.5, draws=64, steps=10)
    inside = (1 - np.exp(-(0.5**2) / (2 * 0.1))) / 3  # of a round Gaussian of variance 0.1
    assert table["exact"].to_numpy() == pytest.approx([inside] * 3, abs=0.004)


@pytest.mark.slow
@pytest.mark.parametrize("modes", [POINTS, three_modes()])
def test_counts_and_estimates_agree_with_the_exact_rate(modes: tuple[Mode, ...]) -> None:
    draws = 512
    table = basins(modes, 1.0, draws=draws, steps=100)
    low, high = count_interval(table["times"].to_numpy(), draws, 0.999)
    assert ((low <= table["exact"]) & (table["exact"] <= high)).all()
    known, limits = table[table["sign"] == 0], table[table["sign"] > 0]
    assert len(known) >= 2
    assert (limits["estimated"] <= limits["exact"]).all()
    assert (np.abs(np.log(known["estimated"] / known["exact"])) < 0.4).all()

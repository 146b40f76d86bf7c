"""Two models on the same images: differences against published values, tests of chance by
simulation.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ttest_ind

from memlib.evidence import Remembered
from memlib.evidence.two_models import (
    at_equal_draws,
    compared_in_words,
    copies_changed,
    share_difference,
    shifts,
)


def remembered(times: Sequence[int], draws: int = 1000) -> Remembered:
    """Ten images, of which 1 and 2 are near-duplicates and the last is held out."""
    groups = torch.tensor([0, 1, 1, 3, 4, 5, 6, 7, 8, 9])
    return Remembered(draws, np.array(times), groups, np.arange(10) < 9)


def test_the_difference_of_two_shares_has_newcombes_interval() -> None:
    """The examples a, b and h of his table II."""
    for counts, low, high in (
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((10, 10, 0, 20), 0.6791, 1.0),
    ):
        found = share_difference(*counts)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
        back = share_difference(*counts[2:], *counts[:2])
        assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_the_interval_of_the_difference_covers_it() -> None:
    draw = np.random.default_rng(0)
    times = draw.binomial([[300], [200]], [[0.02], [0.05]], (2, 500))
    found = [share_difference(one, 300, two, 200) for one, two in times.T.tolist()]
    assert np.mean([one.low <= -0.03 <= one.high for one in found]) > 0.93


def test_near_duplicates_change_as_one_image_and_held_out_ones_not_at_all() -> None:
    found = copies_changed(
        remembered([40, 10, 15, 0, 1, 0, 0, 0, 0, 9]), remembered([0, 30, 0, 0, 2, 0, 0, 0, 0, 0])
    )
    assert [(one.place, one.times, one.other) for one in found] == [
        (0, 40, 0),
        (1, 25, 30),
        (4, 1, 2),
    ]
    assert [one.sure for one in found] == [True, False, False]
    assert not copies_changed(remembered([0] * 10), remembered([0] * 10))


def test_models_that_are_the_same_hardly_ever_differ() -> None:
    draw = np.random.default_rng(1)
    rates = [0.05, 0.02, 0.0, 0.01, 0.01, 0.03, 0.02, 0.005, 0.04, 0.0]
    wrong = [
        any(
            one.sure
            for one in copies_changed(*(remembered(draw.binomial(1000, rates)) for _ in "ab"))
        )
        for _ in range(200)
    ]
    assert np.mean(wrong) < 0.06


def test_different_images_are_compared_among_as_many_pictures() -> None:
    one, other = remembered([9, 0, 0, 4, 1, 1, 0, 0, 0, 0], 100), remembered([30] * 9 + [0], 1000)
    first, second = at_equal_draws(one, other)
    assert first.value == one.counts.seen == 4
    assert 7 < second.value < other.counts.seen == 8
    assert "-12.0 percentage points" in compared_in_words(one, other)
    assert "Among 100 pictures of each model, 4 (" in compared_in_words(one, other)


def test_a_model_that_gave_nothing_away_has_an_upper_limit() -> None:
    one, other = remembered([9, 0, 0, 4, 1, 1, 0, 0, 0, 0], 100), remembered([0] * 10, 300)
    assert "4 (" in (said := compared_in_words(one, other))
    assert "and 0 (0 to 1) different" in said  # at most 3 of 300


def table(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"denoising_loss": values})


def test_a_change_is_in_the_direction_of_the_measure_and_free_of_what_held_out_images_share() -> (
    None
):
    draw = np.random.default_rng(2)
    held_out = np.arange(400) >= 250
    other = draw.normal(3, 1, 400)
    values = other + draw.normal(0.5, 0.1, 400) - 0.2 * ~held_out
    line = shifts(table(values), table(other), held_out, np.arange(400)).iloc[0]
    change = other - values  # a loss that falls is more memorised
    known = ttest_ind(change[~held_out], change[held_out], equal_var=False).confidence_interval()
    assert line["change"] == pytest.approx(change[~held_out].mean())
    assert (line["net low"], line["net high"]) == pytest.approx(tuple(known))
    assert line["net low"] < 0.2 < line["net high"]
    assert line["beyond"] == (change[~held_out] > np.quantile(change[held_out], 0.99)).sum()


def test_clusters_widen_the_interval_and_few_held_out_images_limit_nothing() -> None:
    draw = np.random.default_rng(3)
    held_out = np.arange(90) >= 60
    family = np.repeat(np.arange(15), 6)
    other = draw.normal(0, 1, 90)
    values = other + np.repeat(draw.normal(0, 1, 15), 6)
    alone, together = (
        shifts(table(values), table(other), held_out, labels).iloc[0]
        for labels in (np.arange(90), family)
    )
    assert together["high"] - together["low"] > 2 * (alone["high"] - alone["low"])
    assert np.isnan(together["beyond"])
    lonely = shifts(table(values), table(other), np.zeros(90, bool), family).iloc[0]
    assert np.isnan(lonely["net"]) and lonely["high"] > lonely["low"]


def test_measures_that_one_model_lacks_or_that_are_equal_are_left_out() -> None:
    values = np.random.default_rng(4).normal(size=20)
    held_out, labels = np.arange(20) >= 10, np.arange(20)
    assert shifts(table(values), table(np.full(20, np.nan)), held_out, labels).empty
    assert shifts(table(values), table(values), held_out, labels).empty

"""What a model gives away, in numbers and sentences: against counts made by hand and published
intervals.
"""

import numpy as np
import pytest
import torch
from scipy.stats import beta

from memlib.evidence import (
    Remembered,
    copy_rule,
    counted_in_words,
    counted_rate,
    drawn_how,
)
from memlib.evidence.unseen import expected_images
from memlib.extraction import Plan


def example(**changes: object) -> Remembered:
    """Seven images, 1 and 2 near-duplicates, the last held out; ten copies among a hundred."""
    given = {
        "draws": 100,
        "times": np.array([1, 2, 4, 0, 3, 0, 0]),
        "groups": torch.tensor([0, 1, 1, 3, 4, 5, 6]),
        "trained": np.array([True] * 6 + [False]),
    }
    return Remembered(**(given | changes))  # type: ignore[arg-type]


def test_near_duplicates_are_one_image_everywhere() -> None:
    found = example()
    assert found.counts.seen == 3 and found.counts.images == 5
    assert sorted(found.counts.times.tolist()) == [1, 3, 6]
    assert "copies of 3 of 5 different training images" in found.sentence()
    assert [(one.place, one.times) for one in found.candidates()] == [(2, 6), (4, 3), (0, 1)]
    assert found.once() == [0]


def test_an_estimated_rate_adds_images_behind_those_that_came_back() -> None:
    rates = np.array([np.nan, -1.0, -5.0, -3.0, np.nan, -2.0, -0.5])
    places = [one.place for one in example().candidates(rates)]
    assert places == [2, 4, 0, 5, 3]  # by copies, then by rate; never a held-out image
    without = example(times=np.zeros(7, int), draws=0)
    assert [one.place for one in without.candidates(rates)] == [1, 5, 3]
    assert without.candidates() == []


def test_the_sentence_says_what_twice_the_draws_would_show_unless_they_were_guided() -> None:
    found = example()
    later = expected_images(found.counts, [200])[0]
    assert f"among 200, copies of {later.value:.0f} (95%: {later.low:.0f}" in found.sentence()
    assert "expected" not in example(guided=True).sentence()


def test_where_nothing_came_back_the_sentence_is_a_bound_and_nothing_is_left() -> None:
    found = example(times=np.zeros(7, int))
    assert found.sentence().startswith("0 of 100 pictures drawn are copies of any of 5")
    assert f"at most {1 - 0.05 ** (1 / 100):.2%}" in found.sentence()
    assert found.to_find() == []
    assert found.candidates() == []


def test_the_curve_passes_through_what_was_seen_and_ends_at_the_forecast() -> None:
    sizes, estimates = example().curve(20)
    assert sizes[0] == 0 and sizes[-1] == 200 and sizes == sorted(set(sizes))
    assert estimates[sizes.index(100)].value == pytest.approx(3)
    assert estimates[-1] == example().later()
    assert all(one.low <= one.value <= one.high for one in estimates)


def test_a_counted_rate_has_the_interval_of_clopper_and_pearson() -> None:
    rate = counted_rate(7, 100)
    assert (rate.low, rate.high) == pytest.approx((beta.ppf(0.025, 7, 94), beta.ppf(0.975, 8, 93)))
    words = counted_in_words(7, 100)
    assert words == f"about once in 14 pictures (95%: {1 / rate.high:.0f} to {1 / rate.low:.0f})"
    assert counted_in_words(0, 100) == "less than once in 34 pictures"
    assert counted_in_words(50, 100).startswith("in 50% of the pictures (95%: 40% to 60%)")


def test_sampler_and_criterion_are_named() -> None:
    plan = Plan("digest", "unconditional", None, 0.0, 50, 0, 0)
    assert drawn_how(plan) == "by the deterministic sampler with 50 steps, without guidance"
    plan = Plan("digest", "side", "other", 2.0, 25, 0, 0, 1.0)
    assert drawn_how(plan) == "by the stochastic sampler with 25 steps, guided with strength 2"
    assert copy_rule("ratio", 1 / 3).startswith("nearest over second nearest below 0.333 (over 3")
    assert copy_rule("sscd", 0.5) == "sscd above 0.5"

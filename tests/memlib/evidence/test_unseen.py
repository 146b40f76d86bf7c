"""What is left to find, from counts: against closed forms, counted draws and simulation."""

import itertools

import numpy as np
import pytest
import torch

from memlib.evidence.unseen import (
    Counts,
    can_come_back,
    chance_of_new,
    expected_from_rates,
    expected_images,
    new_images,
)

DRAWS, REPEATS = 2048, 300
SETS = {
    "rates over three decades": 10 ** np.linspace(-2, -5, 140),
    "a rare tail": np.concatenate([10 ** np.linspace(-2, -4, 60), np.full(800, 1e-6)]),
    "rare alike": np.full(400, 1e-4),
}


def counted(rates: np.ndarray, seed: int, draws: int = DRAWS) -> tuple[Counts, np.ndarray]:
    times = np.random.default_rng(seed).binomial(draws, rates)
    return Counts(draws, times[times > 0], 2000), times


def test_rarefaction_is_the_mean_over_all_choices_of_the_draws() -> None:
    shown = [0, 0, 0, 1, 1, 2, -1, -1]  # the image each draw is a copy of
    counts = Counts(len(shown), np.array([3, 2, 1]), 10)
    for m in range(len(shown) + 1):
        chosen = list(itertools.combinations(shown, m))
        mean = np.mean([len(set(one) - {-1}) for one in chosen])
        assert expected_images(counts, [m])[0].value == pytest.approx(mean)


def test_estimates_equal_the_published_formulas() -> None:
    counts = Counts(100, np.array([1] * 6 + [2] * 3 + [10] * 4), 1000)
    assert chance_of_new(counts).value == 6 / 100
    hidden = 99 / 100 * 6 * 5 / (2 * 4)
    assert can_come_back(counts).value == pytest.approx(13 + hidden)
    kept = (1 - 6 / (100 * hidden + 6)) ** 50
    assert expected_images(counts, [150])[0].value == pytest.approx(13 + hidden * (1 - kept))


def test_the_curve_has_no_break_where_the_forecast_begins() -> None:
    counts, _ = counted(SETS["a rare tail"], 0)
    before, at, after = (one.value for one in expected_images(counts, [2047, 2048, 2049]))
    assert at == counts.seen
    assert after - at == pytest.approx(at - before, rel=0.1)
    assert after - at == pytest.approx(chance_of_new(counts).value, rel=0.01)


@pytest.mark.parametrize("name", SETS)
def test_intervals_cover_what_the_rates_say(name: str) -> None:
    rates = SETS[name]
    truth = expected_from_rates(rates, [DRAWS // 2, 2 * DRAWS])
    hits = []
    for seed in range(REPEATS):
        counts, times = counted(rates, seed)
        new, least = chance_of_new(counts), can_come_back(counts)
        curve = expected_images(counts, [DRAWS // 2, 2 * DRAWS])
        hits.append(
            [
                new.low <= rates[times == 0].sum() <= new.high,
                least.low <= len(rates),
                *(one.low <= true <= one.high for one, true in zip(curve, truth, strict=True)),
            ]
        )
    assert (np.mean(hits, axis=0) >= 0.9).all(), np.mean(hits, axis=0)


@pytest.mark.parametrize("name", [*SETS, "all seen"])
def test_the_forecast_of_new_images_covers_what_further_draws_bring(name: str) -> None:
    rates = SETS.get(name, np.full(30, 1e-2))
    hits, found = [], []
    for seed in range(REPEATS // 3):
        counts, times = counted(rates, seed)
        forecast = new_images(counts, DRAWS // 2)
        brought = ((counted(rates, seed + 10**6, DRAWS // 2)[1] > 0) & (times == 0)).sum()
        hits.append(np.floor(forecast.low) <= brought <= np.ceil(forecast.high))
        found.append(forecast.value - brought)
    assert np.mean(hits) >= 0.9
    assert abs(np.mean(found)) < 0.1 * np.sqrt(len(rates))


def test_new_images_are_the_increase_of_the_curve_and_none_beyond_what_counts_can_say() -> None:
    counts, _ = counted(SETS["a rare tail"], 0)
    later = expected_images(counts, [DRAWS + 500])[0].value
    assert new_images(counts, 500).value == pytest.approx(later - counts.seen)
    assert new_images(counts, 0).value == 0
    with pytest.raises(ValueError, match="as many more at most, not 2,049"):
        new_images(counts, DRAWS + 1)


def test_rates_forecast_what_draws_count() -> None:
    rates, wanted = SETS["rates over three decades"], [100, 10_000, 100_000]
    counts = [[counted(rates, seed, m)[0].seen for seed in range(50)] for m in wanted]
    error = np.std(counts, axis=1) / 50**0.5
    assert (np.abs(np.mean(counts, axis=1) - expected_from_rates(rates, wanted)) < 4 * error).all()


def test_no_copies_one_image_and_sure_images_are_answered() -> None:
    nothing = Counts(1000, np.array([], int), 50)
    assert (chance_of_new(nothing).value, can_come_back(nothing).value) == (0, 0)
    assert 0.003 < chance_of_new(nothing).high < 0.004
    assert [one.value for one in expected_images(nothing, [10, 2000])] == [0, 0]
    whole = Counts(10, np.array([10]), 1)
    assert [one.value for one in expected_images(whole, [0, 1, 20])] == [0, 1, 1]
    assert expected_from_rates(np.array([1.0, 0.0]), [0, 1, 5]).tolist() == [0, 1, 1]


def test_never_more_images_than_there_are() -> None:
    counts = Counts(100, np.ones(40, int), 45)
    assert can_come_back(counts).high == 45
    assert expected_images(counts, [200])[0].high <= 45


def test_a_forecast_beyond_twice_the_draws_is_refused() -> None:
    with pytest.raises(ValueError, match="can be forecast to 200"):
        expected_images(Counts(100, np.array([1]), 5), [201])


def test_near_duplicates_are_one_image_and_held_out_ones_none() -> None:
    counts = Counts.of(
        np.array([2, 1, 0, 4, 7]),
        torch.tensor([5, 5, 8, 9, 11]),
        100,
        np.array([True, True, True, True, False]),
    )
    assert sorted(counts.times.tolist()) == [3, 4]
    assert counts.images == 3


def test_a_forecast_is_open_above_where_no_image_was_seen_once() -> None:
    """Few counts, all above one, leave room for images whose chance the counts cannot exclude."""
    counts = Counts(256, np.array([2, 2, 2, 3]), 200)
    now, later = expected_images(counts, [256, 512])
    assert now.high == now.value == later.value == 4
    assert later.high == pytest.approx(4 + 256 * chance_of_new(counts).high)
    assert later.high == pytest.approx(4 + new_images(counts, 256).high)

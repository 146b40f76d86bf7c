"""Rates predicted from a score: against simulated rates, and the demo's counts."""

import numpy as np
import pytest
from scipy.special import expit, log_expit

from memlib import load_denoiser, load_images
from memlib.bundled import DEMO
from memlib.evidence import clusters, measure_table
from memlib.evidence.draws import Draws
from memlib.evidence.prediction.forecast import GroupScores, images_among
from memlib.evidence.prediction.screening import DECADE, Calibration, cross_fitted
from memlib.evidence.unseen import expected_from_rates
from memlib.neighbours import duplicates
from memlib.runs import read_numbers

DRAWS, TRUE = 4000, np.array([-9.0, -3.0, -0.5, 0.0, 0.2])


def simulated(seed: int, count: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, logit rates and counts by the model with the parameters TRUE."""
    draw = np.random.default_rng(seed)
    s = draw.normal(size=count)
    s = (s - s.mean()) / s.std()
    a, b, c, t, d = TRUE
    law = a + b * s + c * s**2 + np.exp(t + d * s) * draw.normal(size=count)
    return s, law, draw.binomial(DRAWS, expit(law))


def test_known_parameters_are_found_within_their_errors() -> None:
    found = []
    for seed in range(6):
        s, _, times = simulated(seed, 1000)
        one = Calibration.fit(s, times, DRAWS, np.arange(len(s)))
        found.append((one.theta - TRUE) / np.sqrt(np.diag(one.covariance)))
        assert one.helps
    assert (np.abs(np.mean(found, axis=0)) < 1.3).all(), np.mean(found, axis=0)
    assert (np.std(found, axis=0) < 1.8).all()


def test_cross_fitted_intervals_cover_rates_and_counts_of_images_held_out() -> None:
    rates, counts = [], []
    for seed in range(3):
        s, law, times = simulated(seed)
        found = cross_fitted(s, times, DRAWS, np.arange(len(s)) // 2)
        log_rate = log_expit(law) / DECADE
        rates.append((found.low <= log_rate) & (log_rate <= found.high))
        counts.append(found.covers(times, DRAWS))
    assert 0.9 <= np.mean(rates) <= 0.99
    assert np.mean(counts) >= 0.9


def test_estimates_and_limits_calibrate_like_counts() -> None:
    s, law, times = simulated(0)
    draw, error = np.random.default_rng(1), 0.15
    log_rate = log_expit(law) / DECADE + error * draw.normal(size=len(s))
    sign = np.where(log_rate < -5, -1, np.where(draw.random(len(s)) < 0.2, 1, 0))
    value = np.where(sign > 0, log_rate - 0.7, np.where(sign < 0, log_rate + 0.3, log_rate))
    stderr = np.full(len(s), error)
    own = np.arange(len(s))
    counted = Calibration.fit(s, times, DRAWS, own).predict(s)
    found = Calibration.fit_estimates(s, value, stderr, sign, own).predict(s)
    high = counted.value > -4
    assert np.abs(found.value - counted.value)[high].max() < 0.5
    inside = (found.low <= log_expit(law) / DECADE) & (log_expit(law) / DECADE <= found.high)
    assert inside.mean() > 0.9


def test_a_score_that_says_nothing_is_said_to_be_of_no_help() -> None:
    helped = []
    for seed in range(10):
        _, _, times = simulated(seed, 300)
        noise = np.random.default_rng(100 + seed).normal(size=len(times))
        helped.append(Calibration.fit(noise, times, DRAWS, np.arange(len(times))).helps)
    assert np.mean(helped) <= 0.2


def test_predictions_rise_with_the_score_throughout_and_need_one() -> None:
    s, _, times = simulated(3)
    found = Calibration.fit(s, times, DRAWS, np.arange(len(s)))
    line = found.predict(np.linspace(-9, 9, 200)).value
    assert (np.diff(line) <= 1e-9).all()
    assert np.isnan(found.predict(np.array([np.nan, 0.0])).value).tolist() == [True, False]


def test_too_few_images_that_came_back_are_refused() -> None:
    times = np.array([3, 1, 0, 0, 0, 0, 0, 0, 0, 2])
    with pytest.raises(ValueError, match="Only 3 different images were drawn; at least 8"):
        Calibration.fit(np.arange(10.0), times, 100, np.arange(10))


@pytest.mark.slow
def test_the_forecast_covers_what_the_rates_say_far_beyond_the_draws() -> None:
    sizes, hits = [DRAWS, 3 * DRAWS, 50 * DRAWS], []
    for seed in range(16):
        s, law, times = simulated(seed, 400)
        found = Calibration.fit(s, times, DRAWS, np.arange(len(s)))
        forecast = images_among(found, s, times, DRAWS, sizes)
        assert forecast[0].value == forecast[0].low == (times > 0).sum()
        new = expected_from_rates(expit(law[times == 0]), [m - DRAWS for m in sizes])
        hits.append(
            [
                one.low <= (times > 0).sum() + more <= one.high
                for one, more in zip(forecast[1:], new[1:], strict=True)
            ]
        )
    assert np.mean(hits) >= 0.9
    with pytest.raises(ValueError, match="are no forecast"):
        images_among(found, s, times, DRAWS, [DRAWS - 1])


@pytest.mark.slow
def test_on_the_demo_predictions_cover_counts_and_an_eighth_of_the_draws_forecasts_all() -> None:
    """Predicted from the integrated loss, 16 forwards an image: .985 of the counts are within their
    cross-fitted intervals, .92 of those of images drawn at least ten times.
    """
    denoiser, images = load_denoiser("demo", "cpu"), load_images("demo")
    draws, _ = Draws.read(DEMO / "stochastic")
    groups, trained = duplicates(images), ~images.held_out
    values, _ = measure_table(denoiser, images, read_numbers(DEMO / "runs"))
    score, times = values["integrated_loss"].to_numpy(), draws.times(images, 0.1)
    kin = clusters(images, groups)
    covers = cross_fitted(score, times, draws.count, kin).covers(times, draws.count)
    assert covers.mean() >= 0.95
    assert covers[times > 0].mean() >= 0.9
    assert covers[times >= 10].mean() >= 0.9
    few = 2048
    first = Draws(few, draws.within, draws.pairs[draws.pairs["draw"] < few])
    known = GroupScores.of(score, groups, kin, trained)
    early, late = (known.times(one.credited(images, 0.1)) for one in (first, draws))
    found = Calibration.fit(known.scores, early, few, known.clusters)
    (forecast,) = images_among(found, known.scores, early, few, [draws.count])
    assert forecast.low <= (late > 0).sum() <= forecast.high

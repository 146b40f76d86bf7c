"""Intervals of measures cover what they claim, by simulation; steps err less than probes do."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from memlib import (
    GaussianMixture,
    denoising_loss,
    flipd,
    load_denoiser,
    load_images,
    p_laplace,
    volume_growth,
)
from memlib.flow import corrected_step, ladder, ode_step, quadrature
from memlib.measures import MEASURES, Result
from memlib.measures.result import degrees_of_freedom, half_width, interval, standard_error


def correlated(d: int = 24) -> GaussianMixture:
    """A Gaussian whose Jacobian is far from diagonal, so that single probes scatter."""
    draw = torch.Generator().manual_seed(0)
    turned = torch.linalg.qr(torch.randn(d, d, generator=draw, dtype=torch.float64)).Q
    spectrum = torch.logspace(-3, 1, d, dtype=torch.float64)
    return GaussianMixture(torch.zeros(1, 1, 4, d // 4), ((turned * spectrum) @ turned.T)[None])


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize("parts", [1, 4, 13])
@pytest.mark.parametrize("ratio", [1.0, 0.6])
def test_a_students_t_interval_covers_where_draws_are_few(
    count: int, parts: int, ratio: float
) -> None:
    """Parts whose scale falls by `ratio` from one to the next; the truth is 0."""
    scale = ratio ** torch.arange(parts)
    draw = torch.Generator().manual_seed(1)
    draws = torch.randn(4000, count, parts, generator=draw) * scale
    error = standard_error(draws).numpy()
    value = np.abs(draws.mean(1).sum(1).numpy())
    covered = float((value <= half_width(error, degrees_of_freedom(draws).numpy())).mean())
    assert covered >= 0.93
    if count == 2:
        assert float((value <= 1.96 * error).mean()) < covered


def test_degrees_are_those_of_equal_parts_and_of_one_part() -> None:
    draws = torch.randn(50, 2000, 13, generator=torch.Generator().manual_seed(2))
    assert float(degrees_of_freedom(draws).median()) == pytest.approx(1999 * 13, rel=0.01)
    assert (degrees_of_freedom(draws[..., :1]) == 1999).all()
    assert degrees_of_freedom(draws[:, :1]).isnan().all()


def covered(truth: Tensor, runs: list[Result]) -> float:
    """The share of runs and images whose interval holds the truth (B,)."""
    ends = [run.interval for run in runs]
    return float(np.mean([((low <= truth) & (truth <= high)).float().mean() for low, high in ends]))


RUNS: dict[str, tuple[Callable[..., Result], dict]] = {
    "volume growth, 2 probes": (volume_growth, {"probes": 2}),
    "volume growth, 4 probes": (volume_growth, {"probes": 4, "steps": 8}),
    "p-Laplace, p = 1": (p_laplace, {"sigma": 0.3, "directions": 16}),
    "p-Laplace, p = 2, two pairs": (p_laplace, {"sigma": 0.3, "directions": 4, "p": 2.0}),
    "denoising loss": (denoising_loss, {"sigma": 0.5, "draws": 16}),
    "local dimension": (flipd, {"sigma": 0.5, "probes": 8}),
    "local dimension, 2 probes": (flipd, {"sigma": 0.5, "probes": 2}),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_interval_of_a_measure_covers_over_seeds(name: str) -> None:
    function, asked = RUNS[name]
    denoiser = correlated()
    images = denoiser.sample(3, seed=5)
    if function is volume_growth:
        truth = volume_growth(denoiser, images, **asked | {"probes": "exact"}).value
    else:
        many = {"p_laplace": "directions", "denoising_loss": "draws", "flipd": "probes"}
        asked_well = asked | {many[function.__name__]: 20_000}
        truth = function(denoiser, images, **asked_well, seed=10**6).value
    runs = [function(denoiser, images, **asked, seed=seed) for seed in range(150)]
    assert covered(truth, runs) >= 0.92


def test_the_interval_of_a_row_is_that_of_the_result() -> None:
    denoiser = correlated()
    result = volume_growth(denoiser, denoiser.sample(2))
    low, high = result.interval
    found = interval(result.row(1), MEASURES["volume_growth"].settings.degrees)
    assert found == pytest.approx((float(low[1]), float(high[1])), rel=1e-5)
    numbers = {name: result.row(1)[name] for name in ("value", "stderr")}
    wide = interval(numbers, 1)  # without the draws only the probes can be counted
    assert wide[1] - wide[0] > found[1] - found[0]
    alone = volume_growth(denoiser, denoiser.sample(1), probes=1)
    assert np.isnan(interval(alone.row(0), 0)).all()
    exact = volume_growth(denoiser, denoiser.sample(1), probes="exact")
    assert interval(exact.row(0), math.inf) == (float(exact.value[0]),) * 2


def test_quadrature_is_exact_for_cubics_on_any_ladder() -> None:
    levels = ladder(correlated(), 7, 0.1, 50, stretch=5.0)
    x = levels.log()
    for power in range(4):
        parts = quadrature(levels) @ x**power
        torch.testing.assert_close(parts, (x ** (power + 1)).diff() / (power + 1))
    assert (quadrature(levels).sum(0) > 0).all()
    for steps in (1, 2, 3):
        short = ladder(correlated(), steps, 0.1, 50, stretch=5.0)
        assert float(quadrature(short).sum()) == pytest.approx(math.log(500))


def test_the_ladder_stretches_the_same_way_at_any_number_of_steps() -> None:
    coarse, fine = (ladder(correlated(), steps, 0.1, 50, stretch=5.0) for steps in (6, 24))
    torch.testing.assert_close(coarse, fine[::4])
    gaps = fine.log().diff()
    assert float(gaps[-1] / gaps[0]) == pytest.approx(5 ** (23 / 24))


def test_a_corrected_path_is_nearer_to_a_long_one_at_the_same_forwards() -> None:
    denoiser = GaussianMixture(
        torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)), 0.05
    )
    start = denoiser.sample(8).double()

    def latent(steps: int, corrected: bool) -> Tensor:
        levels = ladder(denoiser, steps, 0.05, 20, stretch=5.0)
        y, base, previous = start, start, None
        for k in range(steps + 1):
            denoised = denoiser(y, float(levels[k]))
            if corrected and previous is not None:
                y = corrected_step(base, previous, denoised, levels, k - 1)
            if k < steps:
                base, y = y, ode_step(y, denoised, previous, levels, k)
                previous = denoised
        return y

    truth = latent(400, True)
    errors = [float((latent(24, kind) - truth).square().mean().sqrt()) for kind in (True, False)]
    assert errors[0] < 0.7 * errors[1]


@pytest.mark.slow
def test_the_default_growth_of_the_demo_covers_a_long_run() -> None:
    """12 steps and 2 probes against 96 steps and 4 other probes, over a stratified sample."""
    denoiser, images = load_denoiser("demo", "cpu"), load_images("demo")
    kinds = [f"{images.metadata['group'][i]}" for i in range(len(images))]
    chosen = [
        int(index)
        for kind in sorted(set(kinds))
        for index in np.random.default_rng(0).permutation(
            [place for place, one in enumerate(kinds) if one == kind]
        )[:3]
    ]
    asked = MEASURES["volume_growth"].defaults(denoiser)
    batch = images.batch(chosen)
    short = volume_growth(denoiser, batch, **asked)
    long = volume_growth(denoiser, batch, **asked | {"steps": 96, "probes": 4, "seed": 1})
    assert short.evaluations == 39
    assert covered(long.value, [short]) >= 0.9
    assert float((short.value - long.value).mean().abs()) < 12  # it was 58

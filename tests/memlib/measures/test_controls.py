"""The controls against closed forms, and the arithmetic of differences."""

import math

import numpy as np
import pytest
import torch

from memlib import (
    FiniteDataset,
    GaussianMixture,
    denoising_loss,
    flipd,
    integrated_loss,
    log_likelihood,
    volume_growth,
)
from memlib.evidence.simplicity import png_size, regress_out
from memlib.measures import MEASURES, difference
from memlib.measures.likelihood import bits_per_dimension
from memlib.measures.result import standard_error


def gaussian(variance: float) -> GaussianMixture:
    return GaussianMixture(torch.zeros(1, 3, 4, 4), variance)


@pytest.mark.parametrize(("variance", "sigma"), [(1.0, 0.5), (0.25, 2.0), (0.01, 0.1)])
def test_the_denoising_loss_at_the_mean_of_a_gaussian_is_its_closed_form(
    variance: float, sigma: float
) -> None:
    """noise(y) = sigma y / (v + sigma^2), so the error at x = 0 is v / (v + sigma^2) times n."""
    loss = denoising_loss(gaussian(variance), torch.zeros(2, 3, 4, 4), sigma, draws=400)
    exact = (variance / (variance + sigma**2)) ** 2
    assert ((loss.value - exact).abs() < 3 * loss.stderr + 1e-6).all()
    assert (loss.stderr < 0.02 * exact).all()


def test_the_denoising_loss_of_an_isolated_point_is_nothing() -> None:
    point = torch.full((1, 3, 4, 4), 0.3)
    assert float(denoising_loss(FiniteDataset(point), point, 0.7).value[0]) == pytest.approx(
        0, abs=1e-10
    )


def test_the_integrated_loss_of_a_gaussian_is_its_closed_form() -> None:
    """Its samples lose v / (v + sigma^2) a dimension and level; the integral is a logarithm."""
    variance, low, high = 2.0, 0.1, 50.0
    images = gaussian(variance).sample(64)
    result = integrated_loss(
        gaussian(variance), images, sigma_min=low, sigma_max=high, levels=40, draws=4
    )
    exact = 24 * math.log((1 + variance / low**2) / (1 + variance / high**2))
    error = float(result.value.std()) / 8
    assert float(result.value.mean()) == pytest.approx(exact, abs=3 * error)
    torch.testing.assert_close(result.map.sum((1, 2)), result.value)
    torch.testing.assert_close(result.draws.mean(1).sum(1), result.value)


def test_the_integrated_loss_of_an_isolated_point_is_nothing() -> None:
    point = torch.full((1, 3, 4, 4), 0.3)
    assert float(integrated_loss(FiniteDataset(point), point).value[0]) == pytest.approx(
        0, abs=1e-8
    )


def test_the_integrated_loss_of_an_image_does_not_depend_on_its_batch() -> None:
    images = gaussian(1.0).sample(3)
    alone = [integrated_loss(gaussian(1.0), image[None]).value for image in images]
    torch.testing.assert_close(integrated_loss(gaussian(1.0), images).value, torch.cat(alone))


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_flipd_of_a_gaussian_is_its_closed_form(sigma: float) -> None:
    variances = torch.diag(torch.logspace(-3, 1, 12, dtype=torch.float64))
    denoiser = GaussianMixture(torch.zeros(1, 3, 2, 2), variances[None])
    images = denoiser.sample(3)
    spectrum = variances.diagonal()
    trace = (spectrum / (spectrum + sigma**2)).sum()
    noise = sigma * images.double().flatten(1) / (spectrum + sigma**2)
    result = flipd(denoiser, images, sigma)
    torch.testing.assert_close(
        result.value.double(), trace + (noise**2).sum(1), rtol=1e-3, atol=1e-3
    )
    torch.testing.assert_close(result.map.sum((1, 2)), result.value)


def test_flipd_of_a_flat_distribution_is_the_number_of_its_dimensions() -> None:
    spectrum = torch.tensor([1.0] * 5 + [0.0] * 7, dtype=torch.float64)
    flat = GaussianMixture(torch.zeros(1, 3, 2, 2), torch.diag(spectrum)[None])
    assert float(flipd(flat, torch.zeros(1, 3, 2, 2), 0.01).value[0]) == pytest.approx(5, abs=0.01)


def test_the_log_likelihood_is_the_log_density_and_its_map_sums_to_it(
    mixture: GaussianMixture,
) -> None:
    images = mixture.sample(4)
    result = log_likelihood(mixture, images, steps=100, probes=8)
    exact = mixture.log_prob(images, 0.01).float()
    assert ((result.value - exact).abs() < 3 * result.stderr + 0.12).all()
    torch.testing.assert_close(result.map.sum((1, 2)), result.value, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        result.bits_per_dimension,
        math.log2(127.5) - result.value / (12 * math.log(2)),
    )


def test_bits_per_dimension_of_uniform_pixels_are_eight() -> None:
    """256 values 2 / 255 apart are the middles of cells that cover a range of 512 / 255."""
    assert bits_per_dimension(12 * math.log(255 / 512), 12) == pytest.approx(8)


def test_controls_do_not_depend_on_the_batch_and_repeat_bit_for_bit(
    mixture: GaussianMixture,
) -> None:
    images = mixture.sample(4)
    for measure in (lambda x: denoising_loss(mixture, x, 0.5), lambda x: flipd(mixture, x, 0.5)):
        together = measure(images)
        assert torch.equal(together.value, measure(images).value)
        torch.testing.assert_close(
            together.value[2:3], measure(images[2:3]).value, rtol=1e-5, atol=1e-5
        )


def test_png_size_grows_with_texture_and_regressing_it_out_leaves_nothing_of_it() -> None:
    draw = np.random.default_rng(0)
    plain, busy = torch.zeros(3, 16, 16), torch.from_numpy(draw.uniform(-1, 1, (3, 16, 16))).float()
    small, large = png_size([plain, busy])
    assert small < large / 4
    assert png_size([torch.zeros(1, 8, 8)])[0] > 0
    control = draw.normal(size=50)
    rest = draw.normal(size=50)
    left = regress_out(3 * control + rest, control)
    assert np.corrcoef(left, control)[0, 1] == pytest.approx(0, abs=1e-12)
    assert left.mean() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(regress_out(rest, np.ones(50)), rest - rest.mean())


def test_the_difference_of_two_models_has_the_error_of_their_shared_probes(
    mixture: GaussianMixture,
) -> None:
    """Two models a little apart: their errors cancel, and the stated error of the difference is its
    spread over seeds.
    """
    other = GaussianMixture(
        mixture.means.view(3, 3, 2, 2) * 1.05,
        mixture.axes @ torch.diag_embed(mixture.spectra * 1.1) @ mixture.axes.mT,
    )
    images, parts = mixture.sample(1), []
    for seed in range(60):
        own, reference = (
            volume_growth(m, images, probes=4, seed=seed, sigma_min=0.1, keep_maps=True).row(0)
            for m in (mixture, other)
        )
        parts.append(difference(own, reference))
    stated = math.sqrt(np.mean([part["stderr"] ** 2 for part in parts]))
    assert stated / np.std([part["value"] for part in parts]) == pytest.approx(1, abs=0.35)
    assert stated < own["stderr"] / 2
    assert parts[-1]["map"].sum() == pytest.approx(parts[-1]["value"], abs=1e-3)
    assert parts[-1]["value"] == own["value"] - reference["value"]
    assert (parts[-1]["map_stderr"] >= own["map_stderr"]).all()


def test_a_single_draw_has_no_standard_error() -> None:
    assert standard_error(torch.zeros(3, 1, 2)).isnan().all()


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_every_measure_in_the_table_runs_with_its_defaults_and_keeps_a_row(name: str) -> None:
    measure, denoiser = MEASURES[name], GaussianMixture(torch.zeros(1, 1, 4, 4), 0.2)
    parameters = measure.defaults(denoiser)
    if name == "frame_growth":
        parameters |= {"directions": 3, "steps": 20}
    seen: list[tuple[int, int]] = []
    result = measure.function(
        denoiser, denoiser.sample(3), **parameters, callback=lambda *count: seen.append(count)
    )
    assert seen[-1][0] == seen[-1][1]
    row = result.row(1)
    assert math.isfinite(row[measure.column])
    assert measure.run == measure.function.__name__
    assert measure.direction in (-1, 1)
    assert all(
        (
            measure.title,
            measure.unit,
            measure.definition,
            measure.formula,
            measure.limits,
            measure.citation,
        )
    )
    if measure.run == "p_laplace":
        return
    assert row["value"] == float(result.value[1])
    if result.map is not None:
        total = getattr(result, result.mapped)
        torch.testing.assert_close(result.map.sum((1, 2)), total, rtol=1e-4, atol=1e-4)
    if result.draws is not None and name != "log_likelihood":
        torch.testing.assert_close(result.draws.mean(1).sum(-1), result.value, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: denoising_loss(m, x, 0.5, draws=0),
        lambda m, x: flipd(m, x, 0.5, probes=0),
        lambda m, x: flipd(m, x[0], 0.5),
    ],
)
def test_impossible_requests_are_refused(call: object, mixture: GaussianMixture) -> None:
    with pytest.raises(ValueError, match=r"least one|shape"):
        call(mixture, torch.zeros(1, 3, 2, 2))  # type: ignore[operator]

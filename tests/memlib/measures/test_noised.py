"""Growth and redraw precision at noised states, and maps by subtraction: closed forms, autograd."""

import math

import pytest
import torch
from scipy.linalg import hadamard
from torch import Tensor

from memlib import FiniteDataset, GaussianMixture
from memlib.denoisers.base import Denoiser
from memlib.measures import noised_growth, redraw_precision
from memlib.measures.differences.subtraction import (
    SUBTRACTIONS,
    curvature_apart,
    curvature_gap,
    score_apart,
)
from memlib.seeds import generator

SHAPE = (2, 3, 4)


def gaussian(variance: float, shift: float = 0.0) -> GaussianMixture:
    return GaussianMixture(torch.full((1, *SHAPE), shift), variance)


def pictures(count: int = 3) -> Tensor:
    return torch.rand((count, *SHAPE), generator=generator(9)) * 2 - 1


def test_growth_at_noised_states_of_a_gaussian_is_its_integral() -> None:
    found = noised_growth(gaussian(0.5), pictures(), sigma_min=0.1, sigma_max=10, levels=400)
    exact = 24 / 2 * math.log((0.5 + 10**2) / (0.5 + 0.1**2))
    torch.testing.assert_close(found.value, torch.full((3,), exact), rtol=1e-3, atol=0)
    torch.testing.assert_close(found.map.sum((1, 2)), found.value, rtol=1e-5, atol=1e-4)


def test_an_isolated_point_reaches_the_ceiling_and_returns_exactly() -> None:
    one = pictures(1)
    memoriser = FiniteDataset(torch.cat([one, one + 40]))
    grown = noised_growth(memoriser, one, sigma_min=0.1, sigma_max=1)
    assert float(grown.value) == pytest.approx(24 * math.log(10), rel=1e-4)
    found = redraw_precision(memoriser, one, floor=0.1)
    assert float(found.value) == pytest.approx(-math.log(0.1), rel=1e-4)
    assert found.evaluations == 120


def test_redraw_precision_shows_the_pixels_that_all_alternatives_agree_in() -> None:
    """Half of every picture is the same; a redraw may end at any picture."""
    points = torch.rand((16, 1, 4, 8), generator=generator(1)) * 2 - 1
    points[..., :4] = points[:1, ..., :4]
    heat = redraw_precision(FiniteDataset(points), points, sigmas=(8.0,), draws=4).map
    assert heat[..., :4].min() > 2 * heat[..., 4:].mean()


def test_the_score_difference_of_two_gaussians_is_known() -> None:
    """eps = sigma (y - mean) / (v + sigma^2)."""
    x, sigma = pictures(), 0.7
    found = score_apart(gaussian(0.5), gaussian(2.0, 0.3), x, sigmas=(sigma,), draws=0)
    gap = sigma * (x / (0.5 + sigma**2) - (x - 0.3) / (2 + sigma**2))
    torch.testing.assert_close(found.map, gap.square().sum(1) / 12, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(found.map.sum((1, 2)), found.value)


def test_the_curvature_difference_of_two_gaussians_is_known() -> None:
    sigma = 0.7
    found = curvature_apart(gaussian(0.5), gaussian(2.0), pictures(), sigmas=(sigma,), draws=1)
    each = sigma**2 * (1 / (0.5 + sigma**2) - 1 / (2 + sigma**2))
    torch.testing.assert_close(found.map, torch.full((3, 3, 4), 2 * each / 12), rtol=1e-5, atol=0)
    back = curvature_apart(gaussian(2.0), gaussian(0.5), pictures(), sigmas=(sigma,), draws=1)
    assert not back.map.any()  # rectified


def test_the_integrated_score_difference_is_the_divergence_of_two_gaussians() -> None:
    """KL(N(0, v) || N(0, w)) is the integral over ln sigma of E (eps - eps_ref)^2, above sigma_min
    that of the noised ones.
    """
    v, w, low, high, levels = 0.5, 2.0, 0.05, 50.0, 60
    width = math.log(high / low) / levels
    sigmas = tuple(low * math.exp((k + 0.5) * width) for k in range(levels))
    x = math.sqrt(v) * torch.randn((1000, *SHAPE), generator=generator(3))
    found = score_apart(gaussian(v), gaussian(w), x, sigmas=sigmas, draws=4)
    nats = float(found.value.mean()) * 12 * levels * width

    def divergence(sigma: float) -> float:
        ratio = (v + sigma**2) / (w + sigma**2)
        return 24 / 2 * (ratio - 1 - math.log(ratio))

    assert nats == pytest.approx(divergence(low) - divergence(high), rel=0.03)


class Tiny(Denoiser):
    """A convolutional network with the contract of a denoiser."""

    shape, sigma_min, sigma_max, name = SHAPE, 0.01, 100.0, "tiny"
    device = torch.device("cpu")

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.digest = f"tiny {seed}"
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(2, 8, 3, padding=1),
            torch.nn.SiLU(),
            torch.nn.Conv2d(8, 2, 3, padding=1),
        ).requires_grad_(False)

    def __call__(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        return self.layers(y)


def test_the_curvature_difference_is_autograds_on_a_network() -> None:
    """With all rows of a Hadamard matrix as signs, the estimate of the diagonal is exact."""
    one, other, x, sigma = Tiny(0), Tiny(1), pictures(2), 0.8
    signs = torch.from_numpy(hadamard(32)[:, :24]).float().view(32, *SHAPE)
    found = sigma * curvature_gap(one, other, x, sigma, signs)
    for row, heat in zip(x, found, strict=True):

        def gap(flat: Tensor) -> Tensor:
            y = flat.view(1, *SHAPE)
            return sigma * (one.noise(y, sigma) - other.noise(y, sigma)).flatten()

        exact = torch.autograd.functional.jacobian(gap, row.flatten()).diagonal()
        torch.testing.assert_close(heat, exact.view(SHAPE).sum(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(SUBTRACTIONS))
def test_differences_do_not_depend_on_the_batch_and_cost_what_they_say(name: str) -> None:
    measure, pair, x = SUBTRACTIONS[name], (Tiny(0), Tiny(1)), pictures()
    whole = measure.function(*pair, x)
    for place in range(3):
        alone = measure.function(*pair, x[place : place + 1])
        torch.testing.assert_close(alone.map[0], whole.map[place], rtol=1e-4, atol=1e-6)
    assert whole.evaluations == measure.forwards(pair[0])
    same = measure.function(pair[0], pair[0], x)
    assert not same.map.any()

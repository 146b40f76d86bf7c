"""The exact denoisers against autograd, central differences, quadrature-free identities and each
other.
"""

import math

import pytest
import torch
from torch import Tensor

from memlib import FiniteDataset, GaussianMixture


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cases() -> list[tuple[str, GaussianMixture]]:
    roots = draws(3, 4, 4, seed=5) * 0.4
    means = draws(3, 1, 2, 2, seed=4)
    return [
        ("round", GaussianMixture(means, 0.3)),
        (
            "round, each its own",
            GaussianMixture(means, torch.tensor([0.1, 0.5, 1.0]), torch.tensor([1.0, 2.0, 3.0])),
        ),
        ("full", GaussianMixture(means, roots @ roots.mT)),
        ("finite", FiniteDataset(means, torch.tensor([0.2, 0.3, 0.5]))),
    ]


@pytest.fixture(params=cases(), ids=lambda case: case[0])
def exact(request: pytest.FixtureRequest) -> GaussianMixture:
    found: GaussianMixture = request.param[1]
    return found


SIGMA = 0.7


def test_log_prob_is_the_density_written_out(exact: GaussianMixture) -> None:
    y = draws(5, 1, 2, 2)
    total = torch.zeros(5, dtype=torch.float64)
    for k in range(3):
        if exact.axes is None:
            covariance = torch.eye(4, dtype=torch.float64) * exact.spectra[k]
        else:
            covariance = exact.axes[k] @ torch.diag(exact.spectra[k]) @ exact.axes[k].T
        noisy = torch.distributions.MultivariateNormal(
            exact.means[k], covariance + SIGMA**2 * torch.eye(4, dtype=torch.float64)
        )
        total += exact.weights[k] * noisy.log_prob(y.flatten(1)).exp()
    torch.testing.assert_close(exact.log_prob(y, SIGMA), total.log(), rtol=1e-9, atol=1e-9)


def test_score_is_the_gradient_of_log_prob(exact: GaussianMixture) -> None:
    y = draws(5, 1, 2, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(exact.log_prob(y, SIGMA).sum(), y)
    torch.testing.assert_close(exact.score(y.detach(), SIGMA), gradient, rtol=1e-6, atol=1e-9)


def test_hessian_is_the_central_difference_of_the_score(exact: GaussianMixture) -> None:
    y, step = draws(3, 1, 2, 2), 1e-5
    columns = []
    for i in range(4):
        shift = torch.zeros(4, dtype=torch.float64)
        shift[i] = step
        shift = shift.view(1, 1, 2, 2)
        columns.append(
            (exact.score(y + shift, SIGMA) - exact.score(y - shift, SIGMA)).flatten(1) / (2 * step)
        )
    torch.testing.assert_close(
        exact.hessian(y, SIGMA), torch.stack(columns, 2), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_p_laplacian_is_the_divergence_by_central_differences(
    exact: GaussianMixture, p: float
) -> None:
    y, step = draws(3, 1, 2, 2), 1e-5

    def flux(at: Tensor) -> Tensor:
        score = exact.score(at, SIGMA).flatten(1)
        return score.norm(dim=1, keepdim=True) ** (p - 2) * score

    divergence = torch.zeros(3, dtype=torch.float64)
    for i in range(4):
        shift = torch.zeros(4, dtype=torch.float64)
        shift[i] = step
        shift = shift.view(1, 1, 2, 2)
        divergence += (flux(y + shift)[:, i] - flux(y - shift)[:, i]) / (2 * step)
    torch.testing.assert_close(exact.p_laplacian(y, SIGMA, p), divergence, rtol=1e-6, atol=1e-6)
    several = exact.p_laplacian(y, SIGMA, torch.tensor([[p], [2.5]], dtype=torch.float64))
    torch.testing.assert_close(
        several, torch.stack([exact.p_laplacian(y, SIGMA, one) for one in (p, 2.5)])
    )


def test_denoiser_noise_and_score_are_one_thing(exact: GaussianMixture) -> None:
    y = draws(5, 1, 2, 2)
    denoised = exact(y, SIGMA)
    torch.testing.assert_close(exact.noise(y, SIGMA), (y - denoised) / SIGMA)
    torch.testing.assert_close(exact.score(y, SIGMA), (denoised - y) / SIGMA**2)


def test_a_noise_level_for_each_point_equals_one_after_the_other(exact: GaussianMixture) -> None:
    y, sigmas = draws(3, 1, 2, 2), torch.tensor([0.1, 1.0, 30.0])
    looped = torch.cat([exact(y[i : i + 1], float(sigmas[i])) for i in range(3)])
    torch.testing.assert_close(exact(y, sigmas), looped)


def test_float32_score_keeps_its_digits_at_small_noise() -> None:
    gaussian = GaussianMixture(torch.zeros(1, 1, 2, 2), 1.0)
    y = draws(4, 1, 2, 2).float()
    torch.testing.assert_close(gaussian.score(y, 1e-4), -y / (1 + 1e-8), rtol=1e-6, atol=0)


def test_the_ideal_memoriser_returns_the_nearest_image_and_blends_far_away() -> None:
    images = draws(6, 3, 4, 4).float()
    memoriser = FiniteDataset(images)
    torch.testing.assert_close(memoriser(images + 0.01, 0.01), images, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        memoriser(images, 1e4), images.mean(0, keepdim=True).expand_as(images), rtol=0, atol=1e-3
    )


def test_round_and_full_covariances_agree() -> None:
    means = draws(2, 1, 2, 2)
    as_number = GaussianMixture(means, 0.3)
    as_matrix = GaussianMixture(means, 0.3 * torch.eye(4, dtype=torch.float64).expand(2, 4, 4))
    y = draws(5, 1, 2, 2, seed=2)
    for name in ("__call__", "score", "log_prob", "hessian", "p_laplacian"):
        torch.testing.assert_close(
            getattr(as_number, name)(y, SIGMA), getattr(as_matrix, name)(y, SIGMA)
        )


def test_samples_have_the_mean_and_covariance_of_the_mixture(mixture: GaussianMixture) -> None:
    sample = mixture.sample(200_000, seed=1).double().flatten(1)
    mean = mixture.weights @ mixture.means
    assert (sample.mean(0) - mean).abs().max() < 0.02
    covariances = mixture.axes @ torch.diag_embed(mixture.spectra) @ mixture.axes.mT  # type: ignore[operator]
    centred = mixture.means - mean
    expected = torch.einsum(
        "k,kde->de", mixture.weights, covariances + centred[:, :, None] * centred[:, None]
    )
    assert (torch.cov(sample.T) - expected).abs().max() < 0.05
    assert torch.equal(mixture.sample(8, seed=1), mixture.sample(8, seed=1))
    assert not torch.equal(mixture.sample(8, seed=1), mixture.sample(8, seed=2))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((torch.zeros(2, 4), 1.0), "shape"),
        ((torch.zeros(2, 1, 1, 2), -1.0), "negative"),
        ((torch.zeros(2, 1, 1, 2), torch.tensor([[1.0]])), "variances must be"),
        (
            (torch.zeros(2, 1, 1, 2), torch.tensor([[1.0, 2.0], [0.0, 1.0]]).expand(2, 2, 2)),
            "symmetric",
        ),
        ((torch.zeros(2, 1, 1, 2), 1.0, torch.tensor([1.0, -1.0])), "weights"),
        ((torch.full((2, 1, 1, 2), math.nan), 1.0), "NaN"),
    ],
)
def test_impossible_mixtures_are_refused_with_a_reason(arguments: tuple, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        GaussianMixture(*arguments)


def test_a_point_mass_has_no_density_without_noise() -> None:
    with pytest.raises(ValueError, match="positive"):
        FiniteDataset(torch.zeros(1, 1, 1, 2)).log_prob(torch.zeros(1, 1, 1, 2), 0.0)

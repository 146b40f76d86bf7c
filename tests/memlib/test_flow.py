"""The probability-flow ODE: order of accuracy, there and back, sampling that does not depend on its
batch.
"""

import math
from itertools import pairwise

import pytest
import torch

from memlib import FiniteDataset, GaussianMixture, sample
from memlib.flow import descending, generate, invert, ladder, rounded_ends


def gaussian(variance: float = 0.25) -> GaussianMixture:
    return GaussianMixture(torch.zeros(1, 3, 4, 4), variance)


@pytest.mark.parametrize(("steps", "error"), [(24, 0.012), (48, 0.003), (96, 0.0008)])
def test_the_latent_of_a_gaussian_is_its_scaled_image(steps: int, error: float) -> None:
    """y_T = y_0 sqrt((v + sigma_T^2) / (v + sigma_0^2)) exactly; the error falls fourfold when
    steps double.
    """
    images = gaussian().sample(4)
    exact = images * math.sqrt((0.25 + 100**2) / (0.25 + 0.01**2))
    assert ((invert(gaussian(), images, steps=steps) - exact).norm() / exact.norm()) < error


@pytest.mark.parametrize(("steps", "error"), [(32, 0.05), (64, 0.013), (128, 0.004)])
def test_up_then_down_returns_the_image(steps: int, error: float, mixture: GaussianMixture) -> None:
    images = mixture.sample(6)
    levels = ladder(mixture, steps)
    back = generate(
        mixture, invert(mixture, images, sigmas=levels), sigmas=levels.flip(0), second_order=True
    )
    assert (back - images).square().mean().sqrt() < error


def test_samples_of_the_ideal_memoriser_are_its_images() -> None:
    images = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    drawn = sample(FiniteDataset(images), 12, steps=60)
    distance = (drawn[:, None] - images).flatten(2).abs().amax(2).amin(1)
    assert distance.max() < 1e-4


def test_a_sample_depends_on_its_seed_and_number_alone(mixture: GaussianMixture) -> None:
    many = sample(mixture, 70, steps=5, seed=3)  # two chunks
    assert torch.equal(many[:1], sample(mixture, 1, steps=5, seed=3)) or torch.allclose(
        many[:1], sample(mixture, 1, steps=5, seed=3), atol=1e-5
    )
    assert torch.equal(many, sample(mixture, 70, steps=5, seed=3))
    assert not torch.allclose(many, sample(mixture, 70, steps=5, seed=4), atol=0.1)
    assert len({tuple(image.flatten().tolist()) for image in many}) == 70


def test_an_image_is_drawn_again_from_where_it_is(mixture: GaussianMixture) -> None:
    levels = descending(mixture, 3, 0.5, 0.1)
    images = mixture.sample(70).float()
    again = sample(mixture, 70, sigmas=levels, around=images, seed=1)
    assert (again - images).square().mean() < 0.5
    one = sample(mixture, 1, sigmas=levels, around=images[66:67], seed=1, first=66)
    torch.testing.assert_close(again[66:67], one, atol=1e-5, rtol=0)
    nowhere = sample(mixture, 70, sigmas=levels, around=torch.zeros_like(images), seed=1)
    assert torch.equal(nowhere, sample(mixture, 70, sigmas=levels, seed=1))


def test_guidance_is_added_to_the_score_and_told_which_samples(mixture: GaussianMixture) -> None:
    numbers = []

    def none(y: torch.Tensor, sigma: float, index: torch.Tensor) -> torch.Tensor:
        numbers.append(index)
        return torch.zeros_like(y)

    assert torch.equal(sample(mixture, 70, steps=3, guidance=none), sample(mixture, 70, steps=3))
    assert torch.equal(torch.cat(numbers).unique(), torch.arange(70))

    wide = GaussianMixture(torch.zeros(1, 1, 1, 2), 1.0)
    target = torch.tensor([3.0, -2.0]).view(1, 1, 1, 2)

    def towards(y: torch.Tensor, sigma: float, index: torch.Tensor) -> torch.Tensor:
        """grad log p(c | y) of a class N(target, .01 I): the score of the conditional minus the
        score of the prior.
        """
        return GaussianMixture(target, 0.01).score(y, sigma) - wide.score(y, sigma)

    guided = sample(wide, 64, steps=200, guidance=towards)
    torch.testing.assert_close(guided.mean(0), target[0], rtol=0, atol=0.05)


def test_progress_counts_every_step_of_every_chunk(mixture: GaussianMixture) -> None:
    seen: list[tuple[int, int]] = []
    sample(mixture, 70, steps=4, callback=lambda done, total: seen.append((done, total)))
    assert seen == [(k + 1, 8) for k in range(8)]


def test_ladders_are_even_in_log_sigma_and_bad_ones_are_refused(mixture: GaussianMixture) -> None:
    levels = ladder(mixture, 10, 0.1, 10)
    torch.testing.assert_close(
        levels.log().diff(), torch.full((10,), math.log(100) / 10, dtype=torch.float64)
    )
    for low, high in ((1.0, 0.1), (0.0, 1.0), (-1.0, 1.0), (1.0, math.inf), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="noise range"):
            ladder(mixture, 10, low, high)
    for wrong in ([1.0], [1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 0.0, -1.0]):
        with pytest.raises(ValueError, match="Noise levels"):
            sample(mixture, 1, sigmas=torch.tensor(wrong))


def test_rounded_ends_stay_inside_the_range() -> None:
    exact = GaussianMixture(torch.zeros(1, 1, 1, 2), 1.0)
    for low, high, expected in (
        (0.01, 100.0, (0.01, 100.0)),
        (0.010001, 157.407, (0.0101, 157.0)),
        (0.1999, 0.9999, (0.2, 0.999)),
    ):
        exact.sigma_min, exact.sigma_max = low, high
        assert rounded_ends(exact) == expected


def test_the_stochastic_sampler_has_the_variance_of_its_own_chain() -> None:
    """For N(0, v I) every step is linear: y' = (c + r (1 - c)) y + s n, c = v / (v + sigma^2)."""
    spread, steps, n = 0.3, 12, 4096
    model = gaussian(spread)
    levels = descending(model, steps).tolist()
    variance = levels[0] ** 2
    for sigma, lower in pairwise(levels):
        kept, ratio = spread / (spread + sigma**2), (lower / sigma) ** 2
        fresh = lower**2 * (1 - ratio)
        variance = (kept + ratio * (1 - kept)) ** 2 * variance + fresh
    drawn = sample(model, n, steps=steps, seed=3, eta=1.0)
    error = variance * (2 / drawn.numel()) ** 0.5
    assert abs(float(drawn.var()) - variance) < 4 * error


def test_stochastic_images_depend_on_seed_and_number_alone_and_eta_0_is_ddim(
    mixture: GaussianMixture,
) -> None:
    whole = sample(mixture, 6, steps=5, seed=1, eta=1.0)
    torch.testing.assert_close(sample(mixture, 2, steps=5, seed=1, eta=1.0, first=4), whole[4:])
    assert torch.equal(
        sample(mixture, 6, steps=5, seed=1, eta=0.0), sample(mixture, 6, steps=5, seed=1)
    )
    assert not torch.allclose(whole, sample(mixture, 6, steps=5, seed=1))
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="eta"):
            sample(mixture, 1, eta=wrong)

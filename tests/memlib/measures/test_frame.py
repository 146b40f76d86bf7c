"""The published frame procedure against closed forms, and every way of computing volume growth
against the others.
"""

import math

import pytest
import torch
from torch import Tensor

from memlib import FiniteDataset, GaussianMixture, flipd, frame_growth, volume_growth
from memlib.flow import ladder


def mixture_48() -> GaussianMixture:
    draw = torch.Generator().manual_seed(5)
    means = torch.randn(3, 3, 4, 4, generator=draw, dtype=torch.float64)
    roots = torch.randn(3, 48, 48, generator=draw, dtype=torch.float64) * 0.1
    return GaussianMixture(
        means,
        roots @ roots.mT + 0.05 * torch.eye(48, dtype=torch.float64),
        torch.tensor([0.5, 0.3, 0.2]),
    )


def test_a_full_frame_is_the_log_determinant_of_the_steps_jacobians() -> None:
    """Second way: M_k = I + (sigma' - sigma) d noise / dy from the closed-form Hessian, d noise /
    dy = -sigma H.
    """
    mixture = mixture_48()
    image = mixture.sample(1).double()
    growth = frame_growth(mixture, image, directions=48, steps=60, perturbation=1e-4)
    levels, y, total = ladder(mixture, 60), image, 0.0
    for k in range(60):
        sigma, step = float(levels[k]), float(levels[k + 1] - levels[k])
        jacobian = torch.eye(48, dtype=torch.float64) - step * sigma * mixture.hessian(y, sigma)[0]
        total += float(torch.linalg.slogdet(jacobian).logabsdet)
        y = y + step * mixture.noise(y, sigma)
    assert float(growth.log_volume[0]) == pytest.approx(total, rel=1e-4)


def test_the_papers_scheme_expands_a_point_mass_by_4_634_nats_a_direction() -> None:
    point = torch.zeros(1, 3, 4, 4)
    growth = frame_growth(FiniteDataset(point), point, scheme="paper", directions=10)
    assert float(growth.log_growth[0]) == pytest.approx(46.34, abs=0.01)
    assert float(growth.log_volume[0]) == pytest.approx(46.34, abs=0.01)
    assert growth.evaluations == 1000 * 11


def test_ddim_expands_a_point_mass_to_the_ceiling() -> None:
    point = torch.zeros(1, 3, 4, 4)
    growth = frame_growth(FiniteDataset(point), point, directions=48, steps=20)
    assert float(growth.log_volume[0]) == pytest.approx(48 * math.log(1e4), rel=1e-6)


def test_the_published_sum_is_never_below_the_volume_and_close_to_it_at_small_steps() -> None:
    mixture = mixture_48()
    coarse, fine = (
        frame_growth(mixture, mixture.sample(2), directions=48, steps=steps, perturbation=1e-3)
        for steps in (25, 400)
    )
    for growth in (coarse, fine):
        assert (growth.log_growth >= growth.log_volume - 1e-3).all()
        assert growth.curve.shape == growth.volume_curve.shape == (2, len(growth.sigmas) - 1)
        torch.testing.assert_close(growth.curve[:, -1], growth.value)
    gaps = [float((growth.log_growth / growth.log_volume - 1).max()) for growth in (coarse, fine)]
    assert gaps[1] < gaps[0] / 4
    assert gaps[1] < 0.01


@pytest.mark.parametrize(
    "make",
    [
        lambda: GaussianMixture(
            torch.zeros(1, 3, 2, 2), torch.diag(torch.logspace(-3, 0, 12))[None]
        ),
        None,
    ],
)
def test_four_ways_of_computing_growth_agree(make: object, mixture: GaussianMixture) -> None:
    """The trace, a full frame, the local dimension along the path, and the exact log density."""
    denoiser = make() if callable(make) else mixture
    images = denoiser.sample(3)
    growth = volume_growth(denoiser, images, steps=300, probes=8)
    frame = frame_growth(denoiser, images, directions=12, steps=2000, perturbation=1e-4)
    exact = denoiser.log_prob(images, denoiser.sigma_min).float() - growth.log_prior
    dimension = along_the_path(denoiser, images)
    for other in (frame.log_volume, exact, dimension):
        assert (
            (growth.value - other).abs() < 3 * growth.stderr + 2e-3 * growth.value.abs() + 0.12
        ).all()  # the path itself errs by 1e-2 a dimension


def along_the_path(denoiser: GaussianMixture, images: Tensor, steps: int = 300) -> Tensor:
    """The integral of d - flipd + |noise|^2 over ln sigma."""
    from memlib.flow import ode_step

    levels, y, previous, rates = ladder(denoiser, steps), images.double(), None, []
    for k in range(steps + 1):
        sigma = float(levels[k])
        noise = denoiser.noise(y, sigma)
        rates.append(
            12
            - flipd(denoiser, y, sigma, probes=8, seed=k).value
            + (noise**2).sum((1, 2, 3)).float()
        )
        if k < steps:
            denoised = denoiser(y, sigma)
            y, previous = ode_step(y, denoised, previous, levels, k), denoised
    return torch.trapezoid(torch.stack(rates, 1).double(), levels.log(), dim=1).float()


def test_a_value_does_not_depend_on_its_batch_and_the_same_seed_gives_the_same_bits(
    mixture: GaussianMixture,
) -> None:
    images = mixture.sample(4)
    together = frame_growth(mixture, images, directions=5, steps=30)
    assert torch.equal(together.value, frame_growth(mixture, images, directions=5, steps=30).value)
    for i in range(4):
        torch.testing.assert_close(
            together.value[i : i + 1],
            frame_growth(mixture, images[i : i + 1], directions=5, steps=30).value,
            rtol=1e-5,
            atol=1e-5,
        )
    assert not torch.equal(
        together.value, frame_growth(mixture, images, directions=5, steps=30, seed=1).value
    )


def test_evaluations_are_the_forwards_actually_made() -> None:
    class Counting(GaussianMixture):
        rows = 0

        def noise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
            self.rows += len(y)
            return super().noise(y, sigma)

    counting = Counting(torch.zeros(1, 1, 2, 2), 1.0)
    for scheme in ("ddim", "paper"):
        counting.rows = 0
        growth = frame_growth(counting, counting.sample(3), scheme=scheme, directions=2, steps=9)  # type: ignore[arg-type]
        assert counting.rows == 3 * growth.evaluations == 3 * 9 * 3


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"directions": 13}, "12 dimensions"),
        ({"directions": 0}, "directions"),
        ({"scheme": "euler", "directions": 2}, "euler"),
        ({"scheme": "paper", "directions": 2, "sigma_min": 0.1}, "noise range"),
        ({"directions": 2, "steps": 0}, "steps"),
        ({"directions": 2, "perturbation": 0.0}, "perturbation"),
    ],
)
def test_impossible_requests_are_refused_with_a_reason(
    options: dict, word: str, mixture: GaussianMixture
) -> None:
    with pytest.raises(ValueError, match=word):
        frame_growth(mixture, torch.zeros(1, 3, 2, 2), **options)

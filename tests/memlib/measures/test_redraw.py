"""Redraw: what is memorised returns from far, what is free does not."""

import pytest
import torch

from memlib import FiniteDataset, GaussianMixture, redraw
from memlib.statistics import score_shares


def test_an_isolated_point_always_returns_and_a_broad_gaussian_forgets() -> None:
    point = torch.full((1, 3, 4, 4), 0.4)
    assert (
        float(redraw(FiniteDataset(point), point, sigmas=(0.5, 5.0), draws=4, steps=10).value[0])
        == 1
    )
    broad = GaussianMixture(torch.zeros(1, 3, 4, 4), 1.0)
    result = redraw(broad, broad.sample(2), sigmas=(0.02, 20.0), draws=8, steps=10)
    shares = (result.distance < 0.1).float().mean(2)
    assert (shares[:, 0] == 1).all()
    assert (shares[:, 1] == 0).all()
    torch.testing.assert_close(result.value, torch.tensor([0.5, 0.5]))


def test_the_narrow_mode_returns_from_farther_than_the_broad_one() -> None:
    means = torch.stack([torch.full((3, 4, 4), -0.5), torch.full((3, 4, 4), 0.5)])
    denoiser = GaussianMixture(means, torch.tensor([1e-4, 0.05]))
    result = redraw(denoiser, means, sigmas=(0.3, 0.6, 1.2), draws=16, steps=12)
    assert result.value[0] > result.value[1] + 0.2


def test_draws_are_shared_and_pictures_kept_on_request(mixture: GaussianMixture) -> None:
    images = mixture.sample(3)
    together = redraw(mixture, images, sigmas=(0.1, 1.0), draws=4, steps=5, keep_images=True)
    alone = redraw(mixture, images[1:2], sigmas=(0.1, 1.0), draws=4, steps=5)
    torch.testing.assert_close(together.distance[1:2], alone.distance, rtol=1e-4, atol=1e-5)
    assert together.images is not None
    assert together.images.shape == (3, 2, 4, 3, 2, 2)
    assert alone.images is None
    assert together.evaluations == 2 * 4 * 5
    assert "images" in together.row(0)
    assert "images" not in alone.row(0)


def test_the_interval_stays_open_where_all_draws_agree() -> None:
    point = torch.full((1, 3, 4, 4), 0.4)
    result = redraw(FiniteDataset(point), point, sigmas=(0.5, 5.0), draws=8, steps=5)
    low, high = result.interval
    assert float(result.stderr[0]) == 0
    assert (float(result.value[0]), float(high[0])) == (1, pytest.approx(1))
    assert 0.7 < float(low[0]) < 0.85  # .68, Wilson's end of one level, were the levels one
    single = redraw(FiniteDataset(point), point, sigmas=(0.5,), draws=8, steps=5).interval
    assert float(single[0][0]) == pytest.approx(float(score_shares(1.0, 8)[0]))


def points(count: int) -> FiniteDataset:
    draw = torch.Generator().manual_seed(3)
    return FiniteDataset(torch.rand(count, 3, 4, 4, generator=draw) * 2 - 1)


CLOSED = {
    "two points": points(2),
    "six points": points(6),
    "mixture": GaussianMixture(
        torch.randn(4, 3, 4, 4, generator=torch.Generator().manual_seed(4)) * 0.4,
        torch.tensor([1e-4, 1e-3, 3e-3, 1e-2]),
    ),
    "broad": GaussianMixture(torch.zeros(1, 3, 4, 4), 1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("draws", [8, 32])
@pytest.mark.parametrize("name", CLOSED)
def test_the_interval_covers_the_share_of_many_draws(name: str, draws: int) -> None:
    denoiser, levels = CLOSED[name], (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 16.0)
    images = denoiser.sample(3)
    runs = [
        redraw(denoiser, images, sigmas=levels, draws=draws, steps=8, seed=seed)
        for seed in range(max(150, 3000 // draws))
    ]
    truth = torch.stack([run.value for run in runs]).double().mean(0)
    held = [(run.interval[0] <= truth) & (truth <= run.interval[1]) for run in runs]
    assert float(torch.stack(held).double().mean()) >= 0.93


@pytest.mark.parametrize(
    ("options", "word"), [({"draws": 0}, "draw"), ({"sigmas": ()}, "level"), ({"steps": 0}, "step")]
)
def test_impossible_requests_are_refused(
    options: dict, word: str, mixture: GaussianMixture
) -> None:
    with pytest.raises(ValueError, match=word):
        redraw(mixture, torch.zeros(1, 3, 2, 2), **options)

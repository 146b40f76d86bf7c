"""Redraw: what is memorised returns from far, what is free does not."""

import pytest
import torch

from memlib import FiniteDataset, GaussianMixture, redraw


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


@pytest.mark.parametrize(
    ("options", "word"), [({"draws": 0}, "draw"), ({"sigmas": ()}, "level"), ({"steps": 0}, "step")]
)
def test_impossible_requests_are_refused(
    options: dict, word: str, mixture: GaussianMixture
) -> None:
    with pytest.raises(ValueError, match=word):
        redraw(mixture, torch.zeros(1, 3, 2, 2), **options)

"""The reproduction rate: known rates of point masses and Gaussians, intervals that cover them, and
limits where there is nothing to estimate.
"""

import math

import pytest
import torch
from torch import Tensor

from memlib import FiniteDataset, GaussianMixture, reproduction_rate, sample
from memlib.flow import descending
from memlib.led_paths import lead
from memlib.measures import MEASURES, ReproductionRate, rate_in_words

RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@pytest.fixture(scope="module")
def points() -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return 2 * torch.rand(40, 3, 4, 4, generator=draw, dtype=torch.float64) - 1


@pytest.fixture(scope="module")
def memoriser(points: Tensor) -> FiniteDataset:
    """Draws its first six points at RATES, the others alike."""
    rest = (1 - sum(RATES)) / (len(points) - len(RATES))
    return FiniteDataset(points, torch.tensor([*RATES, *[rest] * (len(points) - len(RATES))]))


@pytest.mark.slow
def test_known_rates_are_found_with_few_forwards(memoriser: FiniteDataset, points: Tensor) -> None:
    """At 200 steps the sampler's rates are the weights to a few hundredths of a decade."""
    true = torch.tensor(RATES).log10()
    found = [
        reproduction_rate(memoriser, points[:6], steps=200, seed=seed, among=points)
        for seed in range(20)
    ]
    values = torch.stack([one.value for one in found])
    median = values.median(0).values
    assert (median - true).abs().max() < 0.1
    # counting needs (1 - R) / R draws over the square of the relative error for the same spread
    spread = (values - median).abs().median(0).values * 1.4826 * math.log(10)
    gain = 200 * (1 - 10**true) / 10**true / spread**2 / found[0].evaluations
    print(f"spread in decades {spread / math.log(10)}, forwards saved {gain}")
    assert gain[2] > 10
    assert gain[4] > 1000


@pytest.mark.slow
def test_intervals_cover_known_rates(memoriser: FiniteDataset, points: Tensor) -> None:
    chosen = [0, 2, 4]
    true = torch.tensor(RATES)[chosen].log10()
    found = [
        reproduction_rate(memoriser, points[chosen], steps=200, seed=seed) for seed in range(100)
    ]
    lows, highs = (torch.stack([getattr(one, name) for one in found]) for name in ("low", "high"))
    assert (~(lows > true) & (true <= highs)).float().mean(0).min() >= 0.9
    assert torch.stack([one.sign == 0 for one in found]).float().mean() >= 0.9


@pytest.mark.slow
def test_levels_agree_within_their_intervals(memoriser: FiniteDataset, points: Tensor) -> None:
    """Where paths are let go changes the variance, not the rate."""
    agree = []
    for seed in range(24):
        one, other = (
            reproduction_rate(memoriser, points[1:3], steps=100, levels=[level], seed=seed + shift)
            for level, shift in ((0.8, 0), (0.3, 1000))
        )
        sound = (one.sign == 0) & (other.sign == 0)
        agree += ((one.low <= other.high) & (other.low <= one.high))[sound].tolist()
    assert len(agree) > 24
    assert sum(agree) >= 0.9 * len(agree)


@pytest.mark.slow
def test_the_rate_of_a_gaussian_mode_is_that_of_counting_it() -> None:
    means = torch.tensor([-0.5, 0.5]).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    denoiser = GaussianMixture(means, 0.05**2, torch.tensor([0.01, 0.99]))
    drawn = sample(denoiser, 20_000, steps=30, eta=1.0)
    counted = ((drawn - means[:1]).square().mean((1, 2, 3)).sqrt() < 0.06).double().mean()
    found = reproduction_rate(denoiser, means[:1], tolerance=0.06, steps=30, paths=512)
    assert 0.004 < counted < 0.01
    assert float(found.low) - 0.05 < math.log10(counted) < float(found.high) + 0.05


@pytest.mark.slow
def test_a_mirror_image_counts_on_request_and_a_symmetric_image_once(points: Tensor) -> None:
    """The mirror image of a point of weight .2 has weight .1 of its own."""
    one = points[:1]
    even = (points[1:2] + points[1:2].flip(3)) / 2
    denoiser = FiniteDataset(
        torch.cat([one, one.flip(3), even, points[2:3]]), torch.tensor([0.2, 0.1, 0.3, 0.4])
    )
    images = torch.cat([one, even])
    settings = {"steps": 200, "paths": 256}
    plain = 10 ** reproduction_rate(denoiser, images, **settings).value
    both = reproduction_rate(denoiser, images, mirrored=True, **settings)
    assert plain.tolist() == pytest.approx([0.2, 0.3], rel=0.25)
    assert (10**both.value).tolist() == pytest.approx([0.3, 0.3], rel=0.25)
    assert both.evaluations == 2 * (256 + 16) * 200


def test_the_only_point_always_comes_back() -> None:
    point = torch.full((1, 3, 4, 4), 0.4)
    found = reproduction_rate(FiniteDataset(point), point, steps=20, paths=16)
    assert found.bound == [""]
    assert -0.02 < float(found.low) <= float(found.value) <= float(found.high) == 0


def test_an_image_the_model_does_not_know_has_an_upper_limit(
    memoriser: FiniteDataset, points: Tensor
) -> None:
    found = reproduction_rate(memoriser, points[:2].flip(3), steps=30, paths=32)
    assert found.bound == ["less than", "less than"]
    assert (found.value == found.high).all()
    assert (found.high < -0.2).all()
    assert found.low.isnan().all()


def test_a_draw_counts_for_its_nearest_image_only() -> None:
    """Two points nearer to each other than the tolerance: one ball holds both."""
    points = torch.full((3, 3, 4, 4), 0.5)
    points[1] += 0.04
    points[2] = -0.5
    denoiser = FiniteDataset(points, torch.tensor([0.3, 0.1, 0.6]))

    def rates(among: Tensor | None) -> Tensor:
        found = reproduction_rate(denoiser, points, among=among, steps=60, paths=256, levels=[0.3])
        return 10**found.value

    ball, own = rates(None), rates(points)
    torch.testing.assert_close(ball, torch.tensor([0.4, 0.4, 0.6]), atol=0.06, rtol=0)
    torch.testing.assert_close(own, torch.tensor([0.3, 0.1, 0.6]), atol=0.06, rtol=0)


def test_batches_are_loops_and_seeds_tell(memoriser: FiniteDataset, points: Tensor) -> None:
    asked = {"steps": 20, "paths": 16}
    both = reproduction_rate(memoriser, points[:2], **asked)
    for place in range(2):
        alone = reproduction_rate(memoriser, points[place : place + 1], **asked)
        for name in ReproductionRate.kept:
            torch.testing.assert_close(
                getattr(both, name)[place], getattr(alone, name)[0], equal_nan=True
            )
    assert not torch.equal(
        both.value, reproduction_rate(memoriser, points[:2], seed=1, **asked).value
    )


def test_evaluations_are_the_forwards_actually_made(points: Tensor) -> None:
    class Counting(FiniteDataset):
        rows = 0

        def __call__(self, y: Tensor, sigma: float | Tensor) -> Tensor:
            self.rows += len(y)
            return super().__call__(y, sigma)

    counting, heard = Counting(points), []
    found = reproduction_rate(
        counting, points[:3], steps=9, paths=10, callback=lambda *at: heard.append(at)
    )
    assert counting.rows == 3 * found.evaluations == 3 * 26 * 9
    asked = MEASURES["reproduction_rate"].read({"steps": 9, "paths": 10})
    assert asked.forwards(counting) == found.evaluations
    assert heard[-1] == (54, 54)


def test_the_map_sums_to_the_surprise_of_the_paths(
    memoriser: FiniteDataset, points: Tensor
) -> None:
    """With one gain, the terms of the pixels are those of log w itself."""
    led = list(lead(memoriser, points[1], descending(memoriser, 20), [0, 3, 6], 0))
    assert led[0].surprise.shape == (4, 4)
    for one in led:
        torch.testing.assert_close(float(one.surprise.sum()), float(-one.log_weight.mean()))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"paths": 4}, "paths"),
        ({"steps": 1}, "steps"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"levels": [-1.0]}, "levels"),
    ],
)
def test_impossible_requests_are_refused(
    options: dict, word: str, memoriser: FiniteDataset, points: Tensor
) -> None:
    with pytest.raises(ValueError, match=word):
        reproduction_rate(memoriser, points[:1], **options)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((-4.6, -4.95, -4.25, 0), "about once in 40,000 pictures (95%: 18,000 to 89,000)"),
        ((-0.3, -0.4, -0.2, 0), "in 50% of the pictures (95%: 40% to 63%)"),
        ((-5.0, -5.0, 0.0, 1), "at least once in 100,000 pictures"),
        ((-3.2, math.nan, -3.2, -1), "less than once in 1,600 pictures"),
        ((-0.01, math.nan, -0.01, -1), "at a rate that these paths do not limit"),
    ],
)
def test_a_rate_is_said_in_pictures(row: tuple, words: str) -> None:
    assert rate_in_words(dict(zip(("value", "low", "high", "sign"), row, strict=True))) == words

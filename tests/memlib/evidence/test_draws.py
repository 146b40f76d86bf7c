"""Counts of draws without their pictures: against a loop, and as the truth for estimated rates."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest

from memlib import GaussianMixture, reproduction_rate, sample
from memlib.evidence.draws import Agreement, Draws, count_interval, near_images, rates_and_counts
from memlib.images import ImageSet, of_pixels

TOLERANCE = 0.2


def image_set(count: int, seed: int = 0) -> ImageSet:
    pixels = np.random.default_rng(seed).integers(96, 160, (count, 4, 4, 3))
    return of_pixels("drawn", pixels.astype(np.uint8))


def test_every_near_pair_is_found_and_no_other() -> None:
    images, pictures = image_set(40), image_set(30, seed=1)
    found = Draws.of(pictures, images, 0.3)
    distance = (
        (pictures.batch(range(30))[:, None] - images.batch(range(40))[None])
        .square()
        .mean((2, 3, 4))
        .sqrt()
        .numpy()
    )
    for tolerance in (0.3, 0.25, TOLERANCE):
        near = distance < tolerance
        assert found.times(images, tolerance).tolist() == near.sum(0).tolist()
        assert [found.times_of(one, tolerance) for one in images.ids] == near.sum(0).tolist()
        nearest = np.where(near.any(1), distance.argmin(1), -1)
        counted = [int((nearest == place).sum()) for place in range(40)]
        assert found.credited(images, tolerance).tolist() == counted


def test_more_near_images_than_are_looked_at_first_are_all_found() -> None:
    images = image_set(50)
    pairs = near_images(7, images.batch([0]), images, 2.0)
    assert len(pairs) == 50
    assert set(pairs["draw"]) == {7}


def test_mirror_images_are_found_on_request_and_stay_so(tmp_path: Path) -> None:
    images = image_set(20)
    pixels = ((images.batch(range(5)).flip(3).permute(0, 2, 3, 1) + 1) * 127.5).round()
    flipped = of_pixels("flipped", pixels.byte().numpy())
    assert Draws.of(flipped, images, 0.05).times(images, 0.05).sum() == 0
    found = Draws.of(flipped, images, 0.05, mirrored=True)
    assert found.times(images, 0.05).tolist() == [1] * 5 + [0] * 15
    found.write(tmp_path, {})
    assert Draws.read(tmp_path)[0].mirrored


def test_a_wider_tolerance_than_was_kept_is_refused() -> None:
    images = image_set(5)
    with pytest.raises(ValueError, match=r"kept to 0\.1"):
        Draws.of(images, images, 0.1).times(images, 0.2)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    images = image_set(20)
    draws = Draws.of(image_set(10, seed=1), images, 0.3)
    draws.write(tmp_path / "draws", {"eta": 1.0})
    again, plan = Draws.read(tmp_path / "draws")
    assert plan == {"eta": 1.0}
    assert again.count == draws.count
    assert again.times(images, 0.25).tolist() == draws.times(images, 0.25).tolist()


def test_rounding_what_is_written_moves_no_pair_across_a_threshold(tmp_path: Path) -> None:
    images = image_set(1)
    distances = np.float32([0.0, 0.09991, 0.09999, 0.1, 0.10001, 0.11999, 0.12, 0.12345])
    pairs = pd.DataFrame({"draw": range(8), "id": images.ids[0], "distance": distances})
    Draws(8, 0.15, pairs).write(tmp_path, {})
    again, _ = Draws.read(tmp_path)
    for threshold, below in [(0.1, 3), (0.12, 6), (0.0999, 1), (0.1234, 7)]:
        assert again.times(images, threshold).tolist() == [below]


def test_count_intervals_are_clopper_pearson() -> None:
    times = np.array([0, 1, 17, 100])
    low, high = count_interval(times, 100)
    for place, count in enumerate(times.tolist()):
        known = binomtest(count, 100).proportion_ci(0.95, "exact")
        assert (low[place], high[place]) == pytest.approx((known.low, known.high))


def test_rates_agree_with_counts_of_the_same_sampler() -> None:
    generator = torch.Generator().manual_seed(0)
    points = 0.5 * torch.randn(3, 3, 4, 4, generator=generator).clamp(-1, 1)
    images = of_pixels("points", ((points.permute(0, 2, 3, 1) + 1) * 127.5).byte().numpy())
    denoiser = GaussianMixture(images.batch(range(3)), 0.05)
    drawn = sample(denoiser, 400, steps=20, eta=1.0)
    pixels = ((drawn.clamp(-1, 1).permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
    draws = Draws.of(of_pixels("drawn", pixels), images, 0.3)
    rates = reproduction_rate(denoiser, images.batch(range(3)), steps=20, tolerance=TOLERANCE)
    rows = {images.ids[place]: rates.row(place) for place in range(3)}
    table = rates_and_counts(rows, images, draws.times(images, TOLERANCE), draws.count)
    found = Agreement.of(table)
    assert found is not None
    assert (found.images, found.estimates, found.overlapping, found.limits) == (3, 3, 3, 0)
    assert found.error < 0.15
    assert table["rate"].sum() == pytest.approx(table["counted"].sum(), rel=0.3)


def test_limits_are_open_at_one_end_and_overlap_what_they_allow() -> None:
    images = image_set(3)
    rows = {
        images.ids[0]: {"value": -2.0, "low": -2.0, "high": 0.0, "sign": 1},
        images.ids[1]: {"value": -4.0, "low": math.nan, "high": -4.0, "sign": -1},
    }
    table = rates_and_counts(rows, images, np.array([50, 30, 0]), 1000)
    assert table["rate low"].tolist() == [0.01, 0.0]
    assert table["rate high"].tolist() == [1.0, pytest.approx(1e-4)]
    assert table["overlap"].tolist() == [True, False]
    found = Agreement.of(table)
    assert found is not None
    assert (found.estimates, found.limits, found.holding) == (0, 2, 1)
    assert math.isnan(found.error)
    assert "2; for 1 the limit allows the count" in found.sentence()


def test_nothing_is_said_where_no_image_was_drawn_often() -> None:
    images = image_set(2)
    rows = {images.ids[0]: {"value": -3.0, "low": -4.0, "high": -2.5, "sign": 0}}
    assert Agreement.of(rates_and_counts(rows, images, np.array([9, 0]), 1000)) is None

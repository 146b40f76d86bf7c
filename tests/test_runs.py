"""Measuring in chunks loses and repeats nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from memlib import GaussianMixture, ImageSet, load_images, volume_growth
from memlib.runs import Results, measure_images, result_key, result_table
from memlib.runs import results as module

PARAMETERS = {"sigma_min": 0.1, "sigma_max": 10.0, "steps": 4, "probes": 2, "seed": 0}


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), dtype=np.uint8))
    return load_images(tmp_path / "images.npy")


@pytest.fixture
def denoiser() -> GaussianMixture:
    return GaussianMixture(torch.zeros(1, 3, 4, 4), 0.3)


def measured(denoiser: GaussianMixture, images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.setattr(module, "CHUNK", 4)
    results = Results()
    assert list(measure_images(denoiser, images, range(10), "volume_growth", PARAMETERS, results)) == [(4, 10), (8, 10), (10, 10)]
    return results


def test_chunks_equal_one_batch_and_nothing_is_measured_twice(
    denoiser: GaussianMixture, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = measured(denoiser, images, monkeypatch)
    whole = volume_growth(denoiser, images.batch(range(10)), **PARAMETERS)  # type: ignore[arg-type]
    for index, image in enumerate(images.ids):
        row = results[result_key(denoiser.digest, image, "volume_growth", PARAMETERS)]
        assert row["value"] == pytest.approx(float(whole.value[index]), rel=1e-5)
    assert list(measure_images(denoiser, images, range(10), "volume_growth", PARAMETERS, results)) == []


def test_stopping_keeps_the_finished_chunks(denoiser: GaussianMixture, images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    results = Results()

    def stop(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(measure_images(denoiser, images, range(10), "volume_growth", PARAMETERS, results, stop))
    assert len(results) == 4


def test_progress_rises_to_one(denoiser: GaussianMixture, images: ImageSet) -> None:
    shares: list[float] = []
    list(measure_images(denoiser, images, range(10), "volume_growth", PARAMETERS, Results(), shares.append))
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_results_drop_the_least_recently_used_beyond_their_limit() -> None:
    results = Results(limit=3000)
    for name in "abc":
        results[name] = {"map": np.zeros(200, np.float32)}
    assert results["a"] is not None
    results["d"] = {"map": np.zeros(200, np.float32)}
    assert set(results) == {"a", "c", "d"}
    assert results.bytes <= 3000
    del results["a"]
    assert results.bytes == sum(200 + row["map"].nbytes for row in results.values())


def test_the_table_is_ranked_by_the_measures_direction(images: ImageSet) -> None:
    rows = {image: {"value": float(place)} for place, image in enumerate(images.ids)}
    up, down = result_table(images, rows, +1), result_table(images, rows, -1)
    assert up["value"].tolist() == down["value"].tolist()[::-1] == list(range(9, -1, -1))
    assert up["rank"].tolist() == list(range(1, 11))
    assert isinstance(up, pd.DataFrame)
    assert result_table(images, {}, +1).empty
    images.metadata.update(rank=["x"] * 10, value=["y"] * 10)
    assert {"rank", "value", "rank (metadata)", "value (metadata)"} <= set(result_table(images, rows, +1).columns)

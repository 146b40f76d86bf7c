"""Measuring in chunks loses and repeats nothing, and a run folder gives back what was put in."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from memlib import GaussianMixture, ImageSet, load_images, volume_growth
from memlib import runs as module
from memlib.runs import Results, measure_images, provenance, read_run, result_key, result_table, write_run

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


def test_a_run_folder_gives_back_its_rows(
    denoiser: GaussianMixture, images: ImageSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    results = measured(denoiser, images, monkeypatch)
    rows = {image: results[result_key(denoiser.digest, image, "volume_growth", PARAMETERS)] for image in images.ids}
    write_run(tmp_path / "run", provenance(denoiser, images, "volume_growth", PARAMETERS), rows)
    manifest, again = read_run(tmp_path / "run")
    assert manifest["parameters"] == PARAMETERS
    assert manifest["images"]["digest"] == images.digest
    assert list(again) == images.ids
    for image, row in rows.items():
        assert again[image]["value"] == row["value"]
        np.testing.assert_allclose(again[image]["map"], row["map"], rtol=2**-16)
        assert again[image]["map"].sum() == pytest.approx(row["value"], rel=1e-5)
    assert not list((tmp_path / "run").glob("*.partial"))


def test_a_damaged_or_foreign_run_folder_is_one_sentence(
    denoiser: GaussianMixture, images: ImageSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = {image: {"value": 1.0, "map": np.zeros((2, 2), np.float32)} for image in images.ids}
    write_run(tmp_path / "run", {"format": 1}, rows)
    manifest = tmp_path / "run" / "manifest.json"
    text = manifest.read_text()
    for bad in ("{", json.dumps({**json.loads(text), "format": 99})):
        manifest.write_text(bad)
        with pytest.raises(ValueError, match="cannot be read"):
            read_run(tmp_path / "run")
    manifest.write_text(text)
    (tmp_path / "run" / "results.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(ValueError, match="cannot be read"):
        read_run(tmp_path / "run")


def test_the_table_is_ranked_by_the_measures_direction(images: ImageSet) -> None:
    rows = {image: {"value": float(place)} for place, image in enumerate(images.ids)}
    up, down = result_table(images, rows, +1), result_table(images, rows, -1)
    assert up["value"].tolist() == down["value"].tolist()[::-1] == list(range(9, -1, -1))
    assert up["rank"].tolist() == list(range(1, 11))
    assert isinstance(up, pd.DataFrame)
    assert result_table(images, {}, +1).empty
    images.metadata.update(rank=["x"] * 10, value=["y"] * 10)
    assert {"rank", "value", "rank (metadata)", "value (metadata)"} <= set(result_table(images, rows, +1).columns)

"""Measuring in chunks loses and repeats nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from memlib import GaussianMixture, ImageSet, load_images, volume_growth
from memlib.runs import Results, measure_images, result_table
from memlib.runs import results as module

PARAMETERS = {"sigma_min": 0.1, "sigma_max": 10.0, "steps": 4, "probes": 2, "seed": 0}


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    np.save(
        tmp_path / "images.npy",
        np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), dtype=np.uint8),
    )
    return load_images(tmp_path / "images.npy")


@pytest.fixture
def denoiser() -> GaussianMixture:
    return GaussianMixture(torch.zeros(1, 3, 4, 4), 0.3)


def measured(
    denoiser: GaussianMixture, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> Results:
    monkeypatch.setattr(module, "CHUNK", 4)
    results = Results()
    assert list(
        measure_images(denoiser, images, range(10), "volume_growth", PARAMETERS, results)
    ) == [(4, 10), (8, 10), (10, 10)]
    return results


def test_chunks_equal_one_batch_and_nothing_is_measured_twice(
    denoiser: GaussianMixture, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = measured(denoiser, images, monkeypatch)
    whole = volume_growth(denoiser, images.batch(range(10)), **PARAMETERS)  # type: ignore[arg-type]
    for index, image in enumerate(images.ids):
        row = results.rows(denoiser.digest, "volume_growth", PARAMETERS)[image]
        assert row["value"] == pytest.approx(float(whole.value[index]), rel=1e-5)
    assert (
        list(measure_images(denoiser, images, range(10), "volume_growth", PARAMETERS, results))
        == []
    )


def test_stopping_keeps_the_finished_chunks(
    denoiser: GaussianMixture, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    results = Results()

    def stop(done: float, total: float) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(
            measure_images(denoiser, images, range(10), "volume_growth", PARAMETERS, results, stop)
        )
    assert len(results) == 4


def test_progress_rises_to_one(denoiser: GaussianMixture, images: ImageSet) -> None:
    shares: list[float] = []
    list(
        measure_images(
            denoiser,
            images,
            range(10),
            "volume_growth",
            PARAMETERS,
            Results(),
            lambda done, total: shares.append(done / total),
        )
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_results_drop_the_least_recently_used_beyond_their_limit() -> None:
    results = Results(limit=4000)
    row = {"map": np.zeros(200, np.float32)}
    for name, images in (("first", "ab"), ("second", "ab")):
        results.add(name, "volume_growth", {}, dict.fromkeys(images, row))
    assert set(results.rows("first", "volume_growth", {})) == {
        "a",
        "b",
    }  # used later than the second
    results.add("third", "volume_growth", {}, {"a": row})
    left = {
        name: set(results.rows(name, "volume_growth", {})) for name in ("first", "second", "third")
    }
    assert left == {"first": {"a", "b"}, "second": {"b"}, "third": {"a"}}
    assert results.bytes == len(results) * (200 + row["map"].nbytes) <= 4000
    results.add("fourth", "volume_growth", {}, {"a": {"map": np.zeros(2000, np.float32)}})
    assert len(results) == 1  # the newest stays, whatever its size


def test_equal_sets_of_stored_images_have_equal_marks_and_others_have_not() -> None:
    def mark(*images: str, limit: int = 10**6) -> int:
        results = Results(limit)
        for image in images:
            results.add("model", "volume_growth", {}, {image: {"value": 1.0}})
        copied = Results()
        copied.update(results)
        kept = results.rows("model", "volume_growth", {})
        copied.add("model", "volume_growth", {}, {image: {"value": 2.0} for image in kept})
        assert results.mark("another", "volume_growth", {}) == 0
        assert copied.mark("model", "volume_growth", {}) == results.mark(
            "model", "volume_growth", {}
        )
        return results.mark("model", "volume_growth", {})

    assert mark("a", "b") == mark("b", "a") == mark("c", "a", "b", limit=500)  # c is dropped
    assert len({mark(*images) for images in ("", "a", "b", "ab", "abc")}) == 5


def test_results_of_other_settings_are_others_and_the_first_to_come_stays() -> None:
    results = Results()
    results.add("model", "volume_growth", {"steps": 2, "probes": 1}, {"a": {"value": 1.0}})
    results.add(
        "model",
        "volume_growth",
        {"probes": 1, "steps": 2},
        {"a": {"value": 2.0}, "b": {"value": 3.0}},
    )
    assert dict(results.rows("model", "volume_growth", {"steps": 2, "probes": 1})) == {
        "a": {"value": 1.0},
        "b": {"value": 3.0},
    }
    for other in (
        ("another", "volume_growth", {"steps": 2, "probes": 1}),
        ("model", "flipd", {"steps": 2, "probes": 1}),
        ("model", "volume_growth", {"steps": 3, "probes": 1}),
    ):
        assert not results.rows(*other)
    with pytest.raises(TypeError):
        results.rows("model", "volume_growth", {"steps": 2, "probes": 1})["c"] = {}  # type: ignore[index]


def test_a_series_without_rows_is_nothing_to_drop() -> None:
    results = Results(limit=0)
    results.add("model", "volume_growth", {}, {})
    results.add("model", "flipd", {}, {"a": {"value": 1.0}, "b": {"value": 2.0}})
    assert dict(results.rows("model", "flipd", {})) == {"b": {"value": 2.0}}


def test_the_table_is_ranked_by_the_measures_direction(images: ImageSet) -> None:
    rows = {image: {"value": float(place)} for place, image in enumerate(images.ids)}
    up, down = result_table(images, rows, +1), result_table(images, rows, -1)
    assert up["value"].tolist() == down["value"].tolist()[::-1] == list(range(9, -1, -1))
    assert up["rank"].tolist() == list(range(1, 11))
    assert isinstance(up, pd.DataFrame)
    assert result_table(images, {}, +1).empty
    images.metadata.update(rank=["x"] * 10, value=["y"] * 10)
    assert {"rank", "value", "rank (metadata)", "value (metadata)"} <= set(
        result_table(images, rows, +1).columns
    )


def test_the_time_of_a_forward_is_that_of_the_fastest_of_several_trials(
    denoiser: GaussianMixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = [0.3, 0.2, 0.08, 0.4, 0.3, 9.0]  # of the trials on a machine that does other work
    clock = iter(np.repeat(np.cumsum([0.0, *lengths]), 2)[1:-1].tolist())
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    assert module.forward_seconds(denoiser) == pytest.approx(0.08 / (module.CHUNK // 2))
    assert len(list(clock)) == 2  # none is begun after a second

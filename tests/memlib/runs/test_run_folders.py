"""Run folders: what is stored is what was measured, in any number of attempts; queries agree with
pandas; damage is a sentence.
"""

import errno
import io
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from memlib import GaussianMixture, ImageSet, load_images
from memlib.runs import (
    Filter,
    Numbers,
    Results,
    Run,
    create_run,
    folder,
    measure_images,
    measure_run,
    parts,
    read_run,
    results,
)
from memlib.workspace import Sources

MEASURE = "volume_growth"
PARAMETERS = {"sigma_min": 0.1, "sigma_max": 10.0, "steps": 4, "probes": 2, "seed": 0}
KILLS, KILLED_PART = 20, 7


def denoiser() -> GaussianMixture:
    return GaussianMixture(torch.linspace(-1, 1, 2 * 3 * 4 * 4).view(2, 3, 4, 4), 0.3)


def image_set(place: Path, count: int) -> ImageSet:
    np.save(
        place / "images.npy",
        np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8),
    )
    images = load_images(place / "images.npy")
    images.metadata.update(
        group=["odd" if index % 2 else "even" for index in range(count)],
        value=[str(index) for index in range(count)],
    )
    return images


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    return image_set(tmp_path, 50)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "PART", 3)


def run_of(place: Path, images: ImageSet, **asked: object) -> Run:
    return create_run(place, denoiser(), images, MEASURE, PARAMETERS, **({"chunk": 4} | asked))  # type: ignore[arg-type]


def finished(place: Path, images: ImageSet, **asked: object) -> Run:
    run = run_of(place, images, **asked)
    assert list(measure_run(run, denoiser(), images))[-1] == (run.count, run.count)
    return run.again()


def stopped(place: Path, images: ImageSet) -> Run:
    """A run that was stopped after more than 22 images."""
    run = run_of(place, images)

    def stop(done: float, total: int) -> None:
        if done > 22:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(measure_run(run, denoiser(), images, progress=stop))
    return run


def same(one: Run, other: Run) -> bool:
    """Row for row, to the bit, numbers and arrays."""
    tables = [
        pd.concat([table.to_pandas() for table in run.tables()], ignore_index=True)
        for run in (one, other)
    ]
    assert list(tables[0]) == list(tables[1])
    return all(
        np.array_equal(np.stack(tables[0][name].to_list()), np.stack(tables[1][name].to_list()))
        for name in tables[0]
    )


@pytest.mark.usefixtures("small_parts")
def test_a_run_gives_back_what_measuring_in_memory_gives(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(tmp_path / "run", images)
    monkeypatch.setattr("memlib.runs.results.CHUNK", 4)
    results = Results()
    list(measure_images(denoiser(), images, range(50), MEASURE, PARAMETERS, results))
    manifest, rows = read_run(run.folder)
    assert manifest["parameters"] == PARAMETERS
    assert list(rows) == images.ids
    for image, row in rows.items():
        here = results.rows(denoiser().digest, MEASURE, PARAMETERS)[image]
        assert list(row) == [name for name in here if name in row]
        assert row["value"] == here["value"]
        np.testing.assert_allclose(row["map"], here["map"], rtol=2**-16)
        assert row["map"].sum() == pytest.approx(row["value"], rel=1e-5)
    names = sorted(file.name for file in run.folder.iterdir())
    assert names == [
        ".lock",
        *(f"arrays-{part:06d}.parquet" for part in range(5)),
        "manifest.json",
        "numbers.parquet",
    ]


@pytest.mark.usefixtures("small_parts")
def test_a_stopped_run_goes_on_and_a_change_of_settings_is_another_run(
    images: ImageSet, tmp_path: Path
) -> None:
    run = stopped(tmp_path / "run", images)
    begun = run.again()
    assert 20 <= begun.done < 50
    assert begun.pending() == list(range(begun.done // 4, 13))
    assert (
        next(iter(list(measure_run(run_of(tmp_path / "run", images), denoiser(), images))))[0]
        == begun.done + 4
    )
    assert same(run.again(), finished(tmp_path / "whole", images))
    assert len(run.again().manifest["resumed"]) == 1
    for change in ({"chunk": 5}, {"arrays": False}, {"indices": [1, 2]}):
        with pytest.raises(ValueError, match="contains a run with another"):
            run_of(tmp_path / "run", images, **change)
    with pytest.raises(ValueError, match="another settings"):
        create_run(tmp_path / "run", denoiser(), images, MEASURE, PARAMETERS | {"seed": 1}, chunk=4)
    with pytest.raises(ValueError, match="another model or other images"):
        next(measure_run(run, GaussianMixture(torch.zeros(1, 3, 4, 4), 0.3), images))


def test_chosen_images_each_picture_once_and_numbers_alone(
    images: ImageSet, tmp_path: Path
) -> None:
    doubled = images.subset([*range(50), 3, 3])
    run = finished(tmp_path / "run", doubled, indices=[3, 7, 51], arrays=False)
    assert run.count == 2
    assert list(run.rows()) == [images.ids[3], images.ids[7]]
    assert "map" not in run.columns()
    assert not list(run.folder.glob("arrays-*"))


@pytest.mark.usefixtures("small_parts")
def test_arrays_of_any_images_are_found_in_parts_and_in_chunks(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "GROUP", 800)  # a few images a row group
    run = run_of(tmp_path / "run", images)
    steps = measure_run(run, denoiser(), images)
    for _ in range(11):
        next(steps)
    steps.close()
    begun = run.again()
    rows = list(begun.rows().values())
    for positions in ([0], [43, 0, 17, 12, 40, 12], list(range(44))):
        np.testing.assert_array_equal(
            begun.arrays(positions, "map"),
            np.stack([rows[position]["map"] for position in positions]),
        )
    with pytest.raises(ValueError, match=r"Image 44 .* is not measured"):
        begun.arrays([44], "map")


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("chunks", [11, 13])  # three parts and two chunks; the whole run
def test_queries_agree_with_pandas(chunks: int, images: ImageSet, tmp_path: Path) -> None:
    run, measured = run_of(tmp_path / "run", images), min(50, 4 * chunks)
    steps = measure_run(run, denoiser(), images)
    for _ in range(chunks):
        next(steps)
    steps.close()
    numbers = Numbers(run.again())
    assert numbers.ranked is (chunks == 13)
    table = pd.DataFrame(
        [
            {"id": image, **{name: row[name] for name in ("value", "stderr")}}
            for image, row in run.again().rows().items()
        ]
    )
    table["name"], table["group"] = images.names[:measured], images.metadata["group"][:measured]
    assert numbers.metadata == ["group", "value"]
    assert numbers.count() == measured
    for where, chosen in (
        (Filter(), table),
        (Filter(text="IMAGES[1"), table[table["name"].str.contains("images[1", regex=False)]),
        (Filter(column="group", values=("odd",)), table[table["group"] == "odd"]),
        (
            Filter(text="3", column="group", values=("odd", "even")),
            table[table["name"].str.contains("3")],
        ),
        (Filter(text="nothing"), table.iloc[:0]),
    ):
        assert numbers.count(where) == len(chosen)
        for descending in (True, False):
            expected = chosen.sort_values(
                "value", ascending=not descending, kind="stable"
            )  # values differ: no ties
            assert (
                numbers.page("value", descending, 2, 5, where)["id"].tolist()
                == expected["id"].tolist()[2:7]
            )
        assert numbers.histogram("value", where)["count"].sum() == len(chosen)
    assert numbers.page("value", True, 0, 1)["value (metadata)"].iloc[0].isdecimal()
    assert numbers.rank("value", True, float(table["value"].iloc[7])) == 1 + int(
        (table["value"] > table["value"].iloc[7]).sum()
    )
    exported = pq.read_table(io.BytesIO(numbers.export("value", False, Filter(text="3"), "{}")))
    assert (
        exported["id"].to_pylist()
        == numbers.page("value", False, 0, 99, Filter(text="3"))["id"].tolist()
    )
    assert exported.schema.metadata[b"afterimage"] == b"{}"
    assert numbers.choices("group") == ["even", "odd"]
    with pytest.raises(ValueError, match="no number 'map'"):
        numbers.page("map", True, 0, 1)
    with pytest.raises(ValueError, match="no column"):
        numbers.count(Filter(column='group" OR 1=1 --', values=("odd",)))


def test_columns_that_differ_only_in_case_do_not_change_the_order(
    images: ImageSet, tmp_path: Path
) -> None:
    images.metadata.clear()
    for name in ("Value", "Name", "Position", "Rank", "STDERR"):
        images.metadata[name] = [str((7 * index) % 50) for index in range(50)]
    run = finished(tmp_path / "run", images)
    values = [row["value"] for row in run.rows().values()]
    for descending in (True, False):
        found = Numbers(run).page("value", descending, 0, 50)
        assert found["value"].tolist() == sorted(values, reverse=descending)
        assert {"Value (metadata)", "Name (metadata)", "Rank (metadata)"} <= set(found)
    assert Numbers(run).page("name", False, 0, 50)["name"].tolist() == sorted(images.names)


def test_a_run_opened_before_its_last_step_is_seen_anew_after_it(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_seal", lambda self: None)
        before = finished(tmp_path / "run", images)
        assert before.done == 50
        assert len(Numbers(before).page("value", True, 0, 99)) == 50
    stamp = before.stamp
    before.again().tidy()
    assert before.again().stamp != stamp
    assert len(Numbers(before.again()).page("value", True, 0, 99)) == 50


def test_positions_are_spread_over_what_is_measured(images: ImageSet, tmp_path: Path) -> None:
    run = finished(tmp_path / "run", images)
    assert run.spread(3) == [0, 24, 49]
    assert run.spread(500) == list(range(50))


@pytest.mark.parametrize("count", [4, 5])  # a whole run, and one that lacks a chunk
def test_nan_comes_last_whatever_the_order(count: int, tmp_path: Path, images: ImageSet) -> None:
    run = run_of(tmp_path / "run", images.subset(range(count)))
    ids = images.ids[:4]
    run.store(
        0,
        {"index": range(4), "id": ids, "name": images.names[:4]},
        [{"value": value} for value in (1.0, np.nan, -1.0, 2.0)],
    )
    numbers = Numbers(run.again())
    assert numbers.page("value", True, 0, 9)["index"].tolist() == [3, 0, 2, 1]
    assert numbers.page("value", False, 0, 9)["index"].tolist() == [2, 0, 3, 1]
    assert numbers.histogram("value")["count"].sum() == 3


@pytest.mark.usefixtures("small_parts")
def test_a_newer_damaged_or_foreign_folder_is_refused_with_a_sentence(
    images: ImageSet, tmp_path: Path
) -> None:
    run = finished(tmp_path / "run", images)
    manifest = run.folder / "manifest.json"
    text = manifest.read_text()
    for bad, said in (
        ("{", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        (json.dumps({"format": 2}), "damaged"),
        *(
            (
                json.dumps(
                    {name: value for name, value in json.loads(text).items() if name != gone}
                ),
                "damaged",
            )
            for gone in ("date", "images", "sources")
        ),
        (json.dumps({**json.loads(text), "measure": "unheard_of"}), "damaged"),
        (json.dumps({**json.loads(text), "count": 10**15}), "damaged"),
        (json.dumps({**json.loads(text), "count": 10**9, "chunk": 1, "part": 1}), "damaged"),
        (json.dumps({**json.loads(text), "chunk": 0}), "damaged"),
        (json.dumps({**json.loads(text), "count": True}), "damaged"),
        (json.dumps({**json.loads(text), "model": 5}), "damaged"),
        ("[" * 100_000, "damaged"),
        (json.dumps({**json.loads(text), "format": 99}), "Update Afterimage"),
        (json.dumps({**json.loads(text), "format": 1}), "format 1"),
    ):
        manifest.write_text(bad)
        with pytest.raises(ValueError, match=said):
            Run(run.folder)
    manifest.unlink()
    with pytest.raises(ValueError, match="is not a run folder"):
        Run(run.folder)
    manifest.write_text(text)
    for name in ("numbers.parquet", "arrays-000001.parquet"):
        whole = (run.folder / name).read_bytes()
        (run.folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=f"{name} is damaged"):
            Run(run.folder).rows()
        (run.folder / name).write_bytes(whole)
    table = pq.read_table(run.folder / "numbers.parquet")
    words = pa.array([b"\x98"] * len(table)).view(pa.string())
    place = table.column_names.index("id")
    pq.write_table(table.set_column(place, "id", words), run.folder / "numbers.parquet")
    with pytest.raises(ValueError, match=r"numbers.parquet is damaged") as caught:
        Run(run.folder).rows()
    assert type(caught.value) is ValueError
    (run.folder / "numbers.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(ValueError, match="cannot be read"):
        Numbers(Run(run.folder)).count(Filter(text="x"))
    (run.folder / "numbers.parquet").unlink()  # as the message says
    assert Run(run.folder).done == 0
    assert same(finished(tmp_path / "run", images), finished(tmp_path / "again", images))


def test_a_manifest_that_claims_many_images_costs_no_memory(
    images: ImageSet, tmp_path: Path
) -> None:
    """Positions are arithmetic: fifty million images that are not there take no array."""
    run = finished(tmp_path / "run", images)
    manifest = tmp_path / "run" / "manifest.json"
    text = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**text, "count": 50_000_000, "chunk": 4096}))
    tracemalloc.start()
    positions = Run(tmp_path / "run").spread(64)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(positions), positions[0], positions[-1]) == (64, 0, 49_999_999)
    assert peak < 2**24
    manifest.write_text(json.dumps(text))
    assert Run(tmp_path / "run").spread(10**6) == list(range(run.count))


def test_sources_of_the_wrong_kind_are_a_sentence() -> None:
    for told in ({"model": 5}, {"images": None}, {"size": "8"}, {"mirror": 1}, {"label": True}):
        with pytest.raises(ValueError, match="cannot be read"):
            Sources.read(told)
    assert Sources.read({"model": "a", "size": None, "more": []}) == Sources(model="a")


def test_one_process_at_a_time_writes(images: ImageSet, tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", images)
    first = measure_run(run, denoiser(), images)
    next(first)
    with pytest.raises(ValueError, match="Another process"):
        next(measure_run(run, denoiser(), images))
    first.close()
    assert next(measure_run(run, denoiser(), images))[0] == 8


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("writes", [1, 5, 6, 7])
def test_a_full_disk_leaves_a_run_that_goes_on(
    writes: int, images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, left = run_of(tmp_path / "run", images), [writes]

    def fsync(_number: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        list(measure_run(run, denoiser(), images))
    assert not list(run.folder.glob("*.partial"))
    assert run.again().done >= 4 * min(writes - 1, 3)
    assert same(finished(tmp_path / "run", images), finished(tmp_path / "whole", images))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk takes root"
)
def test_a_really_full_disk_is_told_and_leaves_a_run_that_goes_on(
    images: ImageSet, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        run = run_of(disk / "run", images)
        with pytest.raises(OSError, match="No space left") as caught:
            list(measure_run(run, denoiser(), images))
        assert caught.value.errno == errno.ENOSPC
        begun = run.again()
        assert 0 < begun.done < 50
        assert len(begun.rows()) == begun.done
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert same(finished(disk / "run", images), finished(tmp_path / "whole", images))
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def attempt(place: str, log: str) -> None:
    """One try at a run, in a process that is going to be killed; notes each chunk it begins to
    measure.
    """
    torch.set_num_threads(1)
    folder.PART = KILLED_PART
    images = image_set_of(Path(place))
    original = results.measure_pictures
    first = torch.stack([images[index] for index in range(len(images))]).flatten(1)

    def noted(model: object, pictures: torch.Tensor, *rest: object) -> object:
        at = int((first == pictures[0].flatten()).all(1).nonzero()[0])
        with Path(log).open("a") as stream:
            stream.write(f"{at // 2}\n")
        time.sleep(0.01)
        return original(model, pictures, *rest)  # type: ignore[arg-type]

    results.measure_pictures = noted  # type: ignore[assignment]
    list(measure_run(run_of(Path(place) / "run", images, chunk=2), denoiser(), images))


def image_set_of(place: Path) -> ImageSet:
    images = load_images(place / "images.npy")
    images.metadata["group"] = ["odd" if index % 2 else "even" for index in range(len(images))]
    return images


@pytest.mark.slow
def test_a_run_killed_at_twenty_random_moments_equals_one_that_was_not_and_measures_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        sys.modules, "__main__", types.ModuleType("__main__")
    )  # a page that was tested may stand there, and would be run
    image_set(tmp_path, 600)
    chance = random.Random(0)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["memlib.runs", "tests.memlib.runs.test_run_folders"])
    log, begun = tmp_path / "log", 0
    for kill in range(KILLS + 1):
        stored = (
            set(range(300)) - set(Run(tmp_path / "run").pending())
            if (tmp_path / "run").exists()
            else set()
        )
        log.write_text("")
        process = processes.Process(target=attempt, args=(str(tmp_path), str(log)))
        process.start()
        if kill < KILLS:
            while not log.read_text() and process.is_alive():
                time.sleep(0.005)
            process.join(chance.uniform(0, 0.25))
            assert process.is_alive(), "the run ended before it was killed"
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join(120)
        assert process.exitcode == (-signal.SIGKILL if kill < KILLS else 0)
        measured = [int(line) for line in log.read_text().split()]
        assert len(set(measured)) == len(measured)
        assert not stored.intersection(measured), "what was stored was measured again"
        begun += len(measured)
    assert begun <= 300 + KILLS  # at most the chunk in hand is lost with each kill
    run, images = Run(tmp_path / "run"), image_set_of(tmp_path)
    assert run.done == 600
    assert not [
        file.name for file in run.folder.iterdir() if "chunk" in file.name or "partial" in file.name
    ]
    assert same(run, finished(tmp_path / "whole", images, chunk=2))


MEMORY = """
import sys, numpy, torch
from pathlib import Path
from memlib import GaussianMixture, load_images
from memlib.runs import Filter, Numbers, create_run, measure_run
place = Path(sys.argv[1])
pixels = numpy.lib.format.open_memmap(place / "images.npy", "w+", numpy.uint8, (100_000, 32, 32, 3))
for start in range(0, len(pixels), 10_000):
    draw = numpy.random.default_rng(start)
    pixels[start : start + 10_000] = draw.integers(0, 256, (10_000, 32, 32, 3), dtype=numpy.uint8)
del pixels
images = load_images(place / "images.npy")
model = GaussianMixture(torch.zeros(1, 3, 32, 32), 0.3)
asked = {"sigma": 0.5, "draws": 1, "seed": 0}
run = create_run(place / "run", model, images, "denoising_loss", asked, chunk=64)
for done, total in measure_run(run, model, images):
    pass
numbers = Numbers(run.again())
assert (done, numbers.count()) == (100_000, 100_000)
assert len(numbers.page("value", True, 99_990, 48)) == 10
status = Path("/proc/self/status").read_text()  # getrusage counts the parent too
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


@pytest.mark.slow
def test_a_hundred_thousand_images_are_measured_within_two_gibibytes(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) < 2 * 2**30


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("later", [{}, {"group": ["one"] * 50, "": ["nameless"] * 50}])
def test_a_run_ends_though_its_metadata_changed_between_two_sittings(
    later: dict[str, list[str]], images: ImageSet, tmp_path: Path
) -> None:
    run = stopped(tmp_path / "run", images)
    images.metadata.clear()
    images.metadata.update(later)
    assert Numbers(run.again()).count() == run.again().done
    list(measure_run(run_of(tmp_path / "run", images), denoiser(), images))
    numbers = Numbers(run.again())
    assert run.again().done == numbers.count() == 50
    table = numbers.page("value", True, 0, 50, Filter())
    assert set(table["id"]) == set(images.ids)
    assert set(later) <= set(numbers.metadata)
    assert numbers.export("value", True, Filter(), "{}")


def test_a_folder_whose_name_looks_like_a_pattern_is_read_itself(
    images: ImageSet, tmp_path: Path
) -> None:
    other = finished(tmp_path / "r1", images, indices=[0, 1])
    own = finished(tmp_path / "r[1]", images, indices=[2, 3, 4])
    assert Numbers(own).page("index", False, 0, 9, Filter())["index"].tolist() == [2, 3, 4]
    assert Numbers(other).count() == 2

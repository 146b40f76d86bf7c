"""Loaders confine what they open, and what they opened is what caches are stamped with."""

import io
import json
import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import diffusers
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from memlib import load_denoiser, load_images, tasks
from memlib.bundled import DEMO
from memlib.commands import inputs
from memlib.commands.progress import Report
from memlib.denoisers.loading import find_checkpoints, model_digest, model_stamp
from memlib.extraction import imported, read_generations, read_manifest
from memlib.runs import Run
from memlib.sources import CONFINED, Source, inherited
from memlib.workspace import Sources

Save = Callable[..., Path]


@pytest.fixture
def roots(tmp_path: Path, save_model: Save) -> list[Path]:
    """One root with a bare model: a .safetensors with its configs beside it."""
    folder = save_model(diffusers.DDPMScheduler(), "saved")
    root = tmp_path / "root"
    shutil.copytree(folder / "unet", root / "unet")
    shutil.copytree(folder / "scheduler", root / "scheduler")
    return [root]


def weights(roots: list[Path]) -> Path:
    return roots[0] / "unet" / "diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize(
    "stolen",
    [
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "scheduler/scheduler_config.json",
        "scheduler",
        "vae",
    ],
)
def test_a_file_beside_the_weights_that_leads_out_of_the_roots_is_refused(
    stolen: str, roots: list[Path], tmp_path: Path
) -> None:
    assert load_denoiser(weights(roots), "cpu", roots=roots)
    place, outside = roots[0] / stolen, tmp_path / "outside"
    if place.exists():
        shutil.move(place, outside)
    else:
        outside.mkdir()
        (outside / "config.json").write_text("{}")
    place.symlink_to(outside)
    for read in (load_denoiser, model_digest, model_stamp):
        for source in (weights(roots), roots[0]):
            with pytest.raises(ValueError, match=r"leads out|outside the folders"):
                read(source, roots=roots)


@pytest.mark.parametrize(
    "edited", ["config.json", "../scheduler/scheduler_config.json", "scheduler_config.json"]
)
def test_an_edited_config_or_schedule_beside_the_weights_is_another_stamp(
    edited: str, roots: list[Path]
) -> None:
    before = model_stamp(weights(roots), roots=roots)
    assert before == model_stamp(weights(roots), roots=roots)
    file = weights(roots).parent / edited
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**content, "_class_name": "DDPMScheduler", "beta_end": 0.01}))
    assert model_stamp(weights(roots), roots=roots) != before


def test_every_file_that_is_opened_is_stamped(
    roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(weights(roots), roots)
    model_stamp(source)
    stamped = {os.path.realpath(name) for name in source.opened}
    opened: set[str] = set()
    real = Path.open

    def watch(path: Path, *options: object, **more: object) -> object:
        opened.add(os.path.realpath(path))
        return real(path, *options, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", watch)
    load_denoiser(weights(roots), "cpu", roots=roots)
    assert {name for name in opened if name.startswith(str(roots[0]))} <= stamped
    assert len(opened) >= 3


def test_a_place_above_the_roots_is_not_looked_at(roots: list[Path]) -> None:
    (roots[0] / "unet" / "scheduler_config.json").write_bytes(
        (roots[0] / "scheduler" / "scheduler_config.json").read_bytes()
    )
    (roots[0] / "vae").mkdir()
    (roots[0] / "vae" / "config.json").write_text("{}")
    assert load_denoiser(weights(roots), "cpu", roots=[roots[0] / "unet"]).autoencoder is None


@pytest.mark.parametrize("typed", ["loop", "a\0b", "x" * 5000, "~nobody-here/x", "other/loop"])
def test_paths_that_lead_nowhere_are_a_sentence(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    for loop in ("loop", "other/loop"):
        (tmp_path / loop).symlink_to(tmp_path / loop)
    with pytest.raises(ValueError, match=r".+") as caught:
        load_denoiser(typed, "cpu", roots=[tmp_path])
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("told", [{"model": 5}, {"label": "x"}, {"images": None}, {"mirror": 1}])
def test_sources_of_a_manifest_that_are_of_another_kind_are_a_sentence(told: dict) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        Sources.read(told)
    assert Sources.read({"model": "demo", "size": None, "unknown": 1}) == Sources(model="demo")


def test_a_run_of_a_claimed_50_million_images_spreads_by_arithmetic(tmp_path: Path) -> None:
    source = next((DEMO / "runs").iterdir())
    shutil.copytree(source, tmp_path / "run")
    file = tmp_path / "run" / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, "count": 5 * 10**7}))
    run = Run(tmp_path / "run")
    tracemalloc.start()
    places = run.spread(1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert places[0] == 0
    assert places[-1] == run.done - 1
    assert places == sorted(set(places))
    few = Run(source)
    assert few.spread(10**6) == list(range(few.done))


@pytest.mark.parametrize("wrong", [{"model": 5}, {"strength": "x"}, {"seed": 10**30}])
def test_an_attack_with_another_kind_of_plan_is_a_sentence(wrong: dict, tmp_path: Path) -> None:
    manifest = json.loads((DEMO / "extraction/side/manifest.json").read_text())
    manifest["plan"] |= wrong
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="cannot be read"):
        read_manifest(tmp_path)


def linked(place: Path) -> None:
    """Move a file out of the root it is in, and leave a link to it."""
    outside = place.parents[1] / f"outside-{place.name}"
    shutil.move(place, outside)
    place.symlink_to(outside)


def pictures(folder: Path, kind: str) -> Path:
    """The same pictures as an image set of a kind; the file of it that could be a link."""
    folder.mkdir()
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels[0]).save(stream, "PNG")
    if kind == "folder":
        (folder / "a.png").write_bytes(stream.getvalue())
        (folder / "b.png").write_bytes(stream.getvalue())
        return folder / "b.png"
    file = folder / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.png", stream.getvalue())
    elif kind == "npz":
        np.savez(file, images=pixels)
    elif kind == "npy":
        np.save(file, pixels)
    else:
        pq.write_table(pa.table({"image": pa.array([stream.getvalue()])}), file)
    return file


@pytest.mark.parametrize("kind", ["zip", "npz", "npy", "parquet"])
def test_an_image_set_that_is_a_link_out_of_the_roots_is_refused(kind: str, tmp_path: Path) -> None:
    place = pictures(tmp_path / "root", kind)
    assert load_images(place, roots=[tmp_path / "root"])
    linked(place)
    assert load_images(place)
    with pytest.raises(ValueError, match="outside the folders"):
        load_images(place, roots=[tmp_path / "root"])
    if kind == "parquet":  # one of a folder of tables
        with pytest.raises(ValueError, match="leads out"):
            load_images(tmp_path / "root", roots=[tmp_path / "root"])


def test_a_picture_that_is_a_link_out_of_its_folder_is_left_out(tmp_path: Path) -> None:
    place = pictures(tmp_path / "root", "folder")
    linked(place)
    assert load_images(tmp_path / "root", roots=[tmp_path / "root"]).names == ["a.png"]
    with pytest.raises(ValueError, match="outside the folders"):
        load_images(tmp_path, roots=[tmp_path / "root"])


def test_checkpoints_that_are_links_out_of_the_roots_are_refused(
    tmp_path: Path, save_model: Save
) -> None:
    save_model(diffusers.DDPMScheduler(), "run/step-1")
    outside = save_model(diffusers.DDPMScheduler(), "outside")
    assert [path.name for path in find_checkpoints(tmp_path / "run")] == ["step-1"]
    (tmp_path / "run" / "step-2").symlink_to(outside)
    assert len(find_checkpoints(tmp_path / "run")) == 2
    with pytest.raises(ValueError, match="leads out"):
        find_checkpoints(tmp_path / "run", roots=[tmp_path / "run"])


@pytest.mark.parametrize("stolen", ["manifest.json", "images.npz"])
def test_generations_that_are_links_out_of_the_roots_are_refused(
    stolen: str, tmp_path: Path
) -> None:
    run = tmp_path / "side"
    shutil.copytree(DEMO / "extraction/side", run)
    assert len(read_generations(run, roots=[run]))
    linked(run / stolen)
    assert len(read_generations(run))
    with pytest.raises(ValueError, match=r"leads out|outside the folders"):
        read_generations(run, roots=[run])


def test_pictures_of_another_program_are_confined_too(tmp_path: Path) -> None:
    place = pictures(tmp_path / "root", "zip")
    like = load_images(place)
    with pytest.raises(ValueError, match="outside the folders"):
        imported(place, like, roots=[tmp_path / "elsewhere"])


@pytest.mark.parametrize("stolen", ["manifest.json", "numbers.parquet"])
def test_a_run_whose_files_are_links_out_of_the_roots_is_refused(
    stolen: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(next((DEMO / "runs").iterdir()), run)
    assert Run(run, roots=[run]).again().done
    linked(run / stolen)
    assert Run(run).done
    with pytest.raises(ValueError, match="leads out"):
        Run(run, roots=[run])


def test_a_command_that_a_page_starts_is_confined_as_the_page_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = pictures(tmp_path / "root", "zip")
    seen: dict = {}
    monkeypatch.setattr(tasks.subprocess, "Popen", lambda *_, **more: seen.update(more))
    tasks.start(["show"], "title", root=tmp_path / "tasks", roots=[tmp_path / "root"])
    assert inherited() is None
    monkeypatch.setenv(CONFINED, seen["env"][CONFINED])
    assert inherited() == [tmp_path / "root"]
    wanted = Sources(images=str(place), reference="")

    def images_alone(sources: Sources, _: object, images_of: Callable) -> object:
        return images_of(sources, sources.images)

    monkeypatch.setattr(inputs, "open_workspace", images_alone)
    assert inputs.load(wanted, "cpu", Report(as_json=True))
    monkeypatch.setenv(CONFINED, str(tmp_path / "elsewhere"))
    with pytest.raises(ValueError, match="outside the folders"):
        inputs.load(wanted, "cpu", Report(as_json=True))
    with pytest.raises(ValueError, match="outside the folders"):
        inputs.load_model(str(place), None, "cpu")


def test_a_run_below_the_working_directory_is_found_by_its_relative_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("runs") / "one"
    folder.mkdir(parents=True)
    (folder / "part-000000.npz").write_bytes(b"")
    for roots in ([tmp_path], [Path("runs")]):
        assert Source(folder, roots).listed(folder, ".npz") == [folder / "part-000000.npz"]
    with pytest.raises(ValueError, match="outside the folders"):
        Source(folder, [tmp_path / "elsewhere"])
    assert not Source(folder, [tmp_path / "runs"]).has(Path("runs") / ".." / "part-000000.npz")

"""Loaders confine what they open, and what they opened is what caches are stamped with."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest

from memlib import load_denoiser
from memlib.denoisers.loading import model_digest, model_stamp
from memlib.sources import Source

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

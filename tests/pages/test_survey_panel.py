"""The survey on the pages: its costs are said before, it starts in the background, what it found is
shown, also of models that give nothing away, of grey images and of latents.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from memlib.__main__ import main
from memlib.survey import PRESETS, Preset
from memlib.tasks import Task
from memlib.workspace import Sources, Workspace
from pages.session import background
from pages.survey.panel import digests, offered
from tests.conftest import tiny_unet
from tests.memlib.denoisers.test_loaders_models import tiny_ldm
from tests.pages.app import opened, press

SMALL = Preset("Quick", 64, 2, ("denoising_loss",), 12, 0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(PRESETS, "quick", SMALL)
    monkeypatch.chdir(tmp_path)


def said(at: AppTest) -> str:
    return "\n".join(str(part.value) for part in (*at.markdown, *at.caption, *at.error))


def stages(at: AppTest) -> dict[str, str]:
    """What is done of each stage."""
    table = next(frame.value for frame in at.dataframe if "Stage" in frame.value)
    return dict(zip(table["Stage"], table["Done"], strict=True))


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def test_it_says_its_costs_starts_goes_on_and_fills_the_overview(
    model_and_images: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[list[str]] = []

    def start(arguments: Sequence[str], *_: Any, **__: Any) -> None:
        begun.append(list(arguments))

    monkeypatch.setattr(background, "start", start)
    url = dict(zip(("model", "images"), model_and_images, strict=True))
    at = opened("workspace", **url, group="folder")
    assert not at.exception
    assert SMALL.tells() in said(at)
    assert "milliseconds for each network forward, the fastest of several trials" in said(at)
    assert stages(at) == {
        "Draw pictures": "0 of 64",
        "Denoising loss": "0 of 12",
        "Find the copies": "0 of 1",
    }
    (label,) = [one for one in labels(at) if one.startswith("Start, about")]
    press(at, label)
    assert not at.exception
    (arguments,) = begun
    assert arguments[:4] == ["survey", *model_and_images, "--preset=quick"]
    assert any("No picture of this model is drawn" in text.value for text in at.markdown)
    assert label in labels(at)  # on the overview

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # killed before anything is measured
        patch.setattr("memlib.survey.conducting.create_run", stop)
        assert main(arguments) == 130
    at = opened("workspace", **url)
    assert "Kept so far: 64 of 64 pictures drawn" in said(at)
    assert any(one.startswith("Go on, about") for one in labels(at))

    assert main(arguments) == 0
    at = opened("workspace", **url)
    assert "This survey is complete." in said(at)
    assert not any(one.startswith(("Go on", "Start, about")) for one in labels(at))
    began = Task(Path(".afterimage/tasks/1"))  # as the page would have started it
    began.folder.mkdir(parents=True)
    about = {"survey": digests(at.session_state.workspace), "preset": "quick"}
    (began.folder / "task.json").write_text(json.dumps({"began": time.time(), "about": about}))
    began.end(0, "")
    at = opened("overview", **url)
    assert not at.exception
    assert "**Quick survey finished after 1 second.** Kept: 64 of 64 pictures drawn" in said(at)
    at = press(at, "Dismiss")
    assert "survey finished" not in said(at)
    assert at.markdown[0].value.startswith("#### 0 of 64 pictures drawn are copies of any of 20")
    assert "2 steps" in at.caption[0].value
    assert len(at.session_state.results) == 12


def test_the_demo_needs_no_survey() -> None:
    demo = Workspace(Sources(), *3 * [None])  # type: ignore[arg-type]
    assert not offered(demo)
    assert offered(replace(demo, sources=Sources(images="own.npz")))


@pytest.mark.parametrize("kind", ["grey", "latents"])
def test_the_overview_of_a_surveyed_model_is_true_for(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERIMAGE_ROOTS", str(tmp_path))
    monkeypatch.setitem(PRESETS, "quick", Preset("Quick", 64, 2, SMALL.measures, 12, 1))
    model, shape = tmp_path / "model", (6, 16, 16, 3)
    if kind == "grey":
        tiny_unet(channels=1, size=16).save_pretrained(model / "unet")
        diffusers.DDPMScheduler().save_pretrained(model / "scheduler")
    else:
        tiny_ldm(model)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.save("images.npy", pixels[..., 0] if kind == "grey" else pixels)
    assert main(["survey", str(model), "images.npy", "--json"]) == 0
    at = opened("overview", model=str(model), images=str(tmp_path / "images.npy"))
    assert not at.exception and not at.error
    assert at.markdown[0].value.startswith("#### 0 of 64 pictures drawn are copies of any of 6")
    assert "estimated for 1 of 6 images" in said(at)
    assert "no image is known to be held out" in said(at)

"""The page of two models: true where one of them was not drawn from, where neither gives anything
away, and where there is no second model.
"""

from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from memlib import load_denoiser
from memlib.extraction import stages
from memlib.extraction.generations import generate_run
from memlib.extraction.plan import plan_of
from memlib.extraction.stages import folder_of
from tests.conftest import tiny_unet
from tests.pages.app import opened, press


def said(at: AppTest) -> str:
    return "\n".join(str(one.value) for one in [*at.markdown, *at.info, *at.caption])


@pytest.mark.slow
def test_the_demo_is_compared_with_its_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FOLDER", tmp_path)
    at = opened("compare")
    assert not at.exception and not at.error
    assert "**Emoji demo model:** 1,280 of 4,096 pictures drawn" in said(at)
    assert "**Emoji reference checkpoint:** no picture of it is drawn yet" in said(at)
    table = at.dataframe[0].value.set_index("title")
    growth = table.loc["Volume growth"]
    assert growth["trained"] == 964
    assert growth["beyond"] > 100  # ten would by chance
    assert "By volume growth, the first model remembers the 964 training images more" in said(at)
    assert "beyond what the held-out images changed by. It is more than chance." in said(at)
    assert len(at.get("bidi_component")) == 1  # the images that changed most by volume growth
    at = press(at, "Open it as the model, to draw from it")
    assert not at.exception and not at.error
    assert at.title[0].value == "Evidence"


@pytest.mark.slow
def test_two_models_that_give_nothing_away_do_not_differ(
    model_and_images: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FOLDER", tmp_path / "extraction")
    model, images = model_and_images
    torch.manual_seed(1)
    tiny_unet().save_pretrained(tmp_path / "other" / "unet")
    scheduler = tmp_path / "model" / "scheduler"
    (tmp_path / "other" / "scheduler").symlink_to(scheduler)
    for place in (model, str(tmp_path / "other")):
        denoiser = load_denoiser(place, "cpu")
        folder = folder_of(plan_of(denoiser, steps=5), tmp_path / "extraction")
        for _ in generate_run(folder, denoiser, 32, steps=5):
            pass
    at = opened("compare", model=model, images=images, reference=str(tmp_path / "other"))
    assert not at.exception and not at.error
    assert said(at).count("0 of 32 pictures drawn are copies") == 2
    assert said(at).count("Drawn by the deterministic sampler with 5 steps") == 2
    assert not at.warning
    assert "Neither model gave an image away." in said(at)
    assert "No measure is known for both models" in said(at)


def test_without_a_second_model_the_page_says_where_to_name_one(
    model_and_images: tuple[str, str],
) -> None:
    model, images = model_and_images
    at = opened("compare", model=model, images=images)
    assert not at.exception and not at.error
    assert "No second model is loaded." in said(at)

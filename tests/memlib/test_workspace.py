"""What is opened together: a model, images, and the reference."""

from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from memlib import load_denoiser, load_images, p_laplace
from memlib.measures.conditional import PROMPT_MEASURES
from memlib.workspace import NULL, Sources, Workspace, open_workspace
from tests.memlib.denoisers.test_loaders_models import tiny_dit, tiny_kl


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of five classes and three pictures."""
    folder = tmp_path_factory.mktemp("classes")
    parts = tiny_dit(), tiny_kl(), diffusers.DDIMScheduler(clip_sample=False)
    diffusers.DiTPipeline(*parts).save_pretrained(folder / "dit")
    (folder / "pictures").mkdir()
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{seed}.png")
    return folder


def workspace(**sources: object) -> Workspace:
    return open_workspace(
        Sources(**sources),  # type: ignore[arg-type]
        lambda source, label: load_denoiser(source, "cpu", label=label),
        lambda _, source: load_images(source),
    )


def test_a_model_in_its_null_condition_is_the_reference_of_its_class(place: Path) -> None:
    own = {"model": str(place / "dit"), "images": str(place / "pictures")}
    opened = workspace(**own, reference=NULL, label=2)
    assert opened.reference is not None
    assert opened.reference.digest == load_denoiser(place / "dit", "cpu").digest
    assert opened.reference.digest != opened.denoiser.digest
    latents = opened.denoiser.encode(opened.images.batch(range(3)))
    given, null = (
        p_laplace(model, latents, 1.0, directions=4).value
        for model in (opened.denoiser, opened.reference)
    )
    assert (given - null).abs().max() > 1e-6
    with pytest.raises(ValueError, match="name one, or another reference"):
        workspace(**own, reference=NULL)


def test_a_model_of_text_is_compared_with_the_empty_prompt() -> None:
    own = {"model": "demo-text", "images": "demo-text"}
    opened = workspace(**own, reference=NULL, prompt="eyes, body parts", guidance_scale=2.0)
    assert opened.reference is not None
    assert opened.reference.digest == opened.denoiser.null.digest
    with pytest.raises(ValueError, match="name one, or another reference"):
        workspace(**own, reference=NULL)


@pytest.mark.parametrize("name", ["score_difference", "p_laplace_gap", "prediction_difference"])
def test_measures_with_a_condition_take_a_class_as_well(place: Path, name: str) -> None:
    given, null = (load_denoiser(place / "dit", "cpu", label=label) for label in (2, None))
    measure, latents = PROMPT_MEASURES[name], torch.randn(2, 4, 8, 8)
    found = measure.function(given, null, latents, **measure.asked(given).parameters)
    assert found.value.isfinite().all()
    assert found.value.abs().max() > 0

"""Is my picture in it: a training picture, a stranger's picture, a broken file; and what is
computed of a picture stays in its session.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from memlib import load_denoiser, load_images
from memlib.bundled import DEMO
from memlib.extraction import read_generations, stages
from memlib.measures import MEASURES
from pages.session.measured import is_measured
from pages.session.messages import plain
from tests.pages.app import opened, press

LABEL = "Your picture"


def given(at: AppTest, name: str, data: bytes) -> AppTest:
    field = next(one for one in at.file_uploader if one.label == LABEL)
    return field.upload(name, data, "image/png").run()


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def answer(at: AppTest) -> str:
    """The sentence that answers the holder."""
    heads = [str(text.value) for text in at.markdown if str(text.value).startswith("#### ")]
    return heads[1].removeprefix("#### ")


def said(at: AppTest) -> str:
    return " ".join(str(text.value) for text in (*at.markdown, *at.caption))


def test_a_training_picture_is_found_with_how_often_it_came_back() -> None:
    images = load_images("demo")
    with zipfile.ZipFile(DEMO / "images.zip") as archive:
        place = next(at for at in range(len(images)) if images.names[at] in archive.namelist())
        data = archive.read(images.names[place])
    at = given(opened("overview"), "mine.png", data)
    assert not at.exception and not at.error
    found = f"The nearest training image is {plain(images.names[place])}"
    assert answer(at).startswith(found) and "pixel for pixel" in answer(at)
    assert "of 4,096 pictures drawn" in answer(at) and "by volume growth" in answer(at)
    assert "**Counted, stochastic sampler**" in said(at)
    assert "Measure my picture" not in [button.label for button in at.button]
    one = opened("image", image=images.ids[place])
    about = str(one.markdown[0].value).removeprefix(f"#### {plain(images.names[place])} ")
    assert answer(at).endswith(f"It {about}")  # the two pages say the same


def test_a_strangers_picture_is_none_of_them_and_can_be_measured_for_this_session_only() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    at = given(opened("overview"), "mine.png", png(pixels))
    assert not at.exception and not at.error
    assert answer(at).startswith("No training image is nearer than")
    assert "none of the 964 training images" in answer(at)
    run = read_generations(DEMO / "extraction" / "unconditional")
    assert f"None of {len(run):,} pictures drawn is a copy of it" in answer(at)
    at = press(at, "Measure my picture")
    assert not at.exception and not at.error
    for title in ("Denoising loss", "Volume growth"):
        assert f"**{title}**" in said(at)
    assert "of 964 training images" in said(at) and "of 200 held-out images" in said(at)
    denoiser, image = load_denoiser("demo", "cpu"), load_images("demo").take(png(pixels))[1]
    measure = MEASURES["denoising_loss"]
    asked = measure.defaults(denoiser)
    own = at.session_state.results.rows(denoiser.digest, measure.run, asked)
    assert image in own
    assert not is_measured(denoiser, image, measure.name, asked)  # in no other session


@pytest.mark.parametrize(
    ("data", "words"), [(b"no picture", "is not a picture"), (b"<svg></svg>", "SVG")]
)
def test_a_broken_file_is_one_sentence(
    data: bytes,
    words: str,
    model_and_images: tuple[str, str],
) -> None:
    at = opened("overview", model=model_and_images[0], images=model_and_images[1])
    at = given(at, "<b>mine</b>.png", data)
    assert not at.exception
    assert len(at.error) == 1 and words in at.error[0].value and "\n" not in at.error[0].value
    assert plain("<b>mine</b>.png") in at.error[0].value


@pytest.mark.parametrize("own", [True, False])
def test_without_draws_and_measures_grey_images_answer_all_the_same(
    own: bool, model_and_images: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FOLDER", tmp_path / "nothing")
    pixels = np.random.default_rng(2).integers(0, 256, (5, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "grey.npy", pixels)
    at = opened(
        "overview", model=model_and_images[0], images=str(tmp_path / "grey.npy"), channels="3"
    )
    at = given(at, "mine.png", png(pixels[3] if own else 255 - pixels[3]))
    assert not at.exception and not at.error
    if own:
        assert answer(at).endswith(
            "is not measured yet; how often it comes back is not counted yet."
        )
        return
    assert "none of the 5 training images" in answer(at)
    assert "whether it draws yours is not known" in answer(at)
    at = press(at, "Measure my picture")
    assert not at.exception and not at.error
    assert said(at).count("No image of the set has this measure yet") == 2

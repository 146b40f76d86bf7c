"""The page of one image: it says what is known, of the image that is chosen everywhere, and what is
not known with what it takes to know it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from memlib import load_denoiser, load_images
from memlib.audit import Change, Verdicts
from memlib.extraction import stages
from memlib.extraction.generations import generate_run
from memlib.extraction.plan import plan_of
from memlib.extraction.stages import folder_of
from memlib.neighbours import duplicates
from pages.ranking.verdicts import DATABASE
from pages.session.messages import plain
from tests.pages.app import opened, press

EVERYTHING = "Everything about this image"


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'audit.sqlite'}"
    monkeypatch.setenv(DATABASE, url)
    return url


def first(at: AppTest) -> str:
    """The first text below the title."""
    return str(at.markdown[0].value).removeprefix("#### ")


def sent(at: AppTest) -> dict[str, Any]:
    """What the gallery of the image's copies is sent."""
    found = (json.loads(element.proto.json) for element in at.get("bidi_component"))
    return next(data for data in found if data.get("alt") == "The nearest images of the set")


def links(at: AppTest) -> list[str]:
    return [link.proto.label for link in at.get("page_link")]


def said(at: AppTest) -> str:
    return " ".join(str(text.value) for text in (*at.markdown, *at.caption))


def test_everything_known_of_the_chosen_image_is_on_the_page() -> None:
    images = load_images("demo")
    groups = duplicates(images).numpy()
    trained = ~images.held_out
    place = next(
        at for at in range(len(images)) if trained[at] and (groups == groups[at]).sum() == 2
    )
    at = opened("image", image=images.ids[place])
    assert not at.exception and not at.error
    assert first(at).startswith(f"{plain(images.names[place])} came back in ")
    assert "of 4,096 pictures drawn" in first(at) and "of 1,164 by volume growth." in first(at)
    assert "Copies of its 1 near-duplicate count with it" in said(at)
    assert [one.label.split(",")[0] for one in at.metric] == [
        "Volume growth",
        "p-Laplace K₁ at σ = 0.5",
        "Denoising loss",
    ]
    assert all("±" in one.value for one in at.metric)
    assert sum("of 1,164; 95%: " in caption.value for caption in at.caption) == 3
    cards = sent(at)["cards"]
    assert [card["note"] == "near-duplicate" for card in cards] == [True] + [False] * 5
    twin = next(at for at in np.flatnonzero(groups == groups[place]) if at != place)
    assert cards[0]["id"] == images.ids[twin]
    for words in ("**Counted**: ", "**Counted, stochastic sampler**: ", "16,384"):
        assert words in said(at)
    assert len(at.get("plotly_chart")) == 2  # the maps of growth and of K₁
    assert "of what an isolated point has at each pixel" in said(at)
    assert "Nobody has decided on it yet." in said(at)
    assert "Decide on it at the desk" in links(at)


def test_without_a_choice_it_opens_with_the_image_that_came_back_most_often() -> None:
    at = opened("image", image="nonsense")
    assert not at.exception
    times = int(first(at).split("came back in ")[1].split(" of ")[0])
    other = press(at, "Next in rank")
    assert not other.exception
    assert times >= int(first(other).split("came back in ")[1].split(" of ")[0])


def test_an_image_is_found_by_rank_and_by_name() -> None:
    images = load_images("demo")
    at = opened("image", image=images.ids[0])
    before = first(at)
    at = press(press(at, "Next in rank"), "Previous in rank")
    assert first(at) == before
    at.text_input(key="image.search").set_value(images.names[700].upper()).run()
    assert first(at).startswith(plain(images.names[700]))
    assert at.query_params["image"] == images.ids[700]
    at.text_input(key="image.search").set_value("![x](http://a.org)").run()
    assert first(at).startswith(plain(images.names[700]))
    assert plain("![x](http://a.org)") in at.warning[0].value


def test_a_held_out_image_is_not_said_to_have_come_back_or_not() -> None:
    images = load_images("demo")
    at = opened("image", image=images.ids[int(np.flatnonzero(images.held_out)[0])])
    assert "was not trained on, and ranks" in first(at)
    assert "**Counted**" not in said(at)


def test_where_nothing_is_known_there_are_sentences_with_their_cost(
    model_and_images: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FOLDER", tmp_path / "nothing")
    asked = dict(zip(("model", "images"), model_and_images, strict=True))
    at = opened("image", **asked)
    assert not at.exception and not at.error
    assert first(at).endswith("is not measured yet; how often it comes back is not counted yet.")
    assert "71 network forwards" in said(at)
    for words in (
        "No picture of this model is drawn yet",
        "No map of growth",
        "**Estimated**: not",
    ):
        assert words in said(at)
    at = press(at, "Measure this image")
    assert not at.exception
    assert "ranks 1st of 1 by volume growth" in first(at)
    assert len(at.metric) == 3
    assert len(at.get("plotly_chart")) == 2


@pytest.mark.parametrize("drawn", [False, True])
def test_one_grey_image_alone_has_a_page(
    drawn: bool,
    model_and_images: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stages, "FOLDER", tmp_path / "extraction")
    if drawn:
        denoiser = load_denoiser(model_and_images[0], "cpu")
        folder = folder_of(plan_of(denoiser, steps=2), tmp_path / "extraction")
        for _ in generate_run(folder, denoiser, 4, steps=2):
            pass
    np.save(tmp_path / "one.npy", np.full((1, 8, 8), 90, np.uint8))
    at = opened("image", model=model_and_images[0], images=str(tmp_path / "one.npy"), channels="3")
    assert not at.exception
    assert "is not measured yet" in first(at)
    assert "It is the only image." in said(at)
    assert all("two different training images" in error.value for error in at.error)
    assert len(at.error) == drawn


def test_verdicts_of_others_stay_hidden_until_ones_own(database: str) -> None:
    images, model = load_images("demo"), load_denoiser("demo", "cpu").digest
    store, image = Verdicts(database), images.ids[5]
    store.decide(model, "Ada", [Change(image, "memorised", note="secret")])
    at = opened("image", image=image)
    assert "1 verdict of other reviewers" in said(at)
    assert not any("secret" in text.value for text in at.text)
    store.decide(model, "Bob", [Change(image, "unsure")])
    at.session_state["chosen audit.reviewer"] = "Bob"
    at.run()
    shown = [text.value for text in at.text if ", Ada, " in text.value or ", Bob, " in text.value]
    assert len(shown) == 2 and shown[0].startswith("memorised, Ada") and "secret" in shown[0]


@pytest.mark.parametrize("page", ["overview", "volume_growth", "p_laplace", "audit"])
def test_other_pages_lead_to_it(page: str) -> None:
    at = opened(page)
    link = next(one for one in at.get("page_link") if one.proto.label == EVERYTHING)
    assert link.proto.page == "image"
    assert "image=" in link.proto.query_string

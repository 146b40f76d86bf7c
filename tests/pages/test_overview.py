"""The first page: it says what the model gives away, no other page contradicts it, and it is true
for models that give nothing away and for those nobody has drawn from.
"""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from memlib import ImageSet, load_denoiser, load_images
from memlib.bundled import DEMO
from memlib.evidence import Remembered, match_samples, reproductions
from memlib.evidence.draws import OFTEN
from memlib.extraction import read_generations, stages
from memlib.extraction.generations import generate_run
from memlib.extraction.plan import plan_of
from memlib.extraction.stages import folder_of
from memlib.measures import MEASURES
from memlib.neighbours import duplicates
from pages.overview.likely import Likely
from pages.ranking import counting
from pages.session.messages import plain
from tests.pages.app import opened, press

TOUR = "Take the tour"


def headings(at: AppTest) -> list[str]:
    return [heading.value for heading in at.subheader]


def first(at: AppTest) -> str:
    """The first text below the title."""
    return str(at.markdown[0].value).removeprefix("#### ").strip("*")


def sent(at: AppTest, key: str) -> dict[str, Any]:
    """What a widget is sent that has this in its data."""
    found = (json.loads(element.proto.json) for element in at.get("bidi_component"))
    return next(data for data in found if key in data)


def metric(at: AppTest, label: str) -> str:
    return str(next(one.value for one in at.metric if one.label == label))


def links(at: AppTest) -> list[str]:
    return [link.proto.label for link in at.get("page_link")]


@pytest.fixture(scope="module")
def demo() -> tuple[ImageSet, Remembered]:
    images = load_images("demo")
    run, groups = read_generations(DEMO / "extraction" / "unconditional"), duplicates(images)
    times = reproductions(match_samples(run.images, images, groups), len(images))
    return images, Remembered(len(run), times, groups, ~images.held_out)


@pytest.fixture
def drawn(
    model_and_images: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """The tiny model with 64 pictures drawn, none of which is a copy of its images."""
    monkeypatch.setattr(stages, "FOLDER", tmp_path / "extraction")
    denoiser = load_denoiser(model_and_images[0], "cpu")
    folder = folder_of(plan_of(denoiser, steps=50), tmp_path / "extraction")
    for _ in generate_run(folder, denoiser, 64, steps=50):
        pass
    return model_and_images


def test_it_opens_with_the_sentence_and_five_answers(demo: tuple[ImageSet, Remembered]) -> None:
    images, found = demo
    at = opened("overview")
    assert not at.exception
    assert first(at) == found.sentence()
    assert first(at).startswith("1,280 of 4,096 pictures drawn")
    assert "77 of 834 different training images" in first(at)
    said = at.caption[0].value
    assert "deterministic sampler with 50 steps" in said and "below 0.333" in said
    cards = sent(at, "cards")["cards"]
    candidates = found.candidates()
    assert [card["id"] for card in cards] == [one.place for one in candidates[: len(cards)]]
    for card, one in zip(cards, candidates, strict=False):
        assert "95%" in card["captions"][0]
        assert f"{one.times:,} copies drawn" in card["captions"]
        assert any("by denoising loss" in line for line in card["captions"])
    groups = found.groups[[card["id"] for card in cards]].tolist()
    assert len(set(groups)) == len(groups)  # one of each near-duplicate group
    assert not images.held_out[[card["id"] for card in cards]].any()
    assert TOUR in links(at)


def test_no_number_contradicts_another_page(demo: tuple[ImageSet, Remembered]) -> None:
    images, found = demo
    at, other, two = opened("overview"), opened("evidence"), opened("compare")
    said = first(at)
    assert any(said == text.value.strip("*") for text in other.markdown)
    assert any(text.value.endswith(said) for text in two.markdown)
    assert f"{metric(other, 'Copies')} of {metric(other, 'Generated images')} pictures" in said
    assert f"{metric(other, 'Images reproduced')} different" in said
    share = next(one for one in other.metric if one.label == "Share of copies")
    assert f"{share.value} ({share.delta})" in said
    rates = re.search(r"estimated for ([\d,]+) of", " ".join(one.value for one in at.markdown))
    assert rates and any(
        text.value.startswith(f"{rates[1]} estimated rates beside the counts")
        for text in other.markdown
    )
    cards = sent(at, "cards")["cards"]
    for card in (cards[0], cards[-1]):
        image = opened("image", image=images.ids[card["id"]])
        rate, name, copies, rank = card["captions"][:4]
        times, lines = copies.split()[0], " ".join(one.value for one in image.markdown)
        assert f"came back in {times} of 4,096 pictures drawn, {rate[:1].lower()}{rate[1:]}," in (
            first(image)
        )
        assert f"**Counted**: {rate[:1].lower()}{rate[1:]}; {times} copies" in lines
        assert rank.endswith(" by denoising loss") and plain(name) in first(image)
        assert any(
            one.value.startswith(
                f"{rank[:1].upper()}{rank[1:].removesuffix(' by denoising loss')};"
            )
            for one in image.caption
        )
    once = len(found.once())
    assert any(f"{once:,} images of which one copy" in one.value for one in at.caption)
    for line in found.to_find():
        assert any(line in one.value for one in at.markdown)
    best = next(text.value for text in other.markdown if "has the highest AUC" in text.value)
    believed = next(text.value for text in at.markdown if "has the highest AUC" in text.value)
    assert believed.endswith(best)


def test_a_card_that_is_chosen_is_chosen_on_every_page(demo: tuple[ImageSet, Remembered]) -> None:
    images, found = demo
    place = found.candidates()[3].place
    at = opened("overview", image=images.ids[place])
    assert sent(at, "cards")["selected"] == place
    name = images.names[place].rsplit("/", 1)[-1].rsplit(".", 1)[0]
    assert any(text.value == f"**{plain(name)}**" for text in at.markdown)


@pytest.mark.parametrize("often", [10, 1000])
def test_an_estimated_rate_stands_beside_a_count_of_few_and_is_named(
    demo: tuple[ImageSet, Remembered], often: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.overview.likely.OFTEN", often)
    images, found = demo
    row = {"value": -1.5, "low": -1.6, "high": -1.4, "sign": 0, "stderr": 0.05}
    place = found.candidates()[0].place
    unseen = int(np.flatnonzero((found.times == 0) & found.trained)[0])
    rows = {images.ids[place]: row, images.ids[unseen]: row}
    for module in ("likely", "unknown"):
        monkeypatch.setattr(f"pages.overview.{module}.estimated", lambda loaded: rows)
    at = opened("overview")
    lines = sent(at, "cards")["cards"][0]["captions"]
    shown = any(
        line.startswith("estimated, stochastic sampler: about once in 32") for line in lines
    )
    assert shown == (found.candidates()[0].times < often)
    assert any("estimated for 2 of 1,164 images" in text.value for text in at.markdown)
    named = any("stochastic sampler with 50 steps" in caption.value for caption in at.caption)
    assert named == shown


def test_a_model_nobody_drew_from_is_said_to_be_unknown(
    model_and_images: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FOLDER", tmp_path / "nothing")
    at = opened("overview", model=model_and_images[0], images=model_and_images[1])
    assert not at.exception
    assert "No picture of this model is drawn yet" in first(at)
    assert headings(at) == ["What is not known"]
    said = " ".join(text.value for text in at.markdown)
    for words in (
        "1,024 pictures take about",
        "estimated for 0 of 20",
        "held out",
        "Denoising loss",
    ):
        assert words in said
    assert "copies" not in said.replace("what it gives away", "")
    assert TOUR not in links(at)  # it speaks of the demo


def test_a_model_that_gives_nothing_away_is_bounded_and_promised_nothing(
    drawn: tuple[str, str],
) -> None:
    at = opened("overview", model=drawn[0], images=drawn[1])
    assert not at.exception
    assert first(at).startswith("0 of 64 pictures drawn are copies of any of 20")
    assert "at most 4.57%" in first(at)
    assert headings(at) == ["What is not known"]
    assert any("20 images have not come back in 64" in text.value for text in at.markdown)
    other = opened("evidence", model=drawn[0], images=drawn[1])
    assert any(first(at) == text.value.strip("*") for text in other.markdown)
    share = next(one for one in other.metric if one.label == "Share of copies")
    assert (share.value, share.delta) == ("0.0%", "95%: at most 4.57%")


def test_an_image_that_was_not_drawn_is_said_to_be_estimated_only(
    drawn: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = load_images(drawn[1]).ids
    row = {"value": -3.0, "low": -3.0, "high": 0.0, "sign": 1, "stderr": 0.1}
    for module in ("likely", "unknown"):
        monkeypatch.setattr(f"pages.overview.{module}.estimated", lambda loaded: {ids[3]: row})
    at = opened("overview", model=drawn[0], images=drawn[1])
    ((card,),) = (sent(at, "cards")["cards"],)
    first_line, second, name = card["captions"][:3]
    assert first_line == "Not drawn in 64 pictures"
    assert second == "estimated, stochastic sampler: at least once in 1,000 pictures"
    assert name == "images[3]"
    assert not any("cop" in line for line in card["captions"])


def test_beside_copies_a_limit_is_not_told(demo: tuple[ImageSet, Remembered]) -> None:
    images, found = demo
    few = next(one for one in found.candidates() if one.times < OFTEN)
    for sign in (0, 1):
        row = {"value": -3.3, "low": -3.4, "high": -3.2, "sign": sign}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Likely, "rates", {images.ids[few.place]: row})
            loaded = SimpleNamespace(images=images)
            lines = Likely(loaded, None, found, pd.DataFrame(), "").lines(few)  # type: ignore[arg-type]
        assert any("estimated" in line for line in lines) == (sign == 0)
        assert lines[0].startswith("About once in")


@pytest.mark.slow
def test_a_hundred_thousand_images_are_not_compared_before_the_cost_is_said(
    drawn: tuple[str, str], tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (100_000, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "many.npy", pixels)
    at = opened("overview", model=drawn[0], images=str(tmp_path / "many.npy"))
    assert not at.exception and not at.error
    assert first(at).startswith("64 pictures of this model are drawn; which of them are copies")
    assert "all 100,000 images, and these with each other: about 3 minutes" in at.caption[0].value
    assert any("estimated for 0 of 100,000 images" in text.value for text in at.markdown)
    assert headings(at) == ["What is not known"]


def test_counting_that_takes_long_is_asked_for(
    drawn: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "AT_ONCE", 0)
    counting._counted().clear()
    at = opened("overview", model=drawn[0], images=drawn[1])
    assert "is not counted yet" in first(at)
    assert not any("no picture is drawn" in text.value for text in at.markdown)
    at = press(at, "Count the copies")
    assert not at.exception
    again = opened("overview", model=drawn[0], images=drawn[1])  # another visitor
    assert first(again).startswith("0 of 64")
    assert first(at) == first(again)


def test_images_without_any_held_out_say_what_they_lack(
    drawn: tuple[str, str], tmp_path: Path
) -> None:
    own = read_generations(next((tmp_path / "extraction").iterdir()))
    noise = np.random.default_rng(1).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
    pixels = ((own.images.batch(range(4)).permute(0, 2, 3, 1).numpy() + 1) * 127.5).round()
    np.save(tmp_path / "own.npy", np.concatenate([pixels.astype(np.uint8), noise]))
    at = opened("overview", model=drawn[0], images=str(tmp_path / "own.npy"))
    assert not at.exception
    assert first(at).startswith("4 of 64 pictures drawn")
    assert "The images most likely to come back" in headings(at)
    assert "Which measure to believe here" not in headings(at)  # nothing is measured
    assert any("no image is known to be held out" in text.value for text in at.markdown)
    assert len(sent(at, "sheet")["cards"]) == 4


def test_held_out_images_alone_judge_by_membership_and_say_so(
    model_and_images: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FOLDER", tmp_path / "nothing")
    others = np.random.default_rng(5).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "others.npy", others)
    asked = dict(zip(("model", "images"), model_and_images, strict=True))
    at = opened("overview", **asked, held_out=str(tmp_path / "others.npy"))
    assert "Which measure to believe here" not in headings(at)  # nothing is measured
    loaded, loss = at.session_state.workspace, MEASURES["denoising_loss"]
    rows = {image: {"value": float(place)} for place, image in enumerate(loaded.images.ids)}
    settings = loss.defaults(loaded.denoiser)
    at.session_state.results.add(loaded.denoiser.digest, loss.run, settings, rows)
    at.run()
    assert not at.exception
    assert "The images most likely to come back" not in headings(at)
    believed = next(text.value for text in at.markdown if "has the highest AUC" in text.value)
    assert believed.startswith("Judged by what was trained on: Denoising loss")
    assert not any("known to be held out" in text.value for text in at.markdown)

"""The page of prompts opens on the bundled run with nothing to compute, ranks and shows prompts,
starts runs in the background, and measures one's own picture.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import memlib.denoisers.loading as loading
from memlib import load_images
from memlib.__main__ import main
from memlib.bundled import TEXT_RUN
from memlib.measures.conditional import PROMPT_MEASURES
from memlib.runs import FOLDER, Numbers, Run
from pages.session import background
from tests.pages.app import opened, press

LONG = "cat " * 60 + "<b>end"
LIST = f"prompt,label\nblack cat,1\n{LONG},0\n".encode()


def cards(at: AppTest) -> dict[str, Any]:
    """What the gallery of prompts is sent."""
    sent = [json.loads(element.proto.json) for element in at.get("bidi_component")]
    return next(data for data in sent if "each" in data)


def scores(at: AppTest) -> Any:
    return next(frame.value for frame in at.dataframe if "When" in frame.value)


def expanded(at: AppTest) -> AppTest:
    """The page with the form of a new run open."""
    at.session_state["folded New run"] = True
    return at.run()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The arguments of what is started in the background, which is run at once."""
    begun: list[list[str]] = []

    def start(arguments: list[str], *_: Any, **__: Any) -> None:
        begun.append(list(arguments))

    monkeypatch.setattr(background, "start", start)
    return begun


def test_it_opens_on_the_bundled_run_without_loading_its_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[str] = []
    build = loading.build_prompts
    monkeypatch.setattr(loading, "build_prompts", lambda *all: loaded.append("text") or build(*all))
    at = opened("prompts")
    assert not at.exception
    assert not at.error
    assert not loaded
    run = Run(TEXT_RUN)
    table = Numbers(run).page("prediction_difference", True, 0, run.count)
    found = cards(at)["cards"]
    assert [one["captions"][0] for one in found] == table["name"][: len(found)].tolist()
    often = table["kind"].str.extract(r"copied x(\d+)")[0].astype(float) >= 32
    assert often[: len(found)].all()  # the copied prompts are on top
    assert cards(at)["each"] > 2  # the original beside several seeds


def test_the_selected_prompt_has_all_its_scores_in_groups_with_ranks() -> None:
    run = Run(TEXT_RUN)
    row = Numbers(run).page("tiled_distance", False, 0, 1).iloc[0]
    at = opened("prompts", line=row["id"])
    assert any(row["name"] in text.value.replace("\\", "") for text in at.markdown)
    found = scores(at)
    assert found["When"].tolist() == sorted(found["When"], key=["Before", "During", "After"].index)
    assert len(found) == len(PROMPT_MEASURES)
    line = found[found["Measure"] == PROMPT_MEASURES["tiled_distance"].title].iloc[0]
    assert line["Rank"] == "1 of 115"
    assert "±" in line["Value"]
    assert not opened("prompts", line="nonsense", run="nonsense", sort="x", seed="9").exception


def test_measures_are_judged_by_labels_and_by_what_comes_back_again() -> None:
    at = opened("prompts")
    told = next(frame.value for frame in at.dataframe if "prompts" in frame.value)
    assert float(told["AUC"].iloc[0].split()[0]) >= 0.95
    assert set(told["prompts"]) == {"30, 55"}
    texts = " ".join(text.value for text in at.caption).replace("\\", "")
    assert "Captions of the text demo, Emoji text model" in texts
    at.button_group(key="prompts.truth").set_value("pictures alike").run()
    told = next(frame.value for frame in at.dataframe if "prompts" in frame.value)
    assert PROMPT_MEASURES["tiled_distance"].title not in set(told["title"])
    at.number_input(key="prompts.within").set_value(0.5).run()
    assert not at.exception
    assert "pictures of different seeds within 0.5" in " ".join(text.value for text in at.caption)


@pytest.mark.slow
def test_a_list_is_run_in_the_background_and_opened(
    at_once: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    at = expanded(opened("prompts"))
    at.file_uploader(key="prompts.list").upload("mine.csv", LIST, "text/csv").run()
    at.number_input(key="prompts.steps").set_value(2).run()
    at.number_input(key="prompts.seeds").set_value(2).run()
    texts = " ".join(text.value for text in at.caption)
    assert "2 prompts, 1 labelled memorised and 1 not" in texts
    assert "network forwards a prompt" in texts
    assert any("not read whole" in text.value and "cut off" in text.value for text in at.warning)
    press(at, "Start in the background")
    assert not at.exception
    (arguments,) = at_once
    assert any("No prompt is measured yet" in text.value for text in at.info)
    assert main(arguments) == 0
    at.run()
    assert {one["captions"][0] for one in cards(at)["cards"]} == {"black cat", LONG}
    assert any("2 of 2 prompts" in text.value for text in at.markdown)
    (folder,) = [file.parent for file in FOLDER.glob("*/manifest.json")]
    runs = opened("runs", opened=folder.name)
    assert not runs.exception
    assert not runs.error


def test_a_bad_list_and_a_model_without_prompts_are_one_sentence() -> None:
    at = expanded(opened("prompts"))
    at.file_uploader(key="prompts.list").upload("mine.csv", b"a,b\n1,2\n", "text/csv").run()
    assert ["no column called prompt" in error.value for error in at.error] == [True]
    at = expanded(opened("prompts"))
    at.text_area(key="prompts.typed").set_value("a cat").run()
    at.text_input(key="prompts.of").set_value("demo").run()
    assert ["takes no prompt" in error.value for error in at.error] == [True]
    at.text_input(key="prompts.of").set_value("/etc").run()
    assert ["outside the folders" in error.value for error in at.error] == [True]


@pytest.mark.slow
def test_ones_own_picture_is_measured_with_and_without_a_prompt() -> None:
    images = load_images("demo-text")
    stream = io.BytesIO()
    pixels = images.original(images.names.index("copied/black-cat.png")).transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG")
    at = opened("prompts")
    at.file_uploader(key="prompts.own").upload("cat.png", stream.getvalue(), "image/png").run()
    at.text_input(key="prompts.own_prompt").set_value("black cat, animal mammal").run()
    at.multiselect(key="prompts.own_measures").set_value(
        ["small_sphere_prompt", "small_sphere_null", "small_sphere_gap"]
    ).run()
    press(at, "Measure the picture")
    assert not at.exception
    assert not at.error
    found = next(frame.value for frame in at.dataframe if "More memorised than" in frame.value)
    assert len(found) == 3
    assert all("of 115" in text for text in found["More memorised than"])
    at.file_uploader(key="prompts.own").upload("no.png", b"no picture", "image/png").run()
    press(at, "Measure the picture")
    assert len(at.error) == 1


def test_a_run_that_names_originals_of_the_hub_downloads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = FOLDER / "prompts-000000000000"
    folder.mkdir(parents=True)
    for file in TEXT_RUN.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sources"] = {"model": "someone/model", "originals": "someone/data:train"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    at = opened("prompts", run=folder.name)
    assert not at.exception
    assert not at.error
    assert len(cards(at)["cards"]) > 2

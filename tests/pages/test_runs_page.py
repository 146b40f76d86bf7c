"""The page of runs, and background work as the pages offer it: the same numbers as the page's own
and the command line's.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from streamlit.testing.v1 import AppTest

from memlib import load_images
from memlib.__main__ import main
from memlib.bundled import DEMO
from memlib.runs import FOLDER, Run, read_run
from pages.session import background
from pages.session.messages import plus_minus
from tests.pages.app import everything, measure_everything, opened, press, visit
from tests.pages.test_pages import ranking


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def runs(**url: str) -> AppTest:
    at = visit("runs", **url)
    at.session_state.run_rows = at.session_state.run_origin = True
    return at.run()


def rows(at: AppTest) -> pd.DataFrame:
    return next(frame.value for frame in at.dataframe if "id" in frame.value)


def test_a_run_is_sorted_filtered_and_paged(tmp_path: Path) -> None:
    at = runs(opened="volume-growth")
    assert not at.exception
    table = pd.DataFrame(
        [
            {"id": image, "value": row["value"]}
            for image, row in read_run(DEMO / "runs" / "volume-growth")[1].items()
        ]
    )
    best = table.sort_values("value", ascending=False, kind="stable")["id"].tolist()
    assert rows(at)["id"].tolist() == best[:48]
    turned = at.session_state["runs opened at"][0]
    at.session_state[turned] = 2
    assert rows(at.run())["id"].tolist() == best[48:96]
    at.button_group(key="runs.order").set_value("Least first").run()
    assert rows(at)["id"].tolist() == best[::-1][:48]
    at.button_group(key="runs.groups").set_value(["copied"]).run()
    assert set(rows(at)["group"]) == {"copied"}
    at.text_input(key="runs.search").set_value("nothing is called so").run()
    assert any("No image passes" in info.value for info in at.info)
    at.text_input(key="runs.search").set_value("").run()
    at.button_group(key="runs.show").set_value("Maps").run()
    assert not at.exception
    at.session_state["runs.groups"] = ["of another run"]
    assert set(rows(at.run())["group"]) == {"copied"}  # what cannot be chosen changes nothing
    at.button_group(key="runs.groups").set_value([]).run()
    assert len(rows(at)) == 48
    at.text_input(key="runs.run_folder").set_value(" ").run()
    assert at.selectbox(key="runs.run").value == "volume-growth"


def test_a_run_of_other_images_is_shown_without_pictures_and_a_bad_folder_is_one_sentence(
    tmp_path: Path, model_and_images: tuple[str, str]
) -> None:
    model, images = model_and_images
    at = runs(model=model, images=images, opened="flipd")
    assert not at.exception
    assert any("are not loaded" in info.value for info in at.info)
    assert len(rows(at)) == 48
    at.text_input(key="runs.run_folder").set_value("/etc").run()
    assert ["outside the folders" in error.value for error in at.error] == [True]
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "manifest.json").write_text(json.dumps({"format": 99}))
    at.text_input(key="runs.run_folder").set_value(str(tmp_path / "bad")).run()
    assert ["Update Afterimage" in error.value for error in at.error] == [True]
    at.text_input(key="runs.run_folder").set_value("").run()
    assert not at.error


def test_a_run_of_a_model_on_the_hub_asks_before_anything_is_downloaded(
    tmp_path: Path, model_and_images: tuple[str, str]
) -> None:
    """A manifest can name any model; opening its run downloads nothing by itself."""
    model, images = model_and_images
    shutil.copytree(DEMO / "runs" / "flipd", tmp_path / "named")
    manifest = tmp_path / "named" / "manifest.json"
    named = {"model": "someone/model", "images": "demo"}
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "sources": named}))
    at = runs(model=model, images=images, run_folder=str(tmp_path / "named"))
    next(one for one in at.button if one.label == "Open its model and images").click().run()
    assert not at.exception
    assert any(one.label == "Download and open" for one in at.button)
    assert any("someone/model" in info.value.replace("\\", "") for info in at.info)


def test_a_folder_that_is_removed_while_it_is_looked_at_is_one_sentence(tmp_path: Path) -> None:
    shutil.copytree(DEMO / "runs" / "flipd", tmp_path / "gone")
    at = runs(run_folder=str(tmp_path / "gone"))
    assert len(rows(at)) == 48
    shutil.rmtree(tmp_path / "gone")
    at.button_group(key="runs.order").set_value("Least first").run()
    assert not at.exception
    assert ["gone" in error.value for error in at.error] == [True]


def test_page_command_and_background_give_the_same_numbers(
    model_and_images: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, images = model_and_images
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        at = opened("volume_growth", model=model, images=images)
        measure_everything(at)
        page = ranking(at).set_index("id")["value"]

        begun: list[list[str]] = []
        monkeypatch.setattr(
            background, "start", lambda arguments, *_, **__: begun.append(list(arguments))
        )
        other = opened("volume_growth", model=model, images=images)
        everything(other)
        press(other, "Run in background")
        assert not other.exception
        (arguments,) = begun
        assert main(arguments) == 0
        (folder,) = [file.parent for file in FOLDER.glob("*/manifest.json")]
        behind = {image: row["value"] for image, row in read_run(folder)[1].items()}
        other.run()
        assert (
            ranking(other).set_index("id")["value"].to_dict() == behind
        )  # what ran in the background is on the page

        parameters = [
            f"--set={name}={json.dumps(value)}" for name, value in Run(folder).parameters.items()
        ]
        assert (
            main(
                [
                    "measure",
                    "--model",
                    model,
                    "--images",
                    images,
                    "--device",
                    "cpu",
                    *parameters,
                    "--output",
                    "command",
                ]
            )
            == 0
        )
        command = {image: row["value"] for image, row in read_run(Path("command"))[1].items()}
    finally:
        torch.set_num_threads(before)
    assert list(command) == load_images(images).ids
    assert command == behind == page.to_dict()  # to the bit: the same chunks and threads


def test_an_unfinished_run_offers_to_go_on(
    model_and_images: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, images = model_and_images

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("memlib.commands.progress.Report.progress", stop)
    assert main(["measure", "--model", model, "--images", images, "--device", "cpu"]) == 130
    at = runs(model=model, images=images)
    assert any("No image is measured yet" in info.value for info in at.info)
    assert any(button.label == "Continue in the background" for button in at.button)
    assert Run(next(FOLDER.iterdir())).done == 0


def test_numbers_of_a_p_laplace_run_have_their_own_error_and_direction() -> None:
    at = runs(opened="p-laplace-0.5")
    at.selectbox(key="runs.sort").set_value("K_3").run()
    assert not at.exception
    best = rows(at).iloc[0]
    assert {metric.label: metric.value for metric in at.metric}["Standard error"] == plus_minus(
        best["stderr_3"]
    )
    order = rows(at)["id"].tolist()
    at.selectbox(key="runs.sort").set_value("flux_3").run()  # -K_3 times a constant
    assert rows(at)["id"].tolist() == order
    assert "Standard error" not in {metric.label for metric in at.metric}

"""Around every page: nothing but a sentence reaches the visitor, nothing is fetched from afar,
nothing is left behind.
"""

import ast
import csv
import io
import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from memlib import spreadsheet
from pages.session import address, background, workspace
from pages.session.messages import number, plain, plus_minus

ROOT = Path(__file__).parents[2]
HIGHER = {  # what a folder of pages may import, beside memlib, the session and itself
    "session": set(),
    "figures": {"session"},
    "widgets": {"session", "figures"},
    "ranking": {"session", "figures", "widgets"},
    "survey": {"session"},
}


def opened(page: str, **url: str) -> AppTest:
    """A page opened by its address."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    for name, value in url.items():
        at.query_params[name] = value
    return at.switch_page(f"pages/{page}/page.py").run()


@pytest.mark.parametrize("error", [RuntimeError("secret detail"), KeyError("secret detail")])
def test_an_exception_that_is_left_becomes_one_sentence_and_a_line_of_the_log(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(workspace, "show_problem", fail)
    with caplog.at_level(logging.ERROR, "afterimage"):
        at = opened("workspace", model="none")
    assert not at.exception
    assert [type(error).__name__ in one.value for one in at.error] == [True]
    assert "secret" not in at.error[0].value
    assert "\n" not in at.error[0].value
    assert any(line.name == "afterimage" and line.exc_info for line in caplog.records)


def test_stopping_and_running_again_are_no_errors() -> None:
    at = opened("volume_growth", model="none")  # ends in st.stop
    assert not at.exception
    assert not at.error
    assert any("No model is loaded" in info.value for info in at.info)


def test_pictures_deleted_under_an_open_page_end_in_a_sentence(
    model_and_images: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    at = opened("workspace", model=model_and_images[0], images=str(folder))
    assert not at.error
    shutil.rmtree(folder)
    at.run()
    assert not at.exception
    assert all("\n" not in error.value for error in at.error)


@pytest.mark.parametrize("name", ["size", "channels", "label"])
@pytest.mark.parametrize("digits", ["9" * 5000, "٣", "1e9", "-1"])
def test_numbers_of_an_address_are_bounded(
    name: str, digits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address.st, "query_params", {name: digits})
    assert getattr(address.sources_of_url(), name) is None


def test_what_is_refused_in_the_background_leaves_no_run_folder(
    model_and_images: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, images = model_and_images
    at = opened("volume_growth", model=model, images=images)
    monkeypatch.setattr(background, "FOLDER", tmp_path / "runs")

    def refused(*_: object, **__: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(background, "start", refused)
    next(one for one in at.button if one.label == "Run in background").click().run()
    assert not at.exception
    assert any("no more processes" in error.value for error in at.sidebar.error)
    assert list((tmp_path / "runs").glob("*")) == []


def test_the_icon_of_the_app_is_its_own() -> None:
    """Streamlit bundles the icons of its widgets, but a browser tab's it has fetched from afar."""
    tree = ast.parse((ROOT / "app.py").read_text())
    given = [
        ast.unparse(word.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg == "page_icon"
    ]
    assert given == ["ICON"]
    assert (ROOT / "assets" / "icon.svg").stat().st_size < 2000


def test_imports_between_the_folders_of_pages_run_downward() -> None:
    for file in sorted((ROOT / "pages").glob("*/*.py")):
        folder = file.parent.name
        allowed = HIGHER.get(folder, {"session", "figures", "widgets", "ranking", "survey"}) | {
            folder
        }
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pages."):
                used = str(node.module).split(".")[1]
                assert used in allowed, f"{file.relative_to(ROOT)} imports pages.{used}"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "fine\r="])
def test_no_cell_of_a_table_is_run_by_a_spreadsheet(start: str) -> None:
    bad = f"{start}cmd|' /C calc'!A0"
    written = spreadsheet.csv(pd.DataFrame({bad: [bad, "fine"], "value": [-1.5, 2.0]}))
    cells = [cell for line in csv.reader(io.StringIO(written.decode())) for cell in line]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "-c"))]
    assert b"\r" not in written
    assert pd.read_csv(io.BytesIO(written))["value"].tolist() == [-1.5, 2.0]


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("![x](http://example.org/a.png)", r"(?<!\\)[!\[(]|http:/"),
        ("www.example.org", r"www\."),
        ("http://example.org", r"http\\?:/"),
        ("someone@example.org", r"@example"),
        (":material/home: :red[x] :smile:", r":material|:red|:smile"),
        ("- a\n- b", r"\n|^-"),
        ("1. a", r"^1\."),
        ("<b>a</b> $x$ `code` **b**", r"(?<!\\)[<$`*]"),
    ],
)
def test_a_name_from_outside_is_drawn_as_it_is_written(name: str, never: str) -> None:
    drawn = plain(name)
    assert not re.search(never, drawn)
    shown = re.sub(r"\\(.)", r"\1", drawn.replace("\u2060", ""))
    assert shown == " ".join(name.split())


@pytest.mark.parametrize(
    ("value", "text"),
    [(5.2e-05, "0.000052"), (0.0014391, "0.001439"), (24207.4, "24,207"), (1e-9, "1e-09")],
)
def test_numbers_are_written_without_an_exponent_where_that_is_readable(
    value: float, text: str
) -> None:
    assert number(value) == text
    assert plus_minus(float("nan")) == ""
    assert plus_minus(5.249e-05) == "± 0.000052"

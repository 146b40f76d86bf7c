"""The guides: the code of the docs runs, their links lead somewhere, and CONTRIBUTING's additions
need no more than it says.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

ROOT = Path(__file__).parents[1]
NODE = str(compute_driver_executable()[0])
BLOCK = re.compile(r"^```(?:python|js|css)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PLACE = re.compile(r"(?:#|//|/\*) (\S+)")  # the first line of a block names its file
# the bundled demo in place of what is downloaded, and fewer images, so that it takes seconds
SMALLER = {
    "google/ddpm-cifar10-32": "demo",
    "uoft-cs/cifar10:train": "demo",
    "1024": "8",
    "cohesion=0.95": "cohesion=0.0, clusters=2, updates=2",
    "256": "2",
    "range(16)": "range(4)",
}

ADDED = """
import torch
from streamlit.testing.v1 import AppTest
from memlib import FiniteDataset, load_denoiser, load_images
from memlib.measures import MEASURES
from memlib.runs import Results, measure_one

measure = MEASURES["distance"]
points = torch.tensor([[[[-1.0, 1.0]]], [[[1.0, -1.0]]]])
assert measure.function(FiniteDataset(points), points, 0.1).value.tolist() == [0, 0]
model, images = load_denoiser("demo", "cpu"), load_images("demo")
row = measure_one(model, images[0], images.ids[0], measure.name, measure.defaults(model), Results())
assert row["value"] > 0
for page, said in (("methods", measure.title), ("example", "1,164 images")):
    at = AppTest.from_file("app.py", default_timeout=300).switch_page(f"pages/{page}/page.py").run()
    assert not at.exception, at.exception
    assert any(said in part.value for part in (*at.subheader, *at.text)), page
"""

DRAWN = '''
from streamlit.testing.v1 import AppTest
from pages.widgets.component import script

page = """
from pages.widgets.bars import bars
bars({"one": 1, "two": 2}, "two", key="bars", on_select=print)
"""
at = AppTest.from_string(page, default_timeout=60).run()
assert not at.exception, at.exception
assert "export default bars_js" in script("bars")
'''

LOADED = """
import struct
import numpy as np
import pytest
from memlib import load_images
from memlib.images import to_pixels
from memlib.denoisers.schedules import read_schedule

pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5), np.uint8)
good = struct.pack(">4I", 0x803, *pixels.shape) + pixels.tobytes()
place = "train-images-idx3-ubyte"
open(place, "wb").write(good)
images = load_images(place)
assert images.names == [f"{place}[{n}]" for n in range(3)] and images.shape == (1, 4, 5)
assert np.array_equal(to_pixels(images.batch([2]))[0, ..., 0], pixels[2])
huge = struct.pack(">4I", 0x803, 1, 2**16, 2**15)
empty = struct.pack(">4I", 0x803, 2**31, 0, 0) + b"x"
wrong = (b"", good[:-1], good + b"x", b"\\0" * 100, huge, empty)
for damaged in wrong:
    open(place, "wb").write(damaged)
    with pytest.raises(ValueError, match="damaged|too large") as caught:
        load_images(place)
    assert str(caught.value).count(". ") == 0
schedule = read_schedule({"_class_name": "SASolverScheduler"})
assert schedule.family == "variance preserving"
"""


def blocks(name: str) -> list[str]:
    return BLOCK.findall((ROOT / name).read_text())


def guide(title: str) -> dict[str, str]:
    """The files that a section of CONTRIBUTING adds, by their place."""
    section = (ROOT / "CONTRIBUTING.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    found = BLOCK.findall(section)
    assert found
    return {PLACE.match(block)[1]: block for block in found}  # type: ignore[index]


def copy_of_the_repository(folder: Path, *additions: str) -> None:
    """Copy what the additions need, and write them as a reader of the guides would."""
    for name in ("memlib", "pages", "tests/widgets"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("app.py", "pyproject.toml", "deno.json", "tests/test_structure.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "assets").symlink_to(ROOT / "assets")
    for title in additions:
        for place, text in guide(title).items():
            (folder / place).parent.mkdir(exist_ok=True)
            assert not (folder / place).exists()
            (folder / place).write_text(text)


def add_line(file: Path, after: str, line: str) -> None:
    before = file.read_text()
    assert before.count(after) == 1, (file, after)
    file.write_text(before.replace(after, after + line))
    assert len(set(file.read_text().splitlines()) ^ set(before.splitlines())) == 1


def passes(folder: Path, *command: str) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def keeps_the_house_in_order(folder: Path, *places: str) -> None:
    """Lint and format of the additions, and the rules of tests/test_structure.py."""
    tool = Path(sys.executable).with_name
    python = [place for place in places if place.endswith(".py")]
    script = [place for place in places if place.endswith((".js", ".css"))]
    passes(folder, str(tool("ruff")), "check", "--no-cache", *python)
    passes(folder, str(tool("ruff")), "format", "--no-cache", "--check", *python)
    if script:
        passes(folder, str(tool("deno")), "fmt", "--check", *script)
        passes(folder, str(tool("deno")), "lint", *(name for name in script if name[-1] == "s"))
    passes(
        folder,
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_structure.py",
    )


def test_no_link_of_the_docs_is_dead() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    links = [(page, link) for page in pages for link in LINK.findall(page.read_text())]
    assert len(links) > 10
    assert not [
        f"{page.name}: {link}"
        for page, link in links
        if ":" not in link and not (page.parent / link.partition("#")[0]).exists()
    ]
    reached = {(page.parent / link).resolve() for page, link in links if page.name == "README.md"}
    assert set((ROOT / "docs").glob("*.md")) <= reached


def test_python_in_the_docs_is_tried() -> None:
    assert {page.name for page in (ROOT / "docs").glob("*.md") if blocks(f"docs/{page.name}")} == {
        "models.md",
        "library.md",
    }


@pytest.mark.slow
@pytest.mark.parametrize("page", ["docs/models.md", "docs/library.md"])
def test_the_code_of_the_docs_runs_from_top_to_bottom(page: str) -> None:
    names: dict[str, object] = {}
    found = blocks(page)
    assert found
    for block in found:
        for large, small in SMALLER.items():
            block = block.replace(large, small)
        exec(compile(block, page, "exec"), names)


@pytest.mark.slow
def test_a_measure_is_one_file_and_one_line_and_a_page_a_folder_and_its_entry(
    tmp_path: Path,
) -> None:
    titles = ("How to add a measure", "How to add a page")
    copy_of_the_repository(tmp_path, *titles)
    table = tmp_path / "memlib" / "measures" / "registry.py"
    add_line(table, "MODULES = (\n", '    "distance",\n')
    entry = '            page("example", "Example", "star", "How many images there are."),\n'
    add_line(tmp_path / "app.py", '"Data": [\n', entry)
    shutil.copy(tmp_path / "pages" / "0_runs.py", tmp_path / "pages" / "0_example.py")
    # AppTest guesses a page's address from its file name; see tests/pages/conftest.py
    (tmp_path / "added.py").write_text(
        "from pathlib import Path\nfrom streamlit.testing.v1 import AppTest\n"
        "from streamlit.util import calc_hash\n"
        "AppTest._resolve_page_hash = lambda _, page: calc_hash(Path(page).parent.name)\n" + ADDED
    )
    passes(tmp_path, sys.executable, "added.py")
    (tmp_path / "added.py").unlink()
    keeps_the_house_in_order(tmp_path, *(place for title in titles for place in guide(title)))


@pytest.mark.slow
def test_a_widget_is_three_files_and_a_test(tmp_path: Path) -> None:
    title = "How to add a widget"
    copy_of_the_repository(tmp_path, title)
    assert {Path(place).suffix for place in guide(title)} == {".py", ".js", ".css"}
    passes(tmp_path, NODE, "--test", "tests/widgets/bars.test.js")
    passes(tmp_path, sys.executable, "-c", DRAWN)
    keeps_the_house_in_order(tmp_path, *guide(title))


@pytest.mark.slow
def test_a_loader_of_pictures_is_one_file_and_one_line_and_a_scheduler_one_word(
    tmp_path: Path,
) -> None:
    title = "How to add a loader"
    copy_of_the_repository(tmp_path, title)
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert '`("-ubyte",): Idx,`' in text
    assert '`"SASolverScheduler",`' in text
    opening = tmp_path / "memlib" / "images" / "opening.py"
    add_line(opening, "] = {\n", '    ("-ubyte",): Idx,\n')
    imported = "from memlib.images.files import Archive, Folder\n"
    add_line(opening, imported, "from memlib.images.idx import Idx\n")
    schedules = tmp_path / "memlib" / "denoisers" / "schedules.py"
    add_line(schedules, "PRESERVING = (\n", '    "SASolverScheduler",\n')
    passes(tmp_path, sys.executable, "-c", LOADED)
    keeps_the_house_in_order(tmp_path, *guide(title))

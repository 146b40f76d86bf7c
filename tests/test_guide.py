"""What the guides say works: the README's code runs, and CONTRIBUTING's additions need no more than
it says.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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


def blocks(name: str) -> list[str]:
    return BLOCK.findall((ROOT / name).read_text())


@pytest.mark.slow
def test_the_readmes_code_runs_from_top_to_bottom() -> None:
    names: dict[str, object] = {}
    found = blocks("README.md")
    assert found
    for block in found:
        for large, small in SMALLER.items():
            block = block.replace(large, small)
        exec(compile(block, "README.md", "exec"), names)


@pytest.mark.slow
def test_a_measure_is_one_file_and_one_line_and_a_page_a_folder_and_its_entry(
    tmp_path: Path,
) -> None:
    measure, page = blocks("CONTRIBUTING.md")
    for name in ("memlib", "pages"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    place = re.match(r"# (\S+)\n", measure)
    assert place is not None
    (tmp_path / place[1]).write_text(measure)
    table = tmp_path / "memlib" / "measures" / "registry.py"
    before = table.read_text()
    table.write_text(before.replace("MODULES = (\n", 'MODULES = (\n    "distance",\n'))
    changed = set(table.read_text().splitlines()) ^ set(before.splitlines())
    assert len(changed) == 1
    (tmp_path / "pages" / "example").mkdir()
    (tmp_path / "pages" / "example" / "page.py").write_text(page)
    entry = (ROOT / "app.py").read_text()
    added = (
        '"Data": [\n            page("example", "Example", "star", "How many images there are."),'
    )
    changed_entry = entry.replace('"Data": [', added, 1)
    assert changed_entry != entry
    (tmp_path / "app.py").write_text(changed_entry)
    # AppTest guesses a page's address from its file name; see tests/pages/conftest.py
    (tmp_path / "added.py").write_text(
        "from pathlib import Path\nfrom streamlit.testing.v1 import AppTest\n"
        "from streamlit.util import calc_hash\n"
        "AppTest._resolve_page_hash = lambda _, page: calc_hash(Path(page).parent.name)\n" + ADDED
    )
    done = subprocess.run(
        [sys.executable, "added.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr

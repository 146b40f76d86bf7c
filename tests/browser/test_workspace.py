"""The workspace in a real Chromium: reading a large set shows progress, can be stopped and goes on;
hostile names stay text.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import diffusers
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.server import PATIENCE, ROOT, served
from tests.conftest import tiny_unet

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOSTILE = "<img src=x onerror=alert(1)> ![x](https:example.org) **b** $x$"
COUNT = 50_000  # some seconds to read: time to stop it


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder the server may read, with a tiny model and a large set of tiny pictures."""
    folder = tmp_path_factory.mktemp("own")
    tiny_unet().save_pretrained(folder / "model" / "unet")
    diffusers.DDPMScheduler().save_pretrained(folder / "model" / "scheduler")
    draw = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "large.zip", "w") as archive:
        for index in range(COUNT):
            stream = io.BytesIO()
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(stream, "PPM")
            archive.writestr(f"{index:05}.ppm", stream.getvalue())
        archive.writestr(f"{HOSTILE}.png", b"no picture")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AFTERIMAGE_ROOTS", str(folder))
        patched.setenv("AFTERIMAGE_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    """The app, started where the folder is allowed."""
    with served(ROOT / "app.py") as found:
        yield found


def test_reading_a_large_set_is_stopped_and_goes_on_where_it_was(
    page: Page, address: str, place: Path
) -> None:
    link = f"{address}/workspace?model={place}/model&images={place}/large.zip"
    page.goto(link)
    expect(page.get_by_text("pictures read")).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("Opening this link was stopped")).to_be_visible()
    expect(page.get_by_label("Model", exact=True)).to_have_value(f"{place}/model")
    assert len(list((place / "cache").glob("index-*.parquet"))) == 1
    page.goto(link)
    expect(page.get_by_text(f"{COUNT:,} images, 8 x 8")).to_be_visible(timeout=4 * PATIENCE)
    dialogs: list[object] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    page.get_by_text("1 files were left out").click()
    expect(page.get_by_role("heading", name="Model", exact=True)).to_be_visible()
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("img[src*='example.org']").count() == 0
    assert not dialogs


def test_a_link_to_the_hub_asks_before_it_downloads(page: Page, address: str) -> None:
    page.goto(f"{address}/?model=someone/model-that-is-not-there")
    expect(page.get_by_text("Nothing is downloaded before you agree")).to_be_visible()
    expect(page.get_by_role("button", name="Download and open")).to_be_visible()
    page.goto(f"{address}/workspace?model=someone/model-that-is-not-there")
    expect(page.get_by_label("Model", exact=True)).to_have_value("someone/model-that-is-not-there")

"""Fixtures of the page tests: pages open by their addresses; an own model and images."""

import hashlib
from pathlib import Path

import diffusers
import numpy as np
import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from pages.widgets import waiting
from tests.conftest import tiny_unet
from tests.pages.app import DEFAULT, FETCHED


@pytest.fixture(autouse=True)
def pages_through_the_entry_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest guesses a page's address from its file name before the first run; here it is the
    name of the page's folder, and app.py always runs first.
    """

    def address(_: AppTest, page: str) -> str:
        name = Path(page).parent.name
        return str(calc_hash("" if name == DEFAULT else name))

    create = PagesManager.__init__

    def of_navigation(self: PagesManager, *arguments: object, **options: object) -> None:
        create(self, *arguments, **options)  # type: ignore[arg-type]
        PagesManager.uses_pages_directory = False  # which AppTest forgets before each run

    monkeypatch.setattr(AppTest, "_resolve_page_hash", address)
    monkeypatch.setattr(PagesManager, "__init__", of_navigation)


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest forgets what a page serves when its run ends."""

    def keep(data: bytes, kind: str, key: str) -> str:
        address = f"{key}/{hashlib.sha256(data).hexdigest()}"
        FETCHED[address] = data
        return address

    monkeypatch.setattr("pages.widgets.explorer.by_address", keep)


@pytest.fixture(autouse=True)
def everything_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest has no screen, so nothing would come into sight."""
    monkeypatch.setattr(waiting, "AT_ONCE", True)


@pytest.fixture
def model_and_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A tiny untrained model and twenty pictures of its size, in a folder the app may read."""
    tiny_unet().save_pretrained(tmp_path / "model" / "unet")
    diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2").save_pretrained(
        tmp_path / "model" / "scheduler"
    )
    np.save(
        tmp_path / "images.npy",
        np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8),
    )
    monkeypatch.setenv("AFTERIMAGE_ROOTS", str(tmp_path))
    return str(tmp_path / "model"), str(tmp_path / "images.npy")

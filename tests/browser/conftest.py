"""Fixtures of the browser tests: one Chromium and one server of the app for all of them; a test
module whose server needs a folder or settings of its own has an `address` of its own.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from tests.browser.server import PATIENCE, ROOT, served


@pytest.fixture(scope="package")
def address() -> Iterator[str]:
    """The app in the repository, with the bundled demo."""
    with served(ROOT / "app.py") as found:
        yield found


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    """The Chromium of the system, or else Playwright's own."""
    found = next(
        (
            path
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (path := shutil.which(name))
        ),
        None,
    )
    flags = ["--disable-gpu", "--disable-background-networking"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    chromium = playwright.chromium.launch(executable_path=found, args=flags)
    yield chromium
    chromium.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright, launched(playwright) as chromium:
        yield chromium


@pytest.fixture(scope="package")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """One window for all tests: a tab then loads Streamlit's scripts from the browser's cache."""
    context = browser.new_context(viewport={"width": 1440, "height": 1200})
    yield context
    context.close()


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    """A tab in which no script may fail; nothing but scripts is kept from the tab before."""
    tab = window.new_page()
    tab.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    yield tab
    if tab.url.startswith("http"):
        tab.evaluate("localStorage.clear()")
    tab.close()
    window.clear_cookies()
    assert not errors

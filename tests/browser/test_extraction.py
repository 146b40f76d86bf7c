"""The extraction page in a real browser: pairs are walked, by click and by keyboard."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_app import ROOT, browser, page, served

__all__ = ["browser", "page"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    with served(ROOT / "app.py", place) as found:
        yield found


def test_a_chosen_pair_is_shown_with_its_numbers_and_its_path_and_stands_in_the_address(page: Page, address: str) -> None:
    page.goto(f"{address}/extraction?run=side")
    expect(page.get_by_text("In each card: generated")).to_be_visible()
    expect(page.get_by_text("Training images still in question")).to_be_visible()
    card = page.get_by_role("option").nth(5)
    number = card.inner_text().split(".")[0].strip()
    card.click()
    expect(page.get_by_text(f"Generated image {number} and")).to_be_visible()
    assert f"generation={number}" in page.url
    page.keyboard.press("ArrowRight")
    following = page.get_by_role("option").nth(6).inner_text().split(".")[0].strip()
    expect(page.get_by_text(f"Generated image {following} and")).to_be_visible()
    page.reload()
    expect(page.get_by_text(f"Generated image {following} and")).to_be_visible()

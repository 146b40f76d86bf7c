"""The extraction page in a real browser: pairs are walked, an attack is stopped and goes on where it stopped."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from memlib.extraction import read_generations
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


def test_a_stopped_attack_keeps_what_was_drawn_and_goes_on_from_there(page: Page, address: str, place: Path) -> None:
    page.goto(f"{address}/extraction?run=unconditional")
    expect(page.get_by_text("Training images still in question")).to_be_visible()
    page.get_by_text("New attack").click()
    page.get_by_role("radio", name="Unconditional").click()
    seed = page.get_by_label("Seed", exact=True)
    seed.fill("5")
    seed.press("Enter")
    steps = page.get_by_label("Steps", exact=True)
    steps.fill("20")
    steps.press("Enter")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text(re.compile(r"Drawing images, [3-7]\d%"))).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    (run,) = (place / ".afterimage" / "extraction").iterdir()
    kept = read_generations(run)
    assert 64 <= len(kept) < 256
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("Unconditional, 20 steps, seed 5").first).to_be_visible()
    assert len(read_generations(run)) == 256
    assert read_generations(run).images.ids[: len(kept)] == kept.images.ids

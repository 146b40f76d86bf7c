"""The whole way with the bundled text model in a real browser: from prompts to their table and its
export; and the page by keyboard, and on a narrow screen.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import PATIENCE, ROOT, served

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory, in which runs are stored."""
    return tmp_path_factory.mktemp("prompts")


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    with served(ROOT / "app.py", place, OMP_NUM_THREADS="1") as found:
        yield found


def test_from_prompts_to_the_table_and_its_export(page: Page, address: str) -> None:
    page.goto(f"{address}/prompts")
    cards = page.locator(".pairs [role=option]")
    expect(cards.first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("115 of 115 prompts")).to_be_visible()
    cards.first.focus()
    page.keyboard.press("ArrowDown")  # the next prompt, by keyboard
    heading = page.locator("h4")
    expect(heading).to_have_text(cards.nth(1).locator(".caption").first.inner_text())

    page.get_by_text("New run", exact=True).click()
    page.get_by_label("Prompts, one a line").fill("black cat, animal mammal\nballoon, event")
    for label in ("Seeds", "Steps"):
        page.get_by_label(label, exact=True).fill("2")
        page.get_by_label(label, exact=True).press("Enter")
    expect(page.get_by_text("typed prompts: 2 prompts.")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("Each finished prompt is kept if you stop")).to_be_visible()
    page.get_by_role("button", name="Start in the background").click()
    expect(page.get_by_text("Finished after")).to_be_visible(timeout=3 * PATIENCE)
    expect(page.get_by_text("2 of 2 prompts")).to_be_visible(timeout=PATIENCE)
    expect(cards).to_have_count(2)

    waiting = page.locator(".waiting").filter(has_text="Table")
    waiting.evaluate("one => one.scrollIntoView()")
    button = page.get_by_test_id("stDownloadButton").filter(has_text="CSV").get_by_role("button")
    expect(button).to_be_visible(timeout=PATIENCE)
    with page.expect_download() as download:
        button.click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert {row["prompt"] for row in rows} == {"black cat, animal mammal", "balloon, event"}
    assert all(float(row["prediction_difference"]) > 0 for row in rows)
    assert all(row["run_measure"] == "prompts" for row in rows)


def test_nothing_is_wider_than_a_telephone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/prompts")
    cards = page.locator(".pairs [role=option]")
    expect(cards.first).to_be_visible(timeout=PATIENCE)
    box = cards.first.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("one => one.scrollWidth <= one.clientWidth")

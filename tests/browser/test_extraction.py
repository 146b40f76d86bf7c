"""The extraction page in a real browser: pairs are walked, by click and by keyboard; an attack is
stopped and goes on.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import PATIENCE, ROOT, served
from tests.browser.trips import RESTED, scrolled_to

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    with served(ROOT / "app.py", place) as found:
        yield found


def wait_until(holds: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)


def test_a_chosen_pair_is_shown_with_its_numbers_and_its_path_and_stands_in_the_address(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/extraction?run=side")
    expect(page.get_by_text("In each card: generated")).to_be_visible()
    scrolled_to(page, "Its path")
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


def test_an_attack_is_stopped_keeps_its_parts_and_goes_on(
    page: Page, address: str, place: Path
) -> None:
    def parts() -> int:
        return len(list((place / ".afterimage").rglob("part-*.npz")))

    def fill(label: str, value: int) -> None:
        page.get_by_role("spinbutton", name=label, exact=True).fill(str(value))
        page.keyboard.press("Enter")
        page.wait_for_timeout(300)
        page.evaluate(RESTED)  # the page runs again
        expect(page.get_by_role("spinbutton", name=label, exact=True)).to_have_value(str(value))

    page.goto(f"{address}/extraction?run=unconditional")
    expect(page.get_by_text("In each card: generated")).to_be_visible(
        timeout=3 * PATIENCE
    )  # 4,096 pictures are matched
    page.get_by_text("New attack").click()
    page.get_by_role("radio", name="Unconditional").click()
    page.wait_for_timeout(300)
    page.evaluate(RESTED)
    fill("Steps", 10)
    fill("Seed", 5)
    start, stop = (page.get_by_role("button", name=name, exact=True) for name in ("Start", "Stop"))
    start.click()
    wait_until(lambda: parts() >= 1)
    stop.click()
    expect(stop).to_have_count(0)
    kept = parts()
    assert kept < 4
    page.wait_for_timeout(5000)
    assert parts() == kept
    start.click()
    wait_until(lambda: parts() == 4)

"""The tour in a browser: every step is a link that opens in a fresh window, in light and dark, goes
on by keyboard, and shows no picture without a text.
"""

from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, expect

from pages.overview.tour import STEPS
from pages.overview.tour import address as of_step
from tests.browser.server import PATIENCE
from tests.browser.test_accessibility import COLOURS, serious
from tests.browser.trips import at_rest

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NAMELESS = """() => [...document.querySelectorAll("img")]
  .filter((one) => !one.alt && one.getAttribute("aria-hidden") !== "true")
  .map((one) => one.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
def test_every_step_is_a_link_of_a_fresh_browser_by_keyboard_in_light_and_dark(
    browser: Browser, address: str, number: int
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    step = STEPS[number - 1]
    page.goto(f"{address}/{step.page}?{urlencode(of_step(number))}")
    expect(page.get_by_text(f"{number} of {len(STEPS)}: {step.title}.")).to_be_visible()
    at_rest(page)
    assert not page.evaluate(NAMELESS)
    assert not serious(page, runOnly=COLOURS)
    page.emulate_media(color_scheme="light")
    assert not serious(page)
    other = number + 1 if number < len(STEPS) else number - 1
    page.keyboard.press("PageDown" if other > number else "PageUp")
    expect(page.get_by_text(f"{other} of {len(STEPS)}: {STEPS[other - 1].title}.")).to_be_visible()
    context.close()

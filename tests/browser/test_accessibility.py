"""No page has what axe-core calls a serious violation, in light and in dark."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.server import ROOT
from tests.browser.trips import RESTED, STILL

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGES = sorted(page.parent.name for page in (ROOT / "pages").glob("*/page.py"))
SERIOUS = ("serious", "critical")
REPORTED = {"resultTypes": ["violations"]}
COLOURS = ["color-contrast", "link-in-text-block"]
# Streamlit's own: its navigation puts a group's list in no item of the list above it, and a formula
# wider than its column scrolls but takes no focus
OF_STREAMLIT = {"exclude": [["[data-testid=stSidebarNav]"], [".katex-display"]]}


def serious(page: Page, **asked: Any) -> list[str]:
    """The serious violations of what is on the screen: the rule, and where."""
    page.evaluate(RESTED)
    page.evaluate(STILL)
    found: list[dict[str, Any]] = (
        Axe().run(page, OF_STREAMLIT, REPORTED | asked).response["violations"]
    )
    return [
        f"{one['id']}: {node['html']}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_no_page_has_a_serious_violation_in_light_or_dark(
    page: Page, address: str, name: str
) -> None:
    page.goto(f"{address}/{name}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert not serious(page), f"{name}, light"
    page.emulate_media(color_scheme="dark")
    assert not serious(page, runOnly=COLOURS), f"{name}, dark"  # all else is as in light

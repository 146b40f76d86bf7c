"""The evidence page in a real browser: its table and its curves can be read without scrolling."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.server import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def box(part: Locator) -> dict[str, float]:
    found = part.bounding_box()
    assert found is not None
    return {name: float(value) for name, value in found.items()}


def test_the_table_needs_no_sideways_scrolling_and_the_legend_covers_no_curve(
    page: Page, address: str
) -> None:
    """At a window of 1440 pixels."""
    page.goto(f"{address}/evidence")
    heading = page.get_by_role("heading", name="Which measure predicts it")
    expect(heading).to_be_visible(timeout=3 * PATIENCE)  # the areas are computed first
    heading.evaluate("element => element.scrollIntoView()")
    table = page.locator(".st-key-quality .dvn-scroller")
    expect(table).to_be_visible()
    assert table.evaluate("element => element.scrollWidth <= element.clientWidth")
    chart = page.locator(".st-key-roc")
    page.locator(".waiting").filter(has_text="ROC curves").evaluate("one => one.scrollIntoView()")
    expect(chart).to_be_attached()
    chart.scroll_into_view_if_needed()
    legend, curves = chart.locator("g.legend"), chart.locator(".nsewdrag")
    expect(legend).to_be_visible()
    expect(curves).to_be_visible()
    assert box(legend)["y"] >= box(curves)["y"] + box(curves)["height"]

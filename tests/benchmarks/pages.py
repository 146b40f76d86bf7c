"""How long the pages of the app take in Chromium, beside the smallest script on the same machine.

`make bench` prints one table, `python -m tests.benchmarks.pages / /p_laplace` that of some pages.
Every time is a median of TIMES, with the quarter of the times below and above it, and its ratio to
a floor of the same run: for a first view that of a bare script, for what the browser answers a bare
script's round trip, and for what ends when the whole page is at rest a round trip to that end.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import launched
from tests.browser.server import PATIENCE, ROOT, served
from tests.browser.trips import BARE, CLOCK, RESTED, counted, settled

TIMES = int(os.environ.get("TIMES", "20"))
WARM = 5  # the browser compiles what it runs often
PAGES = {
    "/": "Overview",
    "/volume_growth": "Volume growth",
    "/p_laplace": "p-Laplace",
    "/extraction": "Extraction",
    "/audit": "Audit",
    "/evidence": "Evidence",
    "/runs": "Runs",
}
EXPLORERS = ("/volume_growth", "/p_laplace")


@dataclass(frozen=True)
class Line:
    """Milliseconds of one thing a visitor does, and of its floor."""

    page: str
    what: str
    took: Sequence[float]
    floor: float

    def told(self) -> str:
        low, middle, high = np.quantile(self.took, [0.25, 0.5, 0.75])
        return (
            f"| {self.page} | {self.what} | {middle:,.0f} | {low:,.0f} to {high:,.0f} | "
            f"{middle / self.floor:.1f} |"
        )


@dataclass(frozen=True)
class Floors:
    """Milliseconds of the smallest script: all of its first view; from a click to the answer; from
    a click to a page at rest.
    """

    view: Sequence[float]
    trip: Sequence[float]
    rest: Sequence[float]


def first_view(browser: Browser, address: str, seen: str) -> float:
    """Milliseconds from asking for an address to all of the page, for a new visitor."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    started = time.perf_counter()
    page.goto(address)
    page.locator(seen).first.wait_for(timeout=4 * PATIENCE)
    page.evaluate(RESTED)
    took = 1000 * (time.perf_counter() - started)
    page.close()
    return took


def timed(page: Page, act: Callable[[], object]) -> float:
    """Milliseconds from the press to the drawn change, by the page's own clock."""
    before = page.evaluate("window.took.length")
    act()
    page.wait_for_function("count => window.took.length > count", arg=before)
    return float(page.evaluate("window.took[window.took.length - 1]"))


def watch(page: Page, place: str, attribute: str | None = None) -> None:
    """Have the page measure from each press to a change of a place."""
    page.evaluate(CLOCK, [page.locator(place).first.element_handle(), attribute])


def bare(browser: Browser, folder: Path) -> Floors:
    """Measure the smallest script."""
    script = folder / "bare.py"
    script.write_text(BARE)
    with served(script) as address:
        seen = "[data-testid=stText]"
        views = [first_view(browser, address, seen) for _ in range(TIMES + 2)][2:]
        page = counted(browser.new_page())
        page.goto(address)
        expect(page.get_by_text("run 1")).to_be_visible(timeout=PATIENCE)
        go = page.get_by_role("button", name="go")
        watch(page, "[data-testid=stMain]")

        def trip(_: int) -> float:
            page.evaluate(RESTED)
            return timed(page, go.click)

        floors = Floors(views, measured(trip), measured(lambda _: settled(page, go.click)))
        page.close()
    return floors


def measured(act: Callable[[int], float]) -> list[float]:
    return [act(turn) for turn in range(TIMES + WARM)][WARM:]


def in_an_explorer(page: Page, name: str, trip: float, to_rest: float) -> Iterator[Line]:
    """A click, a key, a slider and a filter on a page with an explorer."""
    cards = page.get_by_role("option")
    slider = page.get_by_role("slider", name="Opacity of the map")

    def rest() -> None:
        page.evaluate(RESTED)

    def click(turn: int) -> float:
        rest()
        return timed(page, cards.nth(2 + turn % 8).click)

    def key(turn: int) -> float:
        rest()
        return timed(page, lambda: page.keyboard.press(("ArrowRight", "ArrowLeft")[turn % 2]))

    def slide(turn: int) -> float:
        rest()
        return timed(page, lambda: page.keyboard.press(("ArrowRight", "ArrowLeft")[turn % 2]))

    def choose(turn: int) -> float:
        rest()
        return timed(page, page.get_by_role("button", name="copied", exact=True).click)

    for place in range(12):  # their maps are computed once for all visitors
        cards.nth(place).click()
        expect(page.get_by_role("slider").first).to_be_enabled(timeout=4 * PATIENCE)
    watch(page, ".explorer", "data-shown")
    yield Line(name, "click: picture, map, caption", measured(click), trip)
    yield Line(name, "arrow key", measured(key), trip)
    page.evaluate("window.took = []")
    yield Line(
        name,
        "click: address and panels",
        measured(lambda turn: settled(page, cards.nth(2 + turn % 8).click)),
        to_rest,
    )
    watch(page, ".explorer output >> nth=-1")
    slider.focus()
    yield Line(name, "slider", measured(slide), trip)
    watch(page, ".explorer .cards")
    yield Line(name, "filter", measured(choose), trip)


def switches(page: Page, pages: dict[str, str], floor: float) -> Iterator[Line]:
    """From page to page by the navigation, to the last part."""
    took: dict[str, list[float]] = {name: [] for name in pages.values()}
    for _ in range(TIMES + 1):
        for name, times in took.items():
            page.evaluate(RESTED)
            times.append(settled(page, page.get_by_role("link", name=name, exact=True).click))
    for name, times in took.items():
        yield Line(name, "switch to it", times[1:], floor)


def lines(browser: Browser, folder: Path, pages: dict[str, str]) -> Iterator[Line]:
    """Every line of the table for some pages, title by path."""
    floors = bare(browser, folder)
    view, trip, rest = (
        float(np.median(times)) for times in (floors.view, floors.trip, floors.rest)
    )
    yield Line("bare script", "first view", floors.view, view)
    yield Line("bare script", "round trip", floors.trip, trip)
    yield Line("bare script", "round trip to rest", floors.rest, rest)
    with served(ROOT / "app.py") as address:
        for path, name in pages.items():
            seen = f"h1:has-text('{name}')"
            times = [first_view(browser, address + path, seen) for _ in range(TIMES + 2)][2:]
            yield Line(name, "first view", times, view)
        page = counted(browser.new_page(viewport={"width": 1440, "height": 900}))
        page.set_default_timeout(4 * PATIENCE)
        for path in [one for one in EXPLORERS if one in pages]:
            page.goto(address + path)
            expect(page.get_by_role("option")).to_have_count(48, timeout=4 * PATIENCE)
            yield from in_an_explorer(page, PAGES[path], trip, rest)
        page.goto(f"{address}/volume_growth")
        expect(page.get_by_role("option")).to_have_count(48, timeout=4 * PATIENCE)
        yield from switches(page, pages, rest)
        page.close()


def main(paths: Sequence[str]) -> None:
    """Print the table as it is measured, of the pages at some paths or of all."""
    pages = {path: name for path, name in PAGES.items() if not paths or path in paths}
    print(f"Medians of {TIMES}, on {os.cpu_count()} cores.\n")
    print("| page | what | median, ms | half of the times | of the floor |")
    print("| --- | --- | ---: | ---: | ---: |")
    with (
        sync_playwright() as playwright,
        launched(playwright) as browser,
        tempfile.TemporaryDirectory() as folder,
    ):
        for line in lines(browser, Path(folder), pages):
            print(line.told())
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

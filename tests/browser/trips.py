"""What a click costs in the browser, and in the smallest script."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, expect

from tests.browser.server import PATIENCE, served

BARE = (
    "import streamlit as st\nst.button('go', key='go')\nst.session_state.n = "
    "st.session_state.get('n', 0) + 1\nst.text(f'run {st.session_state.n}')\n"
)

CLOCK = """([root, attribute]) => {
  window.took = []
  let pressed = null
  for (const kind of ["keydown", "click"])
    document.addEventListener(kind, () => { pressed = performance.now() }, true)
  const drawn = () => {
    if (pressed !== null) window.took.push(performance.now() - pressed)
    pressed = null
  }
  const watched = attribute
    ? { attributes: true, attributeFilter: [attribute] }
    : { childList: true, characterData: true, subtree: true }
  new MutationObserver(() => requestAnimationFrame(drawn)).observe(root, watched)
}"""
RESTED = """() => new Promise((done) => {
  let calm = 0
  const look = () => {
    const rest = document.querySelector("[data-test-script-state=notRunning]")
    calm = rest ? calm + 1 : 0
    if (calm > 3) done()
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})"""


def quiet(times: Sequence[float]) -> float:
    """The lower quartile: what else the machine does only adds to a time."""
    return float(np.quantile(times, 0.25))


def at_rest(page: Page) -> None:
    """Everything is sent and drawn."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_have_count(1)
    page.evaluate("new Promise(rest => requestIdleCallback(rest))")


def settled(page: Page, act: Callable[[], object]) -> float:
    """Milliseconds from an act to a server that is done and a page that is drawn."""
    page.evaluate("""() => {
      const state = document.querySelector("[data-test-script-state]")
      window.ran = new Promise((done) => {
        new MutationObserver((_, all) => { all.disconnect(); done() })
          .observe(state, { attributes: true, attributeFilter: ["data-test-script-state"] })
      })
    }""")
    started = time.perf_counter()
    act()
    page.evaluate("window.ran")
    page.evaluate(RESTED)
    return 1000 * (time.perf_counter() - started)


def bare_round_trip(browser: Browser, folder: Path) -> float:
    """Milliseconds from a click to the redrawn page of the smallest script, of 20 clicks."""
    (folder / "bare.py").write_text(BARE)
    with served(folder / "bare.py") as bare:
        page = browser.new_page()
        page.goto(bare)
        expect(page.get_by_text("run 1")).to_be_visible(timeout=PATIENCE)
        page.evaluate(CLOCK, [page.locator("[data-testid=stMain]").element_handle(), None])
        for turn in range(2, 32):
            at_rest(page)
            page.get_by_role("button", name="go").click()
            expect(page.get_by_text(f"run {turn}", exact=True)).to_be_visible()
        took = page.evaluate("window.took")
        page.close()
    return quiet(took[10:])  # the browser compiles what it runs often

"""What a click costs in the browser, and in the smallest script."""

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
CALM = 250  # milliseconds without a change, after which a page counts as drawn
WIRE = """
  const wire = window.wire = { sent: 0, received: 0, bytes: 0, at: 0 }
  window.WebSocket = class extends WebSocket {
    constructor(...all) {
      super(...all)
      this.addEventListener("message", ({ data }) => {
        wire.received += 1
        wire.bytes += data.byteLength ?? data.size ?? data.length
        wire.at = performance.now()
      })
    }
    send(data) {
      wire.sent += 1
      super.send(data)
    }
  }
"""
SETTLING = """(calm) => {
  const before = window.wire.received
  let pressed = null
  let last = 0
  const press = () => pressed ??= performance.now()
  for (const kind of ["keydown", "click"]) document.addEventListener(kind, press, true)
  const drawn = () => { last = performance.now() }
  const watching = new MutationObserver(() => requestAnimationFrame(drawn))
  watching.observe(document, {
    attributes: true, childList: true, characterData: true, subtree: true,
  })
  window.settled = new Promise((done) => {
    const look = () => {
      const end = Math.max(last, window.wire.at)
      const rest = document.querySelector("[data-test-script-state=notRunning]")
      const answered = pressed !== null && window.wire.received > before
      if (!rest || !answered || performance.now() < end + calm) return requestAnimationFrame(look)
      watching.disconnect()
      for (const kind of ["keydown", "click"]) document.removeEventListener(kind, press, true)
      done(end - pressed)
    }
    requestAnimationFrame(look)
  })
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

STILL = """() => new Promise((done) => {
  let calm = 0
  const look = () => {
    calm = document.getAnimations().some((one) => one.playState === "running") ? 0 : calm + 1
    if (calm > 6) done()
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})"""  # nothing fades in or out


def quiet(times: Sequence[float]) -> float:
    """The lower quartile: what else the machine does only adds to a time."""
    return float(np.quantile(times, 0.25))


def at_rest(page: Page) -> None:
    """Everything is sent and drawn."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_have_count(1)
    page.evaluate("new Promise(rest => requestIdleCallback(rest))")


def scrolled_to(page: Page, title: str) -> None:
    """Scroll to a part of the page that is drawn once it is in sight, and wait for it."""
    drawn = page.get_by_role("heading", name=title, exact=True)
    place = page.locator(".waiting").filter(has_text=title)
    expect(drawn.or_(place).first).to_be_attached()
    if place.count():
        place.evaluate("one => one.scrollIntoView()")
    expect(drawn).to_be_visible()


def counted(page: Page) -> Page:
    """Count what a page that is opened next sends and receives, as `window.wire`."""
    page.add_init_script(WIRE)
    return page


def settled(page: Page, act: Callable[[], object]) -> float:
    """Milliseconds from the press of an act on a `counted` page to the last change that is drawn:
    the server has answered and is done, and the page has not changed for CALM milliseconds.
    """
    page.evaluate(SETTLING, CALM)
    act()
    return float(page.evaluate("window.settled"))


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

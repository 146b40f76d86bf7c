"""The explorer in a real Chromium: one image at a time is on the screen, whatever is clicked."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.trips import scrolled_to

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# What is on the screen in every frame: the marked card, the name, the rank, and three labels.
SAMPLER = """(root) => {
  window.frames_seen = []
  const look = () => {
    const card = root.querySelector("[aria-selected=true]")
    const [plain, heat, both] = root.querySelectorAll(".pictures canvas[role=img]")
    const told = (one) => one && !one.closest("figure").hidden ? one.getAttribute("aria-label") : ""
    window.frames_seen.push({
      card: card?.getAttribute("aria-label") ?? "",
      name: root.querySelector(".name").textContent,
      rank: root.querySelectorAll("dd")[2].textContent,
      value: root.querySelectorAll("dd")[0].textContent,
      plain: told(plain), heat: told(heat), both: told(both),
      ink: heat && !heat.closest("figure").hidden ? heat.toDataURL() : "",
    })
    requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}"""


@pytest.mark.parametrize("path", ["/volume_growth", "/p_laplace"])
def test_no_two_images_are_ever_on_the_screen_together(page: Page, address: str, path: str) -> None:
    page.goto(address + path)
    cards = page.get_by_role("option")
    expect(cards).to_have_count(48)
    expect(page.get_by_role("slider").first).to_be_enabled()
    page.locator(".explorer").evaluate(SAMPLER)
    for place in (5, 17, 2, 30):
        cards.nth(place).click()
        page.wait_for_timeout(150)
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
        page.wait_for_timeout(400)
    expect(page.get_by_role("slider").first).to_be_enabled()
    frames = page.evaluate("window.frames_seen")
    pictures: dict[str, set[str]] = {}
    for frame in frames:
        rank = frame["rank"].split(" of ")[0]
        assert frame["card"].startswith(f"Rank {rank}: ")
        stem = frame["name"].rsplit("/", 1)[-1].rsplit(".", 1)[0]
        assert f": {stem}, {frame['value']}" in frame["card"]
        assert frame["plain"] == frame["name"]
        assert frame["both"] in ("", f"{frame['name']}, the map laid on it")
        if path == "/volume_growth":
            assert frame["heat"].startswith(f"Growth. {frame['value']} nats")
        pictures.setdefault(frame["ink"], set()).add(frame["name"])
    assert len({frame["name"] for frame in frames}) == 8
    assert all(len(names) == 1 for ink, names in pictures.items() if ink)


def test_a_click_shows_the_new_image_without_a_word_to_the_server(page: Page, address: str) -> None:
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(f"{address}/volume_growth")
    cards = page.get_by_role("option")
    expect(cards).to_have_count(48)
    expect(page.get_by_role("slider").first).to_be_enabled()
    page.wait_for_timeout(1500)
    sent.clear()
    name = page.locator(".explorer").evaluate("""(root) => {
      root.querySelectorAll("[role=option]")[9].click()
      return root.querySelector(".name").textContent + root.querySelectorAll("dd")[2].textContent
    }""")
    assert name.endswith("10 of 1,164")
    page.wait_for_timeout(1000)
    assert len(sent) == 1  # the selection itself, afterwards
    assert "image=" in page.url


def test_a_click_draws_no_figure_of_the_set_again(page: Page, address: str) -> None:
    page.goto(f"{address}/volume_growth")
    cards = page.get_by_role("option")
    expect(cards).to_have_count(48)
    for part in ("Growth against number of copies", "Against simpler numbers", "Table"):
        scrolled_to(page, part)
    expect(page.get_by_role("slider").first).to_be_enabled()
    page.wait_for_timeout(2000)
    page.evaluate("""() => {
      window.redrawn = 0
      for (const chart of document.querySelectorAll("[data-testid=stPlotlyChart]"))
        new MutationObserver((all) => window.redrawn += all.length)
          .observe(chart, { childList: true, subtree: true, attributes: true })
    }""")
    cards.nth(6).click()
    page.wait_for_timeout(2500)
    assert page.evaluate("window.redrawn") == 0

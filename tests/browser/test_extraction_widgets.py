"""The widgets of extraction in a real Chromium: scrubbed without the server, by mouse and by
keyboard, with what they were fed.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect

from tests.browser.server import PATIENCE, served

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SCRIPT = """
import numpy as np
import streamlit as st
from pages.widgets.pairs import Pair, pairs
from pages.widgets.replay import replay
from pages.widgets.trajectory import trajectory
from pages.widgets.wipe import wipe

st.set_page_config(layout="wide")
plain = lambda *colours: np.array(colours, np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
show = st.query_params["show"]
if show == "wipe":
    names = ("Generated", "<b>Nearest</b>")
    wipe(*plain((200, 10, 10), (20, 30, 250)), names, key="w", alt="Sample 3")
if show == "trajectory":
    levels, other = 31, st.toggle("Another sample")
    colour = lambda channel, t: [8 * t if c == channel else 0 for c in range(3)]
    shade = lambda channel: plain(*[colour(channel, t) for t in range(levels)])
    first = np.where(np.arange(levels) < 20, 4, 9)[:, None]
    index = np.concatenate([first, np.tile([1, 2, 3, 5], (levels, 1))], 1)
    weight = np.concatenate([np.linspace(0.2, 1, levels)[:, None], np.zeros((levels, 4))], 1)
    weight[0, 1] = 1e-6
    sigmas, effective = np.geomspace(100, 0.1, levels), np.geomspace(1000, 1, levels)
    trajectory(shade(0), shade(1), sigmas, index, weight, effective,
        {image: plain((image, image, 200))[0] for image in range(10)},
        {image: f"<i>image {image}</i>" for image in range(10)},
        None if other else 20, key="t", alt="Sample 6" if other else "Sample 5")
if show == "pairs":
    if st.button("Ask for card 105"):
        st.query_params["card"] = "105"
    shades = lambda i: tuple(plain((5 * i, 0, 0), (0, 5 * i, 0), (0, 0, 5 * i)))
    words = lambda i: (f"distance {i}", "<b>name</b>")
    rows = [Pair(100 + i, shades(i), words(i), i % 3 == 0) for i in range(48)]
    with st.container(height=400):
        card = st.query_params.get("card")
        take = lambda card: st.query_params.update(card=str(card))
        asked = int(card) if card else None
        pairs(rows, asked, key="p", alt="Generated pictures", on_select=take)
    st.text(f"chosen {asked}")
if show == "replay":
    n = 300
    pictures = plain(*[(i % 256, 100, 0) for i in range(n)])
    found = np.where(np.arange(n) % 5 == 0, np.arange(n) % 20, -1)
    replay(pictures, found, key="r", alt="Unconditional samples")
st.button("Run again")
st.text(f"run {st.session_state.setdefault('runs', 0)}")
st.session_state.runs += 1
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    script = tmp_path_factory.mktemp("widgets") / "script.py"
    script.write_text(SCRIPT)
    with served(script) as found:
        yield found


class Tab:
    """A page, and what it sent to the server."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.frames: list[Any] = []
        page.on(
            "websocket",
            lambda socket: socket.on("framesent", lambda frame: self.frames.append(frame)),
        )

    def open(self, show: str, ready: Locator) -> None:
        self.page.goto(f"{self.address}/?show={show}")
        expect(ready).to_be_visible()
        expect(self.page.get_by_text("run 0")).to_be_visible()
        self.page.wait_for_timeout(1500)  # what a page sends of its own accord when it opens
        self.frames.clear()


@pytest.fixture
def tab(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Tab]:
    page = browser.new_page(
        viewport={"width": 1300, "height": 900}, **getattr(request, "param", {})
    )
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    yield Tab(page, address)
    page.close()
    assert not errors


def pixel(canvas: Locator, x: float = 0.5, y: float = 0.5) -> list[int]:
    """The colour and opacity at a share of a canvas's width and height."""
    script = (
        "(c, [x, y]) => [...c.getContext('2d').getImageData(x * c.width, y * c.height, 1, 1).data]"
    )
    return list(canvas.evaluate(script, [x, y]))


def test_the_wipes_boundary_follows_slider_keys_and_pointer_and_gives_way_to_the_difference(
    tab: Tab,
) -> None:
    page = tab.page
    slider, left = (
        page.get_by_role("slider", name="Boundary between Generated and <b>Nearest</b>"),
        page.get_by_role("img", name="Sample 3, Generated"),
    )
    tab.open("wipe", left)
    clip = "image => getComputedStyle(image).clipPath"
    assert left.evaluate(clip) == "inset(0px 50% 0px 0px)"
    slider.fill("20")
    assert left.evaluate(clip) == "inset(0px 80% 0px 0px)"
    slider.press("ArrowRight")
    assert left.evaluate(clip) == "inset(0px 79% 0px 0px)"
    box = left.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (320, 320)  # eight pixels, forty times
    page.mouse.move(box["x"] + 32, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 240, box["y"] + 100, steps=3)
    page.mouse.up()
    page.mouse.move(box["x"] + 10, box["y"] + 100)
    assert left.evaluate(clip) == "inset(0px 25% 0px 0px)"
    expect(slider).to_have_value("75")
    expect(page.get_by_text("<b>Nearest</b>", exact=True)).to_be_visible()
    page.get_by_label("Difference").check()
    expect(page.get_by_role("img", name="absolute difference")).to_be_visible()
    expect(left).to_be_hidden()
    expect(page.get_by_text("Mean 146.7, largest 240 of 255")).to_be_visible()
    expect(slider).to_be_disabled()
    page.get_by_label("Difference").uncheck()
    expect(left).to_be_visible()
    assert not tab.frames
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("run 1")).to_be_visible()
    expect(slider).to_have_value("75")


def test_the_trajectory_starts_where_it_commits_and_every_part_follows_the_level(tab: Tab) -> None:
    page = tab.page
    slider, noisy, denoised = (
        page.get_by_role("slider", name="Noise level"),
        page.get_by_role("img", name="noisy state"),
        page.get_by_role("img", name="denoised"),
    )
    tab.open("trajectory", noisy)
    expect(page.get_by_text("Commits to one image at σ = 1", exact=True)).to_be_visible()
    expect(slider).to_have_value("20")
    assert (pixel(noisy), pixel(denoised)) == ([160, 0, 0, 255], [0, 160, 0, 255])
    top = page.locator(".top > div")
    expect(top).to_have_count(5)
    expect(top.nth(0)).to_contain_text("<i>image 9</i>")
    assert pixel(top.nth(0).locator("canvas"))[:3] == [9, 9, 200]

    slider.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "σ = 1.26")
    assert (pixel(noisy), pixel(denoised)) == ([152, 0, 0, 255], [0, 152, 0, 255])
    expect(top.nth(0)).to_contain_text("<i>image 4</i>")
    assert pixel(top.nth(0).locator("canvas"))[:3] == [4, 4, 200]
    expect(top.nth(0)).to_contain_text(f"{0.2 + 0.8 * 19 / 30:.3f}")
    bar, track = top.nth(0).locator("i").bounding_box(), top.nth(0).locator(".track").bounding_box()
    assert bar is not None
    assert track is not None
    assert abs(bar["width"] / track["width"] - (0.2 + 0.8 * 19 / 30)) < 0.01

    frames = page.get_by_role("button", name="Go to σ")
    expect(frames).to_have_count(12)
    frames.nth(0).click()
    expect(slider).to_have_value("0")
    expect(frames.nth(0)).to_have_attribute("aria-current", "true")
    expect(frames.nth(11)).to_have_attribute("aria-current", "false")
    assert pixel(frames.nth(11).locator("canvas")) == [0, 240, 0, 255]
    expect(page.get_by_text("Training images still in question: 1,000")).to_be_visible()
    expect(top.nth(1)).to_contain_text("< 0.001")

    chart = page.get_by_role("img", name="Training images still in question")
    dot, mark = (
        chart.locator("circle").bounding_box(),
        chart.locator("[data-part=commit]").bounding_box(),
    )
    assert dot is not None
    assert mark is not None
    page.mouse.click(mark["x"], mark["y"] + 30)
    expect(slider).to_have_value("20")
    moved = chart.locator("circle").bounding_box()
    assert moved is not None
    assert abs(moved["x"] + moved["width"] / 2 - mark["x"]) < 2
    assert moved["y"] > dot["y"]
    assert not tab.frames


def test_the_trajectory_plays_to_its_end_and_keeps_the_level_for_another_sample(tab: Tab) -> None:
    page = tab.page
    slider = page.get_by_role("slider", name="Noise level")
    tab.open("trajectory", page.get_by_role("img", name="noisy state"))
    slider.fill("28")
    page.get_by_role("button", name="Play").click()
    expect(slider).to_have_value("30")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.get_by_role("button", name="Play").click()  # from its end it starts over
    page.get_by_role("button", name="Pause").click()
    assert int(slider.input_value()) < 30
    assert not tab.frames
    slider.fill("7")
    page.get_by_text("Another sample").click()
    expect(page.get_by_text("Never commits to one image")).to_be_visible()
    expect(page.get_by_role("img", name="Sample 6, noisy state")).to_be_visible()
    expect(slider).to_have_value("7")
    expect(page.locator("[data-part=commit]")).to_have_count(0)


def chosen(page: Page, id: int) -> None:
    expect(page.get_by_text(f"chosen {id}", exact=True)).to_be_visible()
    expect(page.locator("[role=option][aria-selected=true]")).to_have_attribute("data-id", str(id))


def test_a_click_selects_a_pair_without_rebuilding_or_scrolling_anything(tab: Tab) -> None:
    page = tab.page
    cards = page.get_by_role("option")
    tab.open("pairs", cards.nth(0))
    expect(cards).to_have_count(48)
    expect(page.get_by_text("chosen None")).to_be_visible()
    cards.nth(40).scroll_into_view_if_needed()
    scroller = (
        "card => { let e = card.getRootNode().host; while (e && !(e.scrollHeight > "
        "e.clientHeight + 50)) e = e.parentElement; return e.scrollTop }"
    )
    before = cards.nth(40).evaluate(scroller)
    assert before > 0
    cards.nth(0).evaluate(
        "card => { card.sameOne = true; const root = card.getRootNode(); "
        "root.changed = 0;"
        " new MutationObserver((all) => { root.changed += all.length }).observe(root, { "
        "childList: true, subtree: true }) }"
    )
    cards.nth(40).click()
    expect(cards.nth(40)).to_have_attribute("aria-selected", "true")
    chosen(page, 140)
    assert "card=140" in page.url
    assert cards.nth(0).evaluate("card => [card.sameOne, card.getRootNode().changed]") == [True, 0]
    assert cards.nth(40).evaluate(scroller) == before
    assert [pixel(cards.nth(40).locator("canvas").nth(place))[:3] for place in range(3)] == [
        [200, 0, 0],
        [0, 200, 0],
        [0, 0, 200],
    ]
    expect(cards.nth(40)).to_contain_text("<b>name</b>")
    expect(cards.nth(39)).to_have_accessible_name("distance 39, <b>name</b>, called a copy")

    page.get_by_role("button", name="Ask for card 105").click()
    chosen(page, 105)
    cards.nth(40).click()  # the card clicked last, once more
    chosen(page, 140)


def test_arrow_keys_select_pairs(tab: Tab) -> None:
    page = tab.page
    cards = page.get_by_role("option")
    tab.open("pairs", cards.nth(0))
    cards.nth(0).click()
    chosen(page, 100)
    for _ in range(12):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(30)
    chosen(page, 112)
    page.keyboard.press("End")
    chosen(page, 147)
    expect(cards.nth(47)).to_be_focused()
    page.keyboard.press("ArrowUp")
    across = cards.nth(0).evaluate(
        "card => getComputedStyle(card.parentElement).gridTemplateColumns.split(' ').length"
    )
    chosen(page, 147 - across)


def test_an_answer_that_comes_late_does_not_take_the_frame_back(tab: Tab) -> None:
    page = tab.page
    holding, held = [False], []

    def pass_on(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        route.on_message(lambda message: server.send(message))
        server.on_message(
            lambda message: held.append((route, message)) if holding[0] else route.send(message)
        )

    page.route_web_socket(re.compile("_stcore/stream"), pass_on)
    cards = page.get_by_role("option")
    tab.open("pairs", cards.nth(0))
    holding[0] = True
    cards.nth(1).click()
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(1500)  # the answer to the first click is on its way
    cards.nth(2).click()
    first = list(held)
    held.clear()
    for route, message in first:
        route.send(message)
    expect(page.get_by_text("chosen 101", exact=True)).to_be_visible()
    expect(cards.nth(2)).to_have_attribute("aria-selected", "true")
    expect(cards.nth(1)).to_have_attribute("aria-selected", "false")
    holding[0] = False
    for route, message in held:
        route.send(message)
    chosen(page, 102)


def test_a_replay_plays_scrubs_counts_and_frames_the_copies(tab: Tab) -> None:
    page = tab.page
    wall, count = page.get_by_role("img", name="Unconditional samples"), page.locator(".count")
    tab.open("replay", wall)
    expect(page.get_by_text("Recorded run")).to_be_visible()
    page.get_by_role("slider", name="Speed").fill("500")
    expect(count).to_have_text(
        "300 drawn, 60 copies of 4 training images"
    )  # it plays of its own accord
    expect(page.get_by_role("button", name="Play")).to_be_visible()

    drawn = page.get_by_role("slider", name="Drawn")
    for at, words in (
        (0, "0 drawn, 0 copies of 0 training images"),
        (1, "1 drawn, 1 copy of 1 training image"),
        (12, "12 drawn, 3 copies of 3 training images"),
    ):
        drawn.fill(str(at))
        expect(count).to_have_text(words)
    drawn.press("ArrowLeft")
    expect(count).to_have_text("11 drawn, 3 copies of 3 training images")
    expect(wall).to_have_accessible_name(
        "Unconditional samples: 11 drawn, 3 copies of 3 training images"
    )
    expect(page.get_by_text("Number 11, copy of training image 10")).to_be_visible()

    room = wall.evaluate(
        "c => { const pitch = 8 * 4 + 5; return [c.width, c.height, c.width / pitch] }"
    )  # 8 pixels, four times
    assert room[2] == int(room[2])

    def place(i: int, inside: int) -> tuple[float, float]:
        across = int(room[2])
        return (37 * (i % across) + inside) / room[0], (37 * (i // across) + inside) / room[1]

    accent = [122, 36, 130, 255]
    assert [pixel(wall, *place(i, 18)) for i in (0, 3, 10)] == [
        [0, 100, 0, 255],
        [3, 100, 0, 255],
        [10, 100, 0, 255],
    ]
    assert [pixel(wall, *place(i, 0)) for i in (0, 3, 10)] == [accent, [0, 0, 0, 0], accent]
    assert pixel(wall, *place(11, 18)) == [0, 0, 0, 0]
    box = wall.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 37 * 5 + 18, box["y"] + 18)
    expect(page.get_by_text("Number 6, copy of training image 5")).to_be_visible()

    page.get_by_role("button", name="Restart").click()
    expect(count).to_have_text(re.compile("^[1-9][0-9]? drawn"))
    page.get_by_role("button", name="Pause").click()
    assert page.locator(".replay *").count() < 60  # a wall is one element
    assert not tab.frames
    stopped = count.text_content()
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("run 1")).to_be_visible()
    assert count.text_content() == stopped


@pytest.mark.parametrize(
    "tab", [{"reduced_motion": "reduce", "color_scheme": "dark"}], indirect=True
)
def test_a_replay_stands_still_at_its_end_for_who_asked_for_less_motion(tab: Tab) -> None:
    wall = tab.page.get_by_role("img", name="Unconditional samples")
    tab.open("replay", wall)
    expect(wall).to_have_accessible_name(
        "Unconditional samples: 300 drawn, 60 copies of 4 training images"
    )
    expect(tab.page.get_by_role("button", name="Play")).to_be_visible()
    assert pixel(wall, 0, 0) == [217, 135, 222, 255]  # the accent of the dark theme
    tab.page.emulate_media(color_scheme="light")
    tab.page.wait_for_timeout(1500)
    assert pixel(wall, 0, 0) == [122, 36, 130, 255]

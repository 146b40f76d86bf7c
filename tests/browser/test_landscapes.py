"""Landscapes in a real Chromium: scrubbing without the server, dragging modes, probing, keyboard,
playing, saving.
"""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.server import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.slow]
QUICK = "model=none&points=4&signs=2"


def open_page(page: Page, address: str, more: str = "") -> Locator:
    """The left plane, once the estimates are there."""
    page.goto(f"{address}/landscapes?{QUICK}{more}")
    expect(page.get_by_role("button", name="Fields as .npz")).to_be_visible(timeout=2 * PATIENCE)
    return page.get_by_role("img", name="Log density. ").first


def picture(canvas: Locator) -> str:
    return str(canvas.evaluate("canvas => canvas.toDataURL()"))


def drag(page: Page, handle: Locator, dx: float, dy: float) -> None:
    box = handle.locator("circle").last.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for share in (0.3, 0.6, 1.0):
        page.mouse.move(x + share * dx, y + share * dy)


def test_sliders_choices_and_the_animation_never_ask_the_server(page: Page, address: str) -> None:
    frames: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(frame)))
    canvas = open_page(page, address, "&at=-2.2,-1.2")
    page.wait_for_timeout(1500)
    frames.clear()
    before = picture(canvas)
    page.get_by_role("slider", name="Noise level σ", exact=True).fill("10")
    expect(page.get_by_role("img", name="σ = 1.6").first).to_be_visible()
    assert picture(canvas) != before
    page.get_by_role("radio", name="p-Laplace", exact=True).check()
    shown = page.get_by_role("img", name="p-Laplace. Exact").first
    before = picture(shown)
    page.get_by_role("slider", name="p", exact=True).fill("3")
    expect(page.get_by_role("img", name="p = 3").first).to_be_visible()
    assert picture(shown) != before
    right = page.get_by_role("img", name=re.compile("p-Laplace. (Estimated|Standard)"))
    before = picture(right)
    page.get_by_role("radio", name="Standard error").check()
    assert picture(right) != before
    page.get_by_role("radio", name="Log growth").check()
    page.get_by_label("Particles and square").check()
    square = page.locator("[data-part=square]").first
    path = square.get_attribute("d")
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(600)
    page.get_by_role("button", name="Pause").click()
    assert square.get_attribute("d") != path
    page.wait_for_timeout(300)
    assert not frames


def test_dragging_a_mode_changes_the_density_the_link_and_the_numbers(
    page: Page, address: str
) -> None:
    canvas = open_page(page, address)
    before = picture(canvas)
    handle = page.get_by_role("button", name="Mode 3 at 0, 2.89").first
    outline = page.locator("[data-part=outline]").nth(2)
    place = outline.get_attribute("cx")
    drag(page, handle, 80, 20)
    assert outline.get_attribute("cx") != place  # while it is held
    assert picture(canvas) == before
    page.mouse.up()
    page.wait_for_url(re.compile("modes="))
    expect(page.get_by_role("button", name=re.compile(r"Mode 3 at [12]\.")).first).to_be_visible()
    for _ in range(100):
        if picture(canvas) != before:
            break
        page.wait_for_timeout(100)
    assert picture(canvas) != before

    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_role("button", name=re.compile(r"Mode 3 at [12]\.")).first).to_be_visible()


def test_widths_are_dragged_and_modes_added_removed_and_moved_by_keyboard(
    page: Page, address: str
) -> None:
    open_page(page, address)
    drag(page, page.get_by_role("button", name="First width of mode 1").first, 40, -40)
    page.mouse.up()
    page.wait_for_url(re.compile("modes="))
    page.get_by_role("button", name="Add a mode at the probe").click()
    page.wait_for_url(re.compile("modes=.*(;|%3B).*(;|%3B).*(;|%3B)"))
    expect(page.get_by_role("button", name="Mode 4 at 0, 0").first).to_be_visible()
    page.get_by_role("button", name="Mode 4 at 0, 0").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Mode 4 at 0.2, 0").first).to_be_visible()
    page.wait_for_url(re.compile(r"0\.2(,|%2C)0(,|%2C)0\.4"))
    page.get_by_role("button", name="Remove the chosen mode").click()
    expect(page.get_by_role("button", name=re.compile("Mode 4"))).to_have_count(0)


def test_a_click_moves_the_probe_and_its_numbers(page: Page, address: str) -> None:
    canvas = open_page(page, address)
    table = page.get_by_role("table", name="Probe")
    expect(table).to_contain_text("At 0, 0")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.25)
    expect(table).to_contain_text("At 3, 3")
    expect(table).to_contain_text("Growth rate d − tr J")
    page.wait_for_url(re.compile("at=3(,|%2C)3"))
    page.get_by_role("button", name="Probe at 3, 3").first.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_url(re.compile(r"at=3(,|%2C)2\.9"))


def test_the_figure_and_the_fields_are_saved(page: Page, address: str, tmp_path: Path) -> None:
    open_page(page, address)
    page.get_by_role("radio", name="p-Laplace", exact=True).check()
    saved = {}
    for name in ("Save as SVG", "Save as PNG", "Fields as .npz"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=name).click()
        saved[name] = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(saved[name])
    svg = saved["Save as SVG"].read_text()
    assert svg.startswith("<svg")
    assert svg.count("data:image/png") == 4
    assert "var(--" not in svg
    with Image.open(io.BytesIO(saved["Save as PNG"].read_bytes())) as image:
        assert image.width == 2 * 2 * (480 + 130)
        assert len(image.convert("RGB").getcolors(2**24)) > 100
    with np.load(saved["Fields as .npz"], allow_pickle=False) as fields:
        assert fields["p_laplacian_disc"].shape == (
            len(fields["p"]),
            len(fields["sigmas"]),
            len(fields["y"]),
            len(fields["x"]),
        )
        assert fields["log_growth"].shape == fields["log_density"].shape
        assert fields["modes"].shape == (3, 6)


def test_training_can_be_stopped_and_keeps_the_network(page: Page, address: str) -> None:
    open_page(page, address, "&view=Learned&samples=8&length=8000")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(re.compile(r"Step \d[\d,]* of 8,000"))).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    told = page.get_by_text(re.compile("Trained on 8 samples for"))
    expect(told).to_be_visible()
    steps = re.search(r"for ([\d,]+) of 8,000", told.text_content() or "")
    assert steps is not None
    assert 0 < int(steps.group(1).replace(",", "")) < 8000
    expect(page.get_by_role("img", name="Score. Learned")).to_be_visible(timeout=2 * PATIENCE)

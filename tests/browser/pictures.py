"""The pictures of the docs, taken from the running demo: `make pictures`."""

import io

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import launched
from tests.browser.server import PATIENCE, ROOT, served

FOLDER = ROOT / "docs" / "pictures"
SIZE = {"width": 1440, "height": 900}
GOBLIN = "67b17b45a52cde3b"  # copied/smiley-japanese_goblin.png, 32 times in the training set
SETTLED = 2000  # milliseconds in which charts finish drawing


def shot(page: Page, name: str) -> None:
    """Take the visible page, in few colours: half the bytes and no visible difference."""
    page.wait_for_timeout(SETTLED)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


def overview(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_text("copies drawn").first.wait_for()
    shot(page, "overview")


def growth(page: Page, address: str) -> None:
    """A map, and a moving picture of it while its slider goes from no noise to the most."""
    page.goto(f"{address}/volume_growth?image={GOBLIN}")
    page.get_by_role("slider").first.wait_for()
    shot(page, "growth")
    slider = page.get_by_role("slider").first
    slider.focus()
    page.keyboard.press("Home")
    frames = []
    for _ in range(int(slider.get_attribute("max") or 12) + 1):
        page.wait_for_timeout(100)
        picture = Image.open(io.BytesIO(page.locator(".explorer .side").screenshot()))
        frames.append(picture.convert("RGB").quantize(128, dither=Image.Dither.NONE))
        page.keyboard.press("ArrowRight")
    first, *rest = frames
    pauses = [250] * len(rest) + [1500]
    first.save(FOLDER / "growth.gif", save_all=True, append_images=rest, duration=pauses, loop=0)


def landscape(page: Page, address: str) -> None:
    page.goto(f"{address}/landscapes")
    page.get_by_text("Fields as .npz").wait_for()
    shot(page, "landscapes")


def main() -> None:
    """Take all pictures."""
    FOLDER.mkdir(exist_ok=True)
    app = served(ROOT / "app.py")
    with app as address, sync_playwright() as playwright, launched(playwright) as chromium:
        page = chromium.new_page(viewport=SIZE, color_scheme="light")
        page.set_default_timeout(2 * PATIENCE)
        for take in (overview, growth, landscape):
            take(page, address)
    for file in sorted(FOLDER.iterdir()):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    main()

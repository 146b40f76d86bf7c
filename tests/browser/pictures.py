"""The pictures of the docs, taken from the running demo: `make pictures`."""

import io

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import launched
from tests.browser.server import PATIENCE, ROOT, served

FOLDER = ROOT / "docs" / "pictures"
SIZE = {"width": 1440, "height": 900}
IMAGES, PAUSE = 12, 900  # of the moving picture; milliseconds
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
    """The page of volume growth, and a moving picture of images and their maps, by arrow key."""
    page.goto(f"{address}/volume_growth")
    page.get_by_role("slider").first.wait_for()
    shot(page, "growth")
    page.get_by_role("option").first.click()
    box = page.locator(".explorer .side").bounding_box()
    assert box
    clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": 250}
    frames = []
    for _ in range(IMAGES):
        page.wait_for_timeout(PAUSE)
        picture = Image.open(io.BytesIO(page.screenshot(clip=clip)))
        frames.append(picture.convert("RGB").quantize(128, dither=Image.Dither.NONE))
        page.keyboard.press("ArrowRight")
    first, *rest = frames
    first.save(FOLDER / "maps.gif", save_all=True, append_images=rest, duration=PAUSE, loop=0)


def main() -> None:
    """Take all pictures."""
    FOLDER.mkdir(exist_ok=True)
    app = served(ROOT / "app.py")
    with app as address, sync_playwright() as playwright, launched(playwright) as chromium:
        page = chromium.new_page(viewport=SIZE, color_scheme="light")
        page.set_default_timeout(2 * PATIENCE)
        for take in (overview, growth):
            take(page, address)
    for file in sorted(FOLDER.iterdir()):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    main()

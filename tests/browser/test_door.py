"""The clicks of one visitor while another opens the worst files: they win."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import diffusers
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.server import PATIENCE, ROOT, served
from tests.browser.trips import counted, settled
from tests.memlib.images.test_attacks import evil_tar, header_of, scans_of, zip_with

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.alone]
ACTIONS = 6  # of each kind beside each source, in blocks that take turns
WARM = 10


def network(folder: Path, side: int, channels: tuple[int, ...], layers: int) -> None:
    """A small model that says it draws large pictures, or has many layers."""
    kinds = len(channels)
    diffusers.UNet2DModel(
        sample_size=side,
        layers_per_block=layers,
        block_out_channels=channels,
        norm_num_groups=4,
        add_attention=False,
        down_block_types=("DownBlock2D",) * kinds,
        up_block_types=("UpBlock2D",) * kinds,
    ).save_pretrained(folder / "unet")
    diffusers.DDPMScheduler().save_pretrained(folder / "scheduler")


def hostile(folder: Path) -> dict[str, tuple[str, Path]]:
    """Sources that cost the most to open, each with the field of the form it is typed into."""
    row = b"\na.png" + b",x" * 80
    zip_with(
        folder / "table.zip",
        b"file_name" + b"".join(b",c%d" % n for n in range(80)) + row * 200_000,
    )
    evil_tar(folder / "headers.tar")
    with zipfile.ZipFile(folder / "scans.zip", "w") as archive:
        for name in range(6):  # as many scans and pixels as may be
            archive.writestr(f"{name}.jpg", scans_of(80, 3000))
        archive.writestr("more.jpg", scans_of(500, 3000))
    with zipfile.ZipFile(folder / "claims.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header_of((10**8, 1, 1)) + bytes(10**8))
    network(folder / "wide", 1024, (32,), 1)
    network(folder / "deep", 8, (4, 4), 60)
    return {
        "zip with a table of millions of cells": ("Images", folder / "table.zip"),
        "tar with long headers": ("Images", folder / "headers.tar"),
        "JPEGs of many scans": ("Images", folder / "scans.zip"),
        "npz that claims 10^8 pictures": ("Images", folder / "claims.npz"),
        "model that draws large pictures": ("Model", folder / "wide"),
        "model of many layers": ("Model", folder / "deep"),
    }


def changed(path: Path) -> None:
    """Make a source another one to the caches."""
    for file in [path, *path.rglob("*")]:
        os.utime(file)


@contextmanager
def session(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = counted(context.new_page())
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(address)
    yield page
    context.close()


def test_clicks_take_at_most_twice_their_time_while_another_session_opens_the_worst_files(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = hostile(tmp_path)
    monkeypatch.setenv("AFTERIMAGE_ROOTS", str(tmp_path))
    monkeypatch.setenv("AFTERIMAGE_CACHE", str(tmp_path / "cache"))
    idle: dict[str, list[float]] = {name: [] for name in sources}
    beside: dict[str, list[float]] = {name: [] for name in sources}
    with (
        served(ROOT / "app.py") as address,
        session(browser, f"{address}/volume_growth") as visitor,
        session(browser, f"{address}/workspace?model=none") as other,
    ):
        cards, load = (
            visitor.get_by_role("option"),
            other.get_by_role("button", name="Load", exact=True),
        )
        expect(cards).to_have_count(48)
        expect(load).to_be_visible()
        resting = other.locator("[data-test-script-state=notRunning]")
        turn = 0

        def click() -> float:
            nonlocal turn
            turn += 1
            return settled(visitor, cards.nth(2 + turn % 8).click)

        for _ in range(WARM):
            click()
        for name, (field, path) in sources.items():
            for label in ("Model", "Images"):
                other.get_by_label(label, exact=True).fill(str(path) if label == field else "")
            for _ in range(ACTIONS):
                idle[name].append(click())
            while len(beside[name]) < ACTIONS:
                if resting.count():
                    changed(path)
                    load.click()
                    with suppress(AssertionError):  # a refusal may come sooner than it is seen
                        expect(resting).to_have_count(0, timeout=1000)
                beside[name].append(click())
            expect(resting).to_have_count(1, timeout=4 * PATIENCE)
            print(
                f"{name}: {np.median(beside[name]):.0f} ms beside, {np.median(idle[name]):.0f} idle"
            )
    ratio = np.median([*beside.values()]) / np.median([*idle.values()])
    print(f"all: {ratio:.2f} of their idle time")
    assert ratio <= 2

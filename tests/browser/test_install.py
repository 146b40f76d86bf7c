"""The wheel has all of the app, and once installed it runs anywhere and writes nowhere else."""

import os
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.server import ROOT, free_port, healthy
from tests.test_containers import health_check

pytestmark = [pytest.mark.slow, pytest.mark.browser]
LARGEST = 60e6  # bytes of a wheel
LEFT_OUT = ("__pycache__", ".lock")


def pip(*asked: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, asked), "--quiet", "--no-deps", "--no-index"]
    subprocess.run(command, cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ".", "--no-build-isolation", "--wheel-dir", folder)
    (found,) = folder.glob("afterimage-*.whl")
    return found


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed; the packages it needs are those of this Python."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", wheel, "--target", folder)
    return folder


def rgb(colour: str) -> str:
    """A colour as a browser says it: #1a1722 is rgb(26, 23, 34)."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"rgb({red}, {green}, {blue})"


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but Python's own cache."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {*path.parts} & {*LEFT_OUT}
    }


def test_the_wheel_has_every_file_of_the_library_the_pages_and_the_demo(wheel: Path) -> None:
    assert wheel.stat().st_size < LARGEST
    with zipfile.ZipFile(wheel) as packed:
        found = {name: packed.read(name) for name in packed.namelist()}
    wanted = {f"memlib/{name}": data for name, data in files(ROOT / "memlib").items()}
    for folder in ("pages", "assets"):
        named = files(ROOT / folder).items()
        wanted |= {f"afterimage/{folder}/{name}": data for name, data in named}
    for name in ("app.py", "serve.py", ".streamlit/config.toml"):
        wanted[f"afterimage/{name}"] = (ROOT / name).read_bytes()
    assert {name: data for name, data in found.items() if ".dist-info/" not in name} == wanted


@pytest.fixture(scope="module")
def environment(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A home of its own, and no way to the modules of the repository."""
    home = tmp_path_factory.mktemp("home")
    return os.environ | {
        "HOME": str(home),
        "AFTERIMAGE_CACHE": str(home / "cache"),
        "PYTHONPATH": str(site),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture(scope="module")
def address(
    site: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The installed app, started in an empty folder."""
    port = free_port()
    told = {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_HEADLESS": "true"}
    folder = tmp_path_factory.mktemp("empty")
    command = [sys.executable, str(site / "bin" / "afterimage"), "app"]
    with subprocess.Popen(command, cwd=folder, env=environment | told) as process:
        try:
            yield healthy(port)
        finally:
            process.kill()
    assert not files(folder)


def test_the_installed_app_shows_the_demo_and_writes_only_its_cache(
    address: str, page: Page, site: Path, environment: dict[str, str]
) -> None:
    before = files(site)
    page.goto(f"{address}/volume_growth")
    expect(page.get_by_role("option")).to_have_count(48)
    expect(page.get_by_role("dialog")).to_have_count(0)  # no "Page not found" over it
    colour = page.locator(".stApp").evaluate("one => getComputedStyle(one).color")
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert colour == rgb(settings["theme"]["light"]["textColor"])
    assert files(site) == before
    written = files(Path(environment["HOME"]))
    assert all(name.startswith("cache/") for name in written), list(written)


def test_the_health_check_of_the_container_asks_what_the_app_answers(address: str) -> None:
    with urllib.request.urlopen(f"{address}{urlsplit(health_check()).path}", timeout=60) as answer:
        assert (answer.status, answer.read()) == (200, b"ok")


def test_an_installed_command_works_in_an_empty_folder(
    site: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, str(site / "bin" / "afterimage"), "show"]
    said = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == "There are no runs in .afterimage/runs.\n"
    assert not files(tmp_path)

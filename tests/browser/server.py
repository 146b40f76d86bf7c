"""Streamlit scripts served to the browser tests, each by a process of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 60_000  # milliseconds a test waits for what it expects to see


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def healthy(port: int) -> str:
    """The address of a server that answers, once it does, or a minute later."""
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
            break
        except OSError:
            time.sleep(0.5)
    return address


@contextmanager
def server(
    script: Path, port: int, folder: Path = ROOT, **environment: str
) -> Iterator[tuple[str, subprocess.Popen]]:
    """The address of a script that Streamlit runs in a folder, with the repository's modules, and
    its process.
    """
    options = ["--server.headless", "true", "--server.port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(script), *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield healthy(port), process
        finally:
            process.kill()


@contextmanager
def served(script: Path, folder: Path = ROOT, **environment: str) -> Iterator[str]:
    """The address of a script that runs while the block does."""
    with server(script, free_port(), folder, **environment) as (address, _):
        yield address

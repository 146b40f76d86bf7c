"""Tasks: commands of memlib that run as separate processes, so that they outlive the page that
started them.

A task is a folder: `task.json` has the request, `progress.json` the progress, `end.json` the
outcome, `log.txt` the output. The process holds the lock of the folder as long as it lives, so a
killed one is recognised by its free lock. A file called `stop` asks it to stop.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from memlib.sources import CONFINED, Roots

FOLDER = Path(".afterimage") / "tasks"  # below the working directory
STARTING = 120.0  # seconds within which a process must hold its lock
KEPT = 20  # ended tasks that are kept

State = Literal["starting", "running", "done", "stopped", "failed", "lost"]


@dataclass(frozen=True)
class Progress:
    """The state of a task: `done` of `total` of what `text` names; at the end `text` is the
    result.
    """

    state: State
    done: float = 0.0
    total: float = 0.0
    text: str = ""
    seconds: float = 0.0  # seconds since it began
    left: float | None = None  # seconds left, None if unknown

    @property
    def active(self) -> bool:
        return self.state in ("starting", "running")

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True)
class Task:
    """One task, identified only by its folder, so that any process can read its state."""

    folder: Path

    @property
    def details(self) -> dict[str, Any]:
        """The request: `title` for people, `arguments`, the time it `began`, and the notes of the
        page that started it (`about`).
        """
        return _read(self.folder / "task.json")

    def progress(self) -> Progress:
        end, last = _read(self.folder / "end.json"), _read(self.folder / "progress.json")
        began = _number(self.details, "began")
        numbers = {name: _number(last, name) for name in ("done", "total")}
        if end:
            states: dict[int, State] = {0: "done", 130: "stopped"}
            return Progress(
                states.get(int(_number(end, "code", 1)), "failed"),
                **numbers,
                text=str(end.get("text", "")),
                seconds=_number(end, "at") - began,
            )
        seconds = time.time() - began
        if self._held():
            return Progress(
                "running",
                **numbers,
                text=str(last.get("text", "")),
                seconds=seconds,
                left=_number(last, "left") if last.get("left") is not None else None,
            )
        if not last and seconds < STARTING:
            return Progress("starting", seconds=seconds)
        if _read(self.folder / "end.json"):  # it ended in the meantime
            return self.progress()
        return Progress(
            "lost",
            **numbers,
            text=f"The process ended unexpectedly; see the log, {self.folder / 'log.txt'}.",
            seconds=seconds,
        )

    def stop(self) -> None:
        """Ask it to stop; finished results are kept."""
        (self.folder / "stop").touch()

    @property
    def asked_to_stop(self) -> bool:
        return (self.folder / "stop").exists()

    def tell(self, done: float, total: float, text: str, left: float | None = None) -> None:
        _write(
            self.folder / "progress.json",
            {"done": done, "total": total, "text": text, "left": left},
        )

    def end(self, code: int, text: str) -> None:
        _write(self.folder / "end.json", {"code": code, "text": text, "at": time.time()})

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Run as the process of this task."""
        with FileLock(self.folder / "lock", timeout=30):
            self.tell(0, 0, "")
            yield

    def _held(self) -> bool:
        try:
            with FileLock(self.folder / "lock", timeout=0):
                return False
        except Timeout:
            return True


def start(
    arguments: Sequence[str],
    title: str,
    about: dict[str, Any] | None = None,
    root: Path = FOLDER,
    *,
    roots: Roots = None,
) -> Task:
    """Start `python -m memlib ARGUMENTS` as a separate process in this working directory. With
    `roots` it opens no model, images or run outside these folders.
    """
    root.mkdir(parents=True, exist_ok=True)
    task = Task(root / f"{time.time_ns():020d}-{secrets.token_hex(3)}")
    task.folder.mkdir()
    _write(
        task.folder / "task.json",
        {"title": title, "arguments": list(arguments), "began": time.time(), "about": about or {}},
    )
    modules = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [modules, os.environ.get("PYTHONPATH", "")]))
    }
    if roots is not None:
        environment[CONFINED] = os.pathsep.join(map(str, roots))
    with (task.folder / "log.txt").open("wb") as log:
        subprocess.Popen(
            [sys.executable, "-m", "memlib", *arguments, "--task", str(task.folder.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    for old in [one for one in tasks(root) if not one.progress().active][KEPT:]:
        shutil.rmtree(old.folder, ignore_errors=True)
    return task


def tasks(root: Path = FOLDER) -> list[Task]:
    """List the kept tasks, the latest first."""
    return [Task(file.parent) for file in sorted(root.glob("*/task.json"), reverse=True)]


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(found: dict[str, Any], name: str, otherwise: float = 0.0) -> float:
    """Read a number from a file that somebody may have edited."""
    value = found.get(name)
    usable = isinstance(value, (int, float)) and abs(value) < 1e15
    return float(value) if usable and value is not None else otherwise


def _write(file: Path, value: dict[str, Any]) -> None:
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(value))
    partial.replace(file)

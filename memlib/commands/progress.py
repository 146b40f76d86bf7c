"""What a command reports while it works: a progress bar or one JSON object per line, and a task
folder if a page started it.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from memlib.progress import Progress
from memlib.tasks import Task

if TYPE_CHECKING:
    import pandas as pd  # importing it is slow

EVERY = 1.0  # seconds between two reports of progress that are written to the task folder


class Stopped(Exception):
    """The task was asked to stop; finished results are stored."""


class Report:
    """`progress` counts, `result` prints the result: text for people on stdout, or one JSON object
    per line.
    """

    def __init__(self, as_json: bool = False, task: Task | None = None) -> None:
        self.as_json, self.task = as_json, task
        self._bar: tqdm | None = None
        self._told = 0.0
        self._stage: tuple[str, float, float] = (
            "",
            0.0,
            0.0,
        )  # what is counted, when counting began and from which number

    def progress(self, done: float, total: float, text: str) -> None:
        """Report `done` of `total` of what `text` names. Raises Stopped if the task was asked to
        stop.
        """
        now, last = time.monotonic(), done >= total
        if not self.as_json:
            self._draw(done, total, text)
        if now - self._told < EVERY and not last:
            return
        self._told = now
        if self.as_json:
            self._line({"event": "progress", "what": text, "done": done, "total": total})
        if self.task is not None:
            self.task.tell(done, total, text, self._left(done, total, text, now))
            if self.task.asked_to_stop and not last:
                raise Stopped(text)

    def stage(self, text: str) -> Progress:
        """Return the progress callback of a stage that `text` names."""
        return lambda done, total: self.progress(done, total, text)

    def _left(self, done: float, total: float, text: str, now: float) -> float | None:
        """Return the seconds until the end of what is counted, at the speed so far, without what
        was finished at the start.
        """
        if self._stage[0] != text or done < self._stage[2]:
            self._stage = (text, now, done)
        _, began, first = self._stage
        return (now - began) * (total - done) / (done - first) if done > first else None

    def result(self, line: Mapping[str, Any], text: str = "") -> None:
        """Print one result: `text` for people (the values of `line` if empty), `line` as JSON."""
        self.close()
        if self.as_json:
            self._line(line)
        else:
            print(text or "  ".join(f"{name} {value}" for name, value in line.items()))

    def table(self, name: str, table: "pd.DataFrame", text: str) -> None:
        """Print a table: `text` for people, its lines as JSON."""
        if not self.as_json:
            self.result({}, text)
            return
        for line in json.loads(table.to_json(orient="records")):  # which writes NaN as null
            self.result({"table": name, **line})

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _line(self, line: Mapping[str, Any]) -> None:
        print(json.dumps(line, ensure_ascii=False), flush=True)

    def _draw(self, done: float, total: float, text: str) -> None:
        if self._bar is None or (self._bar.desc, self._bar.total) != (text, total):
            self.close()
            every = 0.1 if sys.stderr.isatty() else 30.0  # few lines for a log
            self._bar = tqdm(
                total=total,
                desc=text,
                initial=done,
                mininterval=every,
                maxinterval=every,
                file=sys.stderr,
                leave=False,
                bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} [{elapsed}<{remaining}]",
            )
        self._bar.update(done - self._bar.n)

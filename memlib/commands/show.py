"""Show runs and their results.

Without a folder, lists the runs below .afterimage/runs. With one, shows what was measured and how,
and prints its images in the order of a number; with --json every row, one object per line, without
reading the whole run.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from memlib.commands.progress import Report
from memlib.measures.conditional.scoring import PROMPTS
from memlib.quoting import quoted
from memlib.runs import FOLDER, Filter, Numbers, Run

ROWS = 20
PAGE = 10_000  # rows read at once


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, nargs="?", help=f"a run folder (default: list those below {FOLDER})"
    )
    parser.add_argument("--by", help="the number to sort by (default: the measure's)")
    parser.add_argument("--least", action="store_true", help="least memorised first")
    parser.add_argument(
        "--rows", type=int, help=f"the number of rows (default: {ROWS}, with --json all)"
    )
    parser.add_argument(
        "--search", default="", metavar="TEXT", help="only images whose name contains this"
    )
    parser.add_argument(
        "--where", metavar="COLUMN=VALUE", help="only images with this value in a metadata column"
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    if asked.folder is None:
        listed(FOLDER, report)
        return
    if asked.where and "=" not in asked.where:
        raise ValueError(f"--where takes COLUMN=VALUE, not {quoted(asked.where, 60)}.")
    if asked.rows is not None and asked.rows < 0:
        raise ValueError(f"--rows must not be negative: {asked.rows}.")
    one = Run(asked.folder)
    report.result(described(one), sentence(one))
    if not one.done:
        return
    numbers = Numbers(one)
    column, _, value = (asked.where or "").partition("=")
    where = Filter(text=asked.search, column=column, values=(value,) if asked.where else ())
    by = asked.by or one.main[0]
    direction = next((measure.direction for measure in one.measures if measure.column == by), 1)
    left, offset = asked.rows if asked.rows is not None else None if asked.json else ROWS, 0
    while left is None or offset < left:
        page = numbers.page(
            by,
            (direction > 0) != asked.least,
            offset,
            PAGE if left is None else min(PAGE, left - offset),
            where,
        )
        if asked.json:
            for line in page.to_dict("records"):
                report.result({str(name): _plain(value) for name, value in line.items()})
        elif len(page) or not offset:
            report.result(
                {},
                page.drop(columns=["position", "index"]).to_string(
                    index=False, float_format=lambda number: f"{number:.6g}"
                ),
            )
        offset += len(page)
        if not len(page):
            break


def listed(root: Path, report: Report) -> None:
    """Print every run below a folder; for those that cannot be read, why."""
    found = sorted(
        root.glob("*/manifest.json"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    for file in found:
        try:
            one = Run(file.parent)
            report.result(described(one), sentence(one))
        except ValueError as error:
            report.result({"run": str(file.parent), "problem": str(error)}, str(error))
    if not found:
        report.result({"runs": 0}, f"There are no runs in {root}.") if not report.as_json else None


def described(one: Run) -> dict[str, Any]:
    """Describe a run and its progress."""
    return {
        "run": str(one.folder),
        "done": one.done,
        "total": one.count,
        **{
            name: one.manifest[name]
            for name in ("measure", "parameters", "model", "images", "device", "date")
        },
    }


def sentence(one: Run) -> str:
    things = "prompts" if one.measure == PROMPTS else "images"
    settings = ", ".join(f"{name} {json.dumps(value)}" for name, value in one.parameters.items())
    return (
        f"{one.folder}: {one.measure} ({settings}) of {one.manifest['model']['name']} on "
        f"{one.manifest['images']['name']}, "
        f"{one.done:,} of {one.count:,} {things} measured, begun {one.manifest['date']} on "
        f"{one.manifest['device']}"
    )


def _plain(value: Any) -> Any:
    """Return a value as a type that JSON has."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value

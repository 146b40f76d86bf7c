"""Build the bundled demo from nothing, and print what it shows.

Draws its pictures, trains its model, attacks it and measures every image: hours on a laptop. Stages
whose output exists are skipped, so that on a fresh clone only the tables are printed: what the
model reproduces, and which number says so.
"""

import argparse
from pathlib import Path

from memlib.commands.progress import Report
from memlib.demo.build import build
from memlib.demo.findings import tables

NAME = "demo"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/demo"),
        help="where training keeps its state, so that it can be resumed (default: build/demo)",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Build what is missing and print the tables of the demo."""
    build(asked.work, report.stage)
    for title, table in tables().items():
        report.table(title, table, f"{title}\n{table.to_string(index=False)}\n")

"""Build the bundled demo from scratch, and print what it shows.

Makes its images, trains its model, attacks it and measures every image: hours on a laptop. Stages
whose output exists are skipped, so a fresh clone only prints the tables: what the model reproduces,
and which measure predicts it.
"""

import argparse
from pathlib import Path

from memlib.commands.progress import Report
from memlib.demo.build import build
from memlib.demo.findings import tables


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/demo"),
        help="where training saves its state, so that it can be resumed (default: build/demo)",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Build what is missing and print the tables of the demo."""
    build(asked.work, report.stage)
    for title, table in tables().items():
        report.table(title, table, f"{title}\n{table.to_string(index=False)}\n")

"""Build the bundled demo from scratch, and print what it shows.

Makes its images, trains its model, attacks it and measures every image: hours on a laptop. "text"
builds the demo of prompts instead: an hour. Stages whose output exists are skipped, so a fresh
clone only prints the tables: what the model reproduces, and which measure predicts it.
"""

import argparse
from pathlib import Path

from memlib.commands.progress import Report
from memlib.demo.build import build
from memlib.demo.findings import tables
from memlib.demo.text.building import PROMPTS, build_text
from memlib.demo.text.judgement import text_tables


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "which",
        nargs="?",
        choices=("images", "text"),
        default="images",
        help="the demo of images (default), or of text",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/demo"),
        help="where training saves its state, so that it can be resumed (default: build/demo)",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Build what is missing and print the tables of the demo."""
    if asked.which == "text":
        build_text(asked.work / "text", report.stage)
        found = text_tables(PROMPTS)
    else:
        build(asked.work, report.stage)
        found = tables()
    for title, table in found.items():
        report.table(title, table, f"{title}\n{table.to_string(index=False)}\n")

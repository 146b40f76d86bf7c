"""Build the bundled demo from scratch, and print what it shows.

Makes its images, trains its model, attacks it and measures every image: hours on a laptop. Stages
whose output exists are skipped, so a fresh clone only prints the tables: what the model reproduces,
and which measure predicts it. `ladders` measures instead what short ladders of noise levels cost
and find, `attacks` compares the search for different images with unconditional sampling at equal
cost; each writes a table.
"""

import argparse
from pathlib import Path

import pandas as pd

from memlib.bundled import DEMO
from memlib.commands.progress import Report
from memlib.demo.attacks import write_attacks
from memlib.demo.build import build
from memlib.demo.findings import tables
from memlib.demo.ladders import write_ladders

TABLES = {
    "ladders": (write_ladders, DEMO / "extraction" / "ladders.csv"),
    "attacks": (write_attacks, DEMO / "extraction" / "attacks.csv"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "part",
        nargs="?",
        choices=("all", *TABLES),
        default="all",
        help="measure this part again instead of building what is missing (default: all)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/demo"),
        help="where training saves its state, so that it can be resumed (default: build/demo)",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Build what is missing and print the tables of the demo, or measure one part again."""
    if asked.part in TABLES:
        write, target = TABLES[asked.part]
        write(target, asked.work, report.stage)
        found = {str(target): pd.read_csv(target)}
    else:
        build(asked.work, report.stage)
        found = tables()
    for title, table in found.items():
        report.table(title, table, f"{title}\n{table.to_string(index=False)}\n")

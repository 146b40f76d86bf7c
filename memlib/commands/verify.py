"""Check a report: that no byte of it was changed, and that its numbers follow from its tables.

Takes the folder that `report` writes, or the .zip of the audit page. Needs no model and no images,
and says the root of the report's hash tree, which is another one for every other report.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from memlib.audit.verification import read_report, verify
from memlib.commands.progress import Report


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "report", type=Path, help="a folder with report.html and report.json, or a .zip"
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Verify one report."""
    found = verify(read_report(asked.report))
    report.result(
        asdict(found),
        f"Confirmed: {found.parts:,} parts are as they were written, and {found.numbers:,} numbers "
        f"follow from the tables. Root {found.root}",
    )

"""Build the bundled demo from scratch, and print what it shows.

Makes its images, trains its model, attacks it and measures every image: hours on a laptop. "text"
builds the demo of prompts instead: an hour. "benchmark" makes pictures whose copies and masks are
known, trains a model on them and judges every measure by them: two hours. Stages whose output
exists are skipped, so a fresh clone only prints the tables: what the model reproduces, and which
measure predicts it. "ladders" measures instead what short ladders of noise levels cost and find,
"attacks" compares the search for different images with unconditional sampling at equal cost; each
writes a table.
"""

import argparse
from pathlib import Path

import pandas as pd

from memlib.bundled import DEMO, TEXT_RUN
from memlib.commands.progress import Report
from memlib.demo.attacks import write_attacks
from memlib.demo.benchmark.making import benchmark_tables, build_benchmark
from memlib.demo.build import build
from memlib.demo.findings import tables
from memlib.demo.ladders import write_ladders
from memlib.demo.text.building import PROMPTS, build_text
from memlib.demo.text.judgement import text_tables
from memlib.demo.text.prompt_scores import score_tables

TABLES = {
    "ladders": (write_ladders, DEMO / "extraction" / "ladders.csv"),
    "attacks": (write_attacks, DEMO / "extraction" / "attacks.csv"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "which",
        nargs="?",
        choices=("images", "text", "benchmark", *TABLES),
        default="images",
        help="the demo of images (default) or of text, or the benchmark; or the part of the demo "
        "to measure again",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/demo"),
        help="where training saves its state, so that it can be resumed (default: build/demo)",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Build what is missing and print the tables of a demo, or measure one part again."""
    if asked.which in TABLES:
        write, target = TABLES[asked.which]
        write(target, asked.work, report.stage)
        found = {str(target): pd.read_csv(target)}
    elif asked.which == "benchmark":
        build_benchmark(asked.work / "benchmark", report.stage)
        found = benchmark_tables()
    elif asked.which == "text":
        build_text(asked.work / "text", report.stage)
        found = text_tables(PROMPTS) | score_tables(TEXT_RUN)
    else:
        build(asked.work, report.stage)
        found = tables()
    for title, table in found.items():
        report.table(title, table, f"{title}\n{table.to_string(index=False)}\n")

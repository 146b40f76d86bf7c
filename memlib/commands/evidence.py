"""Which images are reproduced, and which measure predicts it.

Matches generated images with the training images, and shows how well every stored measure ranks
those that are reproduced. Prints Markdown tables.
"""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from memlib.bundled import DEMO
from memlib.commands.copies import copies_arguments, matched, read_samples
from memlib.commands.inputs import (
    image_arguments,
    load,
    model_arguments,
    runs_arguments,
    sources_of,
)
from memlib.commands.progress import Report
from memlib.evidence import (
    best_of,
    clusters,
    comparisons,
    ladder,
    measure_table,
    quality,
    signed,
    table_line,
)
from memlib.measures import MEASURES
from memlib.neighbours import duplicates
from memlib.runs import read_numbers
from memlib.spreadsheet import csv

SHOWN = ("volume_growth", "k_1_at_0.5", "denoising_loss")  # measures shown in the table by group


def arguments(parser: argparse.ArgumentParser) -> None:
    model_arguments(parser)
    image_arguments(parser)
    copies_arguments(parser, "those of the demo")
    runs_arguments(parser)
    parser.add_argument(
        "--output", type=Path, help="a folder in which the tables are also written as CSV"
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Write the tables of the evidence page."""
    loaded = load(sources_of(asked), asked.device, report, asked.limit)
    denoiser, images = loaded.denoiser, loaded.images
    if asked.samples is None and asked.model != "demo":
        raise ValueError("Name the generated images with --samples.")
    samples = read_samples(asked.samples or DEMO / "extraction" / "unconditional", images)
    values, _ = measure_table(denoiser, images, read_numbers(asked.runs or DEMO / "runs"))
    groups = duplicates(images)
    _, counts, said = matched(samples, images, groups, asked.criterion, asked.threshold)
    report.result({"statement": said}, said)
    shown = [name for name in SHOWN if values[name].notna().any()] or [
        name for name in MEASURES if values[name].notna().any()
    ][:3]
    named = {MEASURES[name].title: signed(values[[name]])[name].to_numpy() for name in shown}
    tables = {"groups": ladder(images, counts, named, groups)}
    labels = clusters(images, groups)
    for name, (above, below) in comparisons(images, counts, groups).items():
        tables[name] = quality(denoiser, values, above, below, labels)
    for (name, table), file in zip(tables.items(), file_names(tables), strict=True):
        if asked.output:
            asked.output.mkdir(parents=True, exist_ok=True)
            (asked.output / f"{file}.csv").write_bytes(csv(table))
        said = f"\n\n{best_of(table)}" if "AUC" in table and len(table) else ""
        report.table(name, table, f"\n{name[0].upper()}{name[1:]}:\n\n{markdown(table)}{said}")


def file_names(names: Iterable[str]) -> list[str]:
    """Return a file name for each table; a table's title contains the name of a group, which may be
    any text.
    """
    found: list[str] = []
    for name in names:
        file = re.sub(r"[^\w-]+", "-", name)
        found.append(f"{file}-{len(found)}" if file in found else file)
    return found


def markdown(table: pd.DataFrame) -> str:
    """Write a table of the evidence in Markdown."""
    head, lines = table_line(table)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines))

"""Check a report: that no byte of it was changed, and that its numbers follow from its tables.

Takes the folder that `report` writes, or the .zip of the audit page. Needs no model and no images,
and says the root of the report's hash tree, which is another one for every other report.

With --model and --images, given as they were to `report`, it computes again in about a minute what
can be: the digests, near-duplicates, measures of a few images, and with --samples the matches of a
few pictures drawn. It says what was not computed again.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from memlib.audit.recomputed import IMAGES as FEW_IMAGES
from memlib.audit.recomputed import Recomputed, recompute
from memlib.audit.verification import read_report, record_of, verify
from memlib.commands.copies import read_drawn, samples_of
from memlib.commands.inputs import (
    IMAGES,
    MODEL,
    device_arguments,
    load,
    sources_of,
    transform_arguments,
)
from memlib.commands.progress import Report

NAMED = 5  # differences that the message lists


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", type=Path, help="a folder with a report, or a .zip")
    parser.add_argument("--model", default="", help=f"the model: {MODEL}, or demo")
    device_arguments(parser)
    parser.add_argument("--images", default="", help=f"the images: {IMAGES}, or demo")
    transform_arguments(parser)
    parser.add_argument(
        "--samples",
        type=Path,
        help="the pictures drawn: a run folder of an attack, or an image set (default: those of "
        "the demo)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help=f"chooses the {FEW_IMAGES} images and the pictures that are looked at (default: 0)",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Verify one report."""
    if bool(asked.model) != bool(asked.images):
        raise ValueError("--model and --images are needed together: give both or neither.")
    if asked.samples and not asked.model:
        raise ValueError("--samples are matched with the images: give --model and --images too.")
    if asked.seed < 0:
        raise ValueError(f"--seed must not be negative, not {asked.seed}.")
    files = read_report(asked.report)
    found = verify(files)
    said = (
        f"Confirmed: {found.parts:,} parts are as they were written, and {found.numbers:,} numbers "
        f"follow from the tables. Root {found.root}"
    )
    if not asked.model:
        report.result(asdict(found), said)
        return
    again = _recomputed(files, asked, report)
    report.result(asdict(found) | {"recomputed": asdict(again)}, f"{said}\n{_told(again)}")
    if again.differences:
        more = len(again.differences) - NAMED
        raise ValueError(
            f"The report differs from what was computed again: "
            f"{'; '.join(again.differences[:NAMED])}{f'; and {more:,} more' if more > 0 else ''}."
        )


def _recomputed(files: dict[str, bytes], asked: argparse.Namespace, report: Report) -> Recomputed:
    loaded = load(sources_of(asked), asked.device, report, asked.limit)
    source = samples_of(asked)
    return recompute(
        record_of(files),
        loaded.denoiser,
        loaded.images,
        read_drawn(source, loaded.images) if source else None,
        seed=asked.seed,
        callback=report.stage("Measuring"),
    )


def _told(again: Recomputed) -> str:
    left = f"\nNot computed again: {'; '.join(again.left)}." if again.left else ""
    return f"Computed again, with seed {again.seed}: {'; '.join(again.done)}.{left}"

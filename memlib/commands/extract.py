"""Draw images from a model: unconditionally, in search of different ones, or guided (SIDE).

An attack needs no training images. SIDE draws images from the model, clusters them, and guides the
sampling towards one cluster after another. `seek` ends the paths that lead to an image drawn
before. Runs are stored in folders named by their settings,
which the extraction page shares when it is opened in the same directory. The same command continues
where it stopped; a larger number of images extends a run.
"""

import argparse
from pathlib import Path

from memlib.commands.inputs import load_model, model_arguments, settings_arguments, settings_of
from memlib.commands.progress import Report
from memlib.extraction import read_generations
from memlib.extraction.attack_settings import (
    DRAWING,
    GUIDANCE,
    SAMPLER,
    SEEKING,
    AttackSettings,
)
from memlib.extraction.stages import FOLDER, attack_run
from memlib.sources import inherited

USUAL = AttackSettings()


def arguments(parser: argparse.ArgumentParser) -> None:
    model_arguments(parser)
    settings_arguments(parser, USUAL, ("method", *DRAWING))
    settings_arguments(parser.add_argument_group("unconditional and seek"), USUAL, SAMPLER)
    seeking = parser.add_argument_group("seek")
    settings_arguments(seeking, USUAL, SEEKING)
    seeking.add_argument("--reference", help="an earlier checkpoint of the model, for a contrast")
    settings_arguments(parser.add_argument_group("guided methods"), USUAL, GUIDANCE)
    parser.add_argument(
        "--output",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help=f"where runs are kept, one folder each (default: {FOLDER})",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Draw the missing images of the run and report its folder."""
    settings = settings_of(asked, USUAL, ("method", *DRAWING, *SAMPLER, *SEEKING, *GUIDANCE))
    denoiser, reference = (
        load_model(source, asked.label, asked.device) if source else None
        for source in (asked.model, asked.reference)
    )
    assert denoiser is not None
    *_, folder = attack_run(
        denoiser, settings, asked.output, report.stage, reference=reference, roots=inherited()
    )
    images = len(read_generations(folder))
    report.result(
        {"folder": str(folder), "images": images, "method": settings.method},
        f"{folder}: {images:,} images, {settings.method}",
    )

"""Draw images from a model, guided towards memorised images (SIDE) or unconditionally.

An attack needs no training images: it draws images from the model, clusters them, and guides the
sampling towards one cluster after another. Runs are stored in folders named by their settings,
which the extraction page shares when it is opened in the same directory. The same command continues
where it stopped; a larger number of images extends a run.
"""

import argparse
from pathlib import Path

from memlib.commands.inputs import load_model, model_arguments, settings_arguments, settings_of
from memlib.commands.progress import Report
from memlib.extraction import read_generations
from memlib.extraction.stages import DRAWING, FOLDER, GUIDANCE, AttackSettings, attack_run
from memlib.sources import inherited

USUAL = AttackSettings()


def arguments(parser: argparse.ArgumentParser) -> None:
    model_arguments(parser)
    settings_arguments(parser, USUAL, ("method", *DRAWING))
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
    settings = settings_of(asked, USUAL, ("method", *DRAWING, *GUIDANCE))
    denoiser = load_model(asked.model, asked.label, asked.device)
    *_, folder = attack_run(denoiser, settings, asked.output, report.stage, roots=inherited())
    images = len(read_generations(folder))
    report.result(
        {"folder": str(folder), "images": images, "method": settings.method},
        f"{folder}: {images:,} images, {settings.method}",
    )

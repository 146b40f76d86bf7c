"""Draw images from a model: unconditionally, in search of different ones, or guided (SIDE).

An attack needs no training images. SIDE draws images from the model, clusters them, and guides the
sampling towards one cluster after another. `seek` draws what was drawn again, each image in turn,
and ends the paths that lead to an image known well. Runs are stored in folders named by their
settings, which the extraction page shares when it is opened in the same directory. The same command
continues where it stopped; a larger number of images extends a run.
"""

import argparse
from pathlib import Path

from memlib.commands.inputs import load_model, model_arguments, settings_arguments, settings_of
from memlib.commands.progress import Report
from memlib.evidence.pace import WINDOW, Pace
from memlib.extraction import read_generations
from memlib.extraction.attack_settings import (
    DRAWING,
    GUIDANCE,
    SAMPLER,
    SEEKING,
    AttackSettings,
)
from memlib.extraction.plan import SEEK
from memlib.extraction.seeking.found import Found
from memlib.extraction.seeking.suspects import suspects
from memlib.extraction.stages import FOLDER, attack_run
from memlib.sources import inherited
from memlib.spreadsheet import csv
from memlib.workspace import Sources, prompted

USUAL = AttackSettings()
LOOK = 8  # parts between two looks at the pace


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
    parser.add_argument(
        "--price",
        type=float,
        metavar="FORWARDS",
        help="stop when the next image that the model draws twice is expected to cost more network "
        "forwards",
    )
    parser.add_argument(
        "--suspects",
        type=Path,
        metavar="FILE",
        help="write a table of suspected copies (CSV): generated images that come again and again, "
        "told without training images",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Draw the missing images of the run and report its folder."""
    settings = settings_of(asked, USUAL, ("method", *DRAWING, *SAMPLER, *SEEKING, *GUIDANCE))
    if asked.price and settings.guided:
        raise ValueError(
            f"--price holds for draws without a classifier, not for {settings.method}."
        )
    told = Sources(prompt=asked.prompt, guidance_scale=asked.guidance_scale)
    denoiser, reference = (
        prompted(load_model(source, asked.label, asked.device), told) if source else None
        for source in (asked.model, asked.reference)
    )
    assert denoiser is not None
    drawing = attack_run(
        denoiser, settings, asked.output, report.stage, reference=reference, roots=inherited()
    )
    pace = Pace(Found(denoiser.picture_shape), settings.method != SEEK)
    for part, folder in enumerate(drawing, 1):
        if asked.price and part % LOOK == 0:
            pace.follow(read_generations(folder))
            if pace.spent >= WINDOW and pace.price() > asked.price:
                break
    found = read_generations(folder)
    line: dict[str, object] = {
        "folder": str(folder),
        "images": len(found),
        "method": settings.method,
    }
    said = f"{folder}: {len(found):,} images, {settings.method}"
    if asked.price or asked.suspects:
        pace.follow(found)
        line["pace"] = pace.sentence()
        said += f". {pace.sentence()}"
    if asked.suspects:
        asked.suspects.write_bytes(csv(suspects(found.images)))
    report.result(line, said)

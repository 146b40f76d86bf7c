"""Which training images a model draws unconditionally.

The ground truth of memorisation: generated images are matched with the training images,
near-duplicates count as one, and each copy counts for the image it copies. Prints how many images
were reproduced, or, if none, an upper bound; then one line for each reproduced image, the most
often first. Generated images are kept and not drawn again.
"""

import argparse
from pathlib import Path

from memlib.commands.copies import copies_arguments, matched, read_samples
from memlib.commands.inputs import (
    image_arguments,
    load,
    model_arguments,
    settings_arguments,
    settings_of,
    sources_of,
)
from memlib.commands.progress import Report
from memlib.evidence import copied, reproduced
from memlib.extraction import UNCONDITIONAL, read_generations
from memlib.extraction.attack_settings import DRAWING, AttackSettings
from memlib.extraction.stages import FOLDER, attack_run
from memlib.neighbours import duplicates
from memlib.spreadsheet import csv

USUAL = AttackSettings(method=UNCONDITIONAL, count=1024)


def arguments(parser: argparse.ArgumentParser) -> None:
    model_arguments(parser)
    image_arguments(parser)
    settings_arguments(parser, USUAL, DRAWING)
    copies_arguments(parser, f"they are drawn and stored below {FOLDER}")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write matches.csv, a line for each generated image, and reproduced.csv, a line "
        "for each reproduced image",
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Draw the missing images, match them, and report what was reproduced."""
    settings = settings_of(asked, USUAL, DRAWING)
    loaded = load(sources_of(asked), asked.device, report, asked.limit)
    images = loaded.images
    if asked.samples:
        samples = read_samples(asked.samples, images)
    else:
        *_, folder = attack_run(loaded.denoiser, settings, FOLDER, report.stage)
        samples = read_generations(folder).images.subset(range(asked.count))  # there may be more
    report.stage("Matching with the training images")(0, 1)
    matches, _, said = matched(
        samples, images, duplicates(images), asked.criterion, asked.threshold
    )
    table = reproduced(matches, images, asked.criterion, asked.threshold)
    if asked.output:
        asked.output.mkdir(parents=True, exist_ok=True)
        (asked.output / "reproduced.csv").write_bytes(csv(table))
        for place in ("second", "nearest"):
            matches.insert(0, f"{place}_name", [images.names[index] for index in matches[place]])
        matches.insert(0, "name", samples.names)
        matches = matches.assign(copy=copied(matches, asked.criterion, asked.threshold) >= 0)
        numbered = matches.rename_axis("number").reset_index()
        (asked.output / "matches.csv").write_bytes(csv(numbered))
    report.result(
        {
            "statement": said,
            "pictures": len(samples),
            "copies": int(table["times"].sum()),
            "images": len(table),
        },
        said,
    )
    for line in table.to_dict("records"):
        group = f", {line['group']}" if line.get("group") else ""
        text = (
            f"{line['times']:>6,}  {line['name']}{group}, closest at {line['distance']:.3f}, "
            f"{line['id']}"
        )
        report.result({str(name): value for name, value in line.items()}, text)

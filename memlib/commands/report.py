"""Write a report that can be verified: what came back, how sure that is, what was not tried.

It is a folder: report.html for people, which opens offline and prints, and report.json for
programs, with the tables from which every number follows and a hash tree over all files. A section
for a model card, properties for the Croissant description of the image set, and a table of the
images that came back are beside them. The command verify checks it.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

from memlib.audit import Verdicts, removal_list, standing
from memlib.audit.record import Record, draws_table, facts_of, images_table
from memlib.audit.report import Entry, picture_url
from memlib.audit.verification import report_files
from memlib.bundled import DEMO
from memlib.commands.copies import copies_arguments, read_drawn, samples_of
from memlib.commands.inputs import (
    image_arguments,
    load,
    model_arguments,
    runs_arguments,
    sources_of,
)
from memlib.commands.progress import Report
from memlib.evidence import copied, measure_table
from memlib.extraction import CRITERIA
from memlib.images import ImageSet, to_pixels
from memlib.neighbours import duplicates
from memlib.runs import read_numbers

DATABASE = "AFTERIMAGE_DATABASE"
SHOWN = 500  # images with pictures


def arguments(parser: argparse.ArgumentParser) -> None:
    model_arguments(parser)
    image_arguments(parser)
    copies_arguments(parser, "those of the demo")
    runs_arguments(parser)
    parser.add_argument(
        "--verdicts",
        default=os.environ.get(DATABASE, ""),
        help="the database of verdicts, an SQLAlchemy URL (default: AFTERIMAGE_DATABASE, or none)",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("report"), help="the folder to write (default: report)"
    )


def run(asked: argparse.Namespace, report: Report) -> None:
    """Write the report."""
    loaded = load(sources_of(asked), asked.device, report, asked.limit)
    denoiser, images = loaded.denoiser, loaded.images
    demo = asked.model == "demo" and asked.images == "demo"
    source = samples_of(asked)
    runs = asked.runs or (DEMO / "runs" if demo else None)
    drawn = read_drawn(source, images) if source else None
    groups = duplicates(images)
    report.stage("Matching with the training images")(0, 1)
    rule = CRITERIA[asked.criterion].threshold if asked.threshold is None else asked.threshold
    values, _ = measure_table(denoiser, images, read_numbers(runs or Path("nowhere")))
    table = images_table(images, values, groups)
    record = Record(
        facts_of(denoiser, images, drawn, table, (asked.criterion, rule)),
        table,
        **{"draws": draws_table(drawn.images, images, groups)} if drawn else {},
        **_verdicts(asked.verdicts, denoiser.digest, images, groups.numpy()),
    )
    files = report_files(record, _entries(record, images, drawn.images if drawn else None))
    asked.output.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (asked.output / name).write_bytes(data)
    said = f"{asked.output}: {', '.join(files)}. Check it with: verify {asked.output}"
    report.result({"report": str(asked.output), "files": list(files)}, said)


def _verdicts(
    url: str, model: str, images: ImageSet, groups: np.ndarray
) -> dict[str, pd.DataFrame]:
    """Return the history of verdicts on the model, and what to do with which image."""
    if not url:
        return {}
    database = Verdicts(url)
    try:
        history = database.history(model)
    finally:
        database.close()
    return {"verdicts": history, "actions": removal_list(history, images, groups)}


def _entries(record: Record, images: ImageSet, samples: ImageSet | None) -> list[Entry]:
    """Return the images that came back, the most often first, each beside its closest copy, and
    then those with a verdict.
    """
    rule, draws = record.facts["criterion"], record.draws
    copies = copied(draws, rule["name"], rule["threshold"]) if samples else np.zeros(0, int)
    times = np.bincount(copies[copies >= 0], minlength=len(images))
    place = {image: index for index, image in reversed(list(enumerate(images.ids)))}
    said = standing(record.verdicts) if len(record.verdicts) else pd.DataFrame({"image": []})
    order = [int(one) for one in np.argsort(-times, kind="stable")[: int((times > 0).sum())]]
    order += [place[image] for image in dict.fromkeys(said["image"]) if image in place]
    entries = []
    for index in list(dict.fromkeys(order))[:SHOWN]:
        pictures = [(images.names[index], picture_url(to_pixels(images.batch([index]))[0]))]
        if samples is not None and times[index]:
            own = np.flatnonzero(copies == index)
            closest = own[draws["distance"].to_numpy()[own].argmin()]
            caption = f"closest picture drawn, distance {draws['distance'][closest]:.3f}"
            pictures.append((caption, picture_url(to_pixels(samples.batch([int(closest)]))[0])))
        entries.append(
            Entry(
                images.ids[index],
                images.names[index],
                [
                    {str(name): value for name, value in line.items()}
                    for line in said[said["image"] == images.ids[index]].to_dict("records")
                ],
                f"{times[index]:,} of {len(draws):,} pictures are copies of it.",
                pictures=pictures,
                size=images.shape[1:],
            )
        )
    return entries

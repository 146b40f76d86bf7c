"""Queues of images to audit: as a table to filter and order, or from an imported list of names, ids
or pictures, each matched with the image set.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import pandas as pd
import torch

from memlib.evidence import held_out
from memlib.images import ImageSet
from memlib.neighbours import NEAR_DUPLICATE, nearest
from memlib.runs import with_metadata

EXACT, NEAR, ABSENT, HELD_OUT = "exact", "near", "not in training", "held out"
HEADERS = ("id", "name", "file_name", "filename", "file", "image", "path")
LONGEST = 100_000  # most lines of an imported list


def queue_table(places: Sequence[int], images: ImageSet, values: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each image of a queue: its place in the queue from 1, its index in the set,
    id and name, its row of `values` (N, measures), and its metadata.

    `places` are the indices in the order of the queue. An image that is in the set several times
    counts once, at its first index.
    """
    once = list({images.ids[place]: place for place in reversed(places)}.values())[::-1]
    table = pd.DataFrame(
        {
            "place": range(1, len(once) + 1),
            "index": once,
            "id": [images.ids[place] for place in once],
            "name": [images.names[place] for place in once],
        }
    )
    numbers = values.iloc[once].reset_index(drop=True)
    return with_metadata(pd.concat([table, numbers], axis=1), images)


def read_names(text: str) -> list[str]:
    """Read names or ids, one per line, from plain text or CSV; in a CSV from the first column whose
    name is in HEADERS, else from the first column.
    """
    try:
        rows = [
            row
            for row in csv.reader(io.StringIO(text.removeprefix("\ufeff")))
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise ValueError(
            f"The list cannot be read: {error}. Give one name or id per line."
        ) from error
    if len(rows) > LONGEST:
        raise ValueError(f"The list has {len(rows):,} lines, more than {LONGEST:,}; split it.")
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((head.index(name) for name in HEADERS if name in head), None)
    lines = rows if column is None else rows[1:]
    return [
        row[column or 0].strip()
        for row in lines
        if len(row) > (column or 0) and row[column or 0].strip()
    ]


def match_names(names: Iterable[str], images: ImageSet) -> pd.DataFrame:
    """Return one line for each name or id: "exact" if the set has it, "near" if it has a file of
    that name in another folder or with another ending.
    """
    exact = {name: place for place, name in reversed(list(enumerate(images.names)))} | {
        image: place for place, image in reversed(list(enumerate(images.ids)))
    }
    near = {_stem(name): place for place, name in reversed(list(enumerate(images.names)))}
    lines = []
    for name in names:
        place = exact.get(name)
        status = EXACT if place is not None else NEAR
        place = near.get(_stem(name)) if place is None else place
        lines.append((name, ABSENT if place is None else status, place, float("nan")))
    return _table(lines, images)


def match_pictures(
    pictures: Sequence[tuple[str, bytes]], images: ImageSet, threshold: float = NEAR_DUPLICATE
) -> pd.DataFrame:
    """Return one line for each (name, encoded picture): "exact" for the same pixels, "near" for a
    distance below `threshold`.

    Pictures are first transformed to the set's shape; a file that is not a picture is "not in
    training", with the reason.
    """
    known = {image: place for place, image in reversed(list(enumerate(images.ids)))}
    lines: list[tuple] = []
    waiting: list[tuple[int, torch.Tensor]] = []
    for name, data in pictures:
        try:
            picture, key = images.take(data)
        except ValueError as error:
            lines.append((f"{name} {error}", ABSENT, None, float("nan")))
            continue
        if key not in known:
            waiting.append((len(lines), picture))
        lines.append(
            (
                name,
                EXACT if key in known else ABSENT,
                known.get(key),
                0.0 if key in known else float("nan"),
            )
        )
    if waiting:
        found = nearest(torch.stack([picture for _, picture in waiting]), images, k=1)
        for (line, _), place, distance in zip(
            waiting, found.index[:, 0].tolist(), found.distance[:, 0].tolist(), strict=True
        ):
            close = distance < threshold
            lines[line] = (
                lines[line][0],
                NEAR if close else ABSENT,
                place if close else None,
                distance,
            )
    return _table(lines, images)


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem.lower()


def _table(lines: Sequence[tuple], images: ImageSet) -> pd.DataFrame:
    """Return one line: given, match, index (-1 for none), name and distance; the match with an
    image that was not trained on is "held out".
    """
    kept_out = held_out(images)
    rows = [
        {
            "given": given,
            "match": HELD_OUT if place is not None and kept_out[place] else status,
            "index": -1 if place is None else place,
            "name": "" if place is None else images.names[place],
            "distance": distance,
        }
        for given, status, place, distance in lines
    ]
    return pd.DataFrame(rows, columns=["given", "match", "index", "name", "distance"])

"""Measuring images: a generator that stores each result before it continues, and results in memory.

A result is a `row`, the numbers and arrays that a measure keeps of one image. Its key is all it
depends on: model, measure and parameters, together a series, and the image's id.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from memlib.denoisers import Denoiser, NetworkDenoiser
from memlib.images import ImageSet
from memlib.measures import MEASURES, Row
from memlib.measures.conditional.scoring import PROMPTS, Prompted, score_prompts
from memlib.progress import Progress, part

# images measured together: large enough to fill a CPU, small enough that stopping loses little
CHUNK = 16
Batch = Tensor | Sequence[Prompted]  # pictures (B, C, H, W), or prompts
TRIALS, PATIENCE = 12, 1.0  # of the time of a forward: at most so many, begun in so many seconds


class Results:
    """Rows by series and image id; beyond `limit` bytes the least recently used series are dropped.

    A series is a model (its digest), a measure's function (`run`) and its parameters. Two rows of
    one image in one series are equal, so the first one is kept.
    """

    def __init__(self, limit: int = 512 * 2**20) -> None:
        self.limit, self.bytes = limit, 0
        self._series: OrderedDict[str, dict[str, Row]] = OrderedDict()
        self._marks: dict[str, int] = {}  # of each series, changed with every row

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(map(len, self._series.values()))

    def rows(self, model: str, run: str, parameters: Mapping[str, Any]) -> Mapping[str, Row]:
        """Return the stored rows of a series, by image id."""
        key = series(model, run, parameters)
        if key not in self._series:
            return {}
        self._series.move_to_end(key)
        return MappingProxyType(self._series[key])

    def mark(self, model: str, run: str, parameters: Mapping[str, Any]) -> int:
        """Return a number that is equal, within one process, for equal sets of stored images."""
        return self._marks.get(series(model, run, parameters), 0)

    def add(
        self, model: str, run: str, parameters: Mapping[str, Any], rows: Mapping[str, Row]
    ) -> None:
        """Store rows by image id, except those already stored."""
        if rows:
            self._store(series(model, run, parameters), rows)

    def update(self, other: Self) -> None:
        """Store the rows of other results; the first ones at no cost for each row."""
        if not self._series and other.bytes <= self.limit:
            self._series = OrderedDict((key, dict(rows)) for key, rows in other._series.items())
            self._marks, self.bytes = dict(other._marks), other.bytes
            return
        for key, rows in other._series.items():
            self._store(key, rows)

    def _store(self, key: str, rows: Mapping[str, Row]) -> None:
        known = self._series.setdefault(key, {})
        self._series.move_to_end(key)
        for image, row in rows.items():
            if image not in known:
                known[image] = row
                self._marks[key] = self._marks.get(key, 0) ^ hash((image,))
                self.bytes += _size(row)
        while self.bytes > self.limit and len(self) > 1:
            self._drop()

    def _drop(self) -> None:
        oldest, rows = next(iter(self._series.items()))
        image = next(iter(rows))
        self._marks[oldest] ^= hash((image,))
        self.bytes -= _size(rows.pop(image))
        if not rows:
            del self._series[oldest]


def _size(row: Row) -> int:
    return 200 + sum(value.nbytes for value in row.values() if isinstance(value, np.ndarray))


def series(model: str, run: str, parameters: Mapping[str, Any]) -> str:
    """Return the key of a series: equal if model, measure and parameters are."""
    return "/".join((model, run, json.dumps(parameters, sort_keys=True)))


def held_out_sample(images: ImageSet) -> list[int]:
    """Return every eighth image of the group called held-out, a sample for cases where measuring
    all takes too long.
    """
    return [int(place) for place in np.flatnonzero(images.held_out)[::8]]


def measure_batch(
    denoiser: Denoiser,
    batch: Batch,
    measure: str,
    parameters: Mapping[str, Any],
    callback: Progress | None = None,
) -> list[Row]:
    """Measure pictures, or prompts, which are the run called PROMPTS; return their rows."""
    if isinstance(batch, Tensor):
        return measure_pictures(denoiser, batch, measure, parameters, callback)
    assert measure == PROMPTS and isinstance(denoiser, NetworkDenoiser)
    return score_prompts(denoiser, batch, parameters, callback)


def measure_pictures(
    denoiser: Denoiser,
    pictures: Tensor,
    measure: str,
    parameters: Mapping[str, Any],
    callback: Progress | None = None,
) -> list[Row]:
    """Measure pictures (B, *picture_shape), or their latents, together; return their rows."""
    result = MEASURES[measure].function(
        denoiser, denoiser.encode(pictures), **parameters, callback=callback
    )
    return [result.row(place) for place in range(len(pictures))]


def measure_images(
    denoiser: Denoiser,
    images: ImageSet,
    indices: Sequence[int],
    measure: str,
    parameters: Mapping[str, Any],
    results: Results,
    progress: Progress | None = None,
) -> Iterator[tuple[int, int]]:
    """Measure images[indices], or their latents, in chunks, skipping those in `results`, and store
    each chunk before yielding (done, total).

    `progress(done, total)` counts images, and fractions of them, several times a chunk; an
    exception it raises stops the work; finished chunks are kept.
    """
    alike = (denoiser.digest, MEASURES[measure].run, parameters)
    known = results.rows(*alike)
    todo = list(
        {images.ids[index]: index for index in indices if images.ids[index] not in known}.values()
    )
    for start in range(0, len(todo), CHUNK):
        chunk = todo[start : start + CHUNK]
        told = part(progress, start, len(chunk), len(todo))
        rows = measure_pictures(denoiser, images.batch(chunk), measure, parameters, told)
        results.add(*alike, dict(zip((images.ids[index] for index in chunk), rows, strict=True)))
        yield start + len(chunk), len(todo)


def measure_one(
    denoiser: Denoiser,
    image: Tensor,
    name: str,
    measure: str,
    parameters: Mapping[str, Any],
    results: Results,
    progress: Progress | None = None,
) -> Row:
    """Return the row of one image (C, H, W) with the id `name`: from `results`, or measured and
    stored there.
    """
    alike = (denoiser.digest, MEASURES[measure].run, parameters)
    known = results.rows(*alike)
    if name in known:
        return known[name]
    (row,) = measure_pictures(denoiser, image[None], measure, parameters, progress)
    results.add(*alike, {name: row})
    return row


def forward_seconds(denoiser: Denoiser) -> float:
    """Return the seconds that one network forward of one image takes here, in a batch: the fastest
    of several trials, since other work on the machine only adds to a time.
    """
    y = torch.zeros(CHUNK // 2, *denoiser.shape, device=denoiser.device)
    times: list[float] = []
    with torch.no_grad():
        while (len(times) < TRIALS and sum(times) < PATIENCE) or len(times) < 2:
            started = time.perf_counter()
            denoiser.noise(y, denoiser.sigma_max).sum().item()  # item() waits for the device
            times.append(time.perf_counter() - started)
    return min(times) / len(y)


def result_table(images: ImageSet, rows: Mapping[str, Row], direction: int) -> pd.DataFrame:
    """Return one line per image that has a row (by id), most memorised first: rank, name, id, the
    row's numbers, metadata.
    """
    places = [index for index, image in enumerate(images.ids) if image in rows]
    table = pd.DataFrame(
        {
            "index": places,
            "name": [images.names[index] for index in places],
            "id": [images.ids[index] for index in places],
        }
    )
    numbers = (
        [
            name
            for name, value in next(iter(rows.values())).items()
            if not isinstance(value, np.ndarray)
        ]
        if len(rows)
        else ["value"]
    )
    for name in numbers:
        table[name] = [rows[image][name] for image in table["id"]]
    table = with_metadata(table, images, taken=("rank",))
    table = table.sort_values("value", ascending=direction < 0, kind="stable", ignore_index=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table


def with_metadata(
    table: pd.DataFrame, images: ImageSet, taken: Collection[str] = ()
) -> pd.DataFrame:
    """Return the table with a column for each metadata column of its images; the column `index` has
    the places of the images.

    Columns of numbers become numbers. A column whose name is in the table or in `taken` is called
    "name (metadata)".
    """
    added = {}
    for column, values in images.metadata.items():
        chosen = pd.Series([values[place] for place in table["index"]], table.index, dtype=object)
        as_numbers = pd.to_numeric(chosen, errors="coerce")
        title = f"{column} (metadata)" if column in table or column in taken else column
        added[title] = as_numbers if len(chosen) and as_numbers.notna().all() else chosen
    return table.assign(**added)

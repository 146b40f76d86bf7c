"""Measuring images: one generator that keeps each result before it goes on, and results in memory.

A result is a `row`, the numbers and arrays a measure keeps of one image, under a key made of everything it depends on:
model digest, image id, measure and parameters.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.images import ImageSet
from memlib.measures import MEASURES, Row

CHUNK = 16  # images measured together: large enough to fill a CPU, small enough that stopping loses little


class Results(MutableMapping[str, Row]):
    """Rows by key, the least recently used dropped beyond `limit` bytes of arrays."""

    def __init__(self, limit: int = 512 * 2**20) -> None:
        self.limit, self.bytes = limit, 0
        self._rows: OrderedDict[str, Row] = OrderedDict()

    def __getitem__(self, key: str) -> Row:
        self._rows.move_to_end(key)
        return self._rows[key]

    def __setitem__(self, key: str, row: Row) -> None:
        self.pop(key, None)
        self._rows[key] = row
        self.bytes += _size(row)
        while self.bytes > self.limit and len(self._rows) > 1:
            self.bytes -= _size(self._rows.popitem(last=False)[1])

    def __delitem__(self, key: str) -> None:
        self.bytes -= _size(self._rows.pop(key))

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._rows))  # reading a row reorders them

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)


def _size(row: Row) -> int:
    return 200 + sum(value.nbytes for value in row.values() if isinstance(value, np.ndarray))


def result_key(model: str, image: str, run: str, parameters: Mapping[str, Any]) -> str:
    """The key of one result, `run` being the measure's function; two results with equal keys are the same number."""
    return "/".join((model, image, run, json.dumps(parameters, sort_keys=True)))


def result_keys(model: str, images: Iterable[str], run: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """The key of each image's result."""
    last = result_key(model, "", run, parameters).removeprefix(model + "/")
    return {image: f"{model}/{image}{last}" for image in images}


def held_out_sample(images: ImageSet) -> list[int]:
    """Every eighth image of the group called held-out: they stand for all where measuring those would take too long."""
    return [index for index, group in enumerate(images.metadata.get("group", ())) if group == "held-out"][::8]


def measure_pictures(
    denoiser: Denoiser, pictures: Tensor, measure: str, parameters: Mapping[str, Any], callback: Callable[[int, int], object] | None = None
) -> list[Row]:
    """The rows of pictures (B, *picture_shape), or of their latents, measured together."""
    result = MEASURES[measure].function(denoiser, denoiser.encode(pictures), **parameters, callback=callback)
    return [result.row(place) for place in range(len(pictures))]


def measure_images(
    denoiser: Denoiser,
    images: ImageSet,
    indices: Sequence[int],
    measure: str,
    parameters: Mapping[str, Any],
    results: MutableMapping[str, Row],
    progress: Callable[[float], object] | None = None,
) -> Iterator[tuple[int, int]]:
    """Measure images[indices], or their latents, in chunks, skip what `results` has, and store each chunk before yielding (done, total).

    `progress` is called with the share of the work that is done, several times a chunk; an exception it raises stops
    the work and keeps the finished chunks.
    """
    by_image = result_keys(denoiser.digest, (images.ids[index] for index in indices), MEASURES[measure].run, parameters)
    keys = {index: by_image[images.ids[index]] for index in indices}
    todo = list({keys[index]: index for index in indices if keys[index] not in results}.values())
    for start in range(0, len(todo), CHUNK):
        chunk = todo[start : start + CHUNK]

        def report(done: int, total: int, start: int = start, count: int = len(chunk)) -> None:
            if progress:
                progress((start + count * done / total) / len(todo))

        rows = measure_pictures(denoiser, images.batch(chunk), measure, parameters, report)
        results.update(zip((keys[index] for index in chunk), rows, strict=True))
        yield start + len(chunk), len(todo)


def measure_one(
    denoiser: Denoiser,
    image: Tensor,
    name: str,
    measure: str,
    parameters: Mapping[str, Any],
    results: MutableMapping[str, Row],
    progress: Callable[[float], object] | None = None,
) -> Row:
    """The row of one image (C, H, W) known by its id `name`: from `results`, or measured and put there."""
    key = result_key(denoiser.digest, name, MEASURES[measure].run, parameters)
    if key not in results:

        def report(done: int, total: int) -> None:
            if progress:
                progress(done / total)

        (results[key],) = measure_pictures(denoiser, image[None], measure, parameters, report)
    return results[key]


def forward_seconds(denoiser: Denoiser) -> float:
    """Seconds one network forward of one image takes here, in a batch; the better of two tries."""
    y = torch.zeros(CHUNK // 2, *denoiser.shape, device=denoiser.device)
    times = []
    with torch.no_grad():
        for _ in range(2):
            started = time.perf_counter()
            denoiser.noise(y, denoiser.sigma_max).sum().item()  # item() waits for the device
            times.append(time.perf_counter() - started)
    return min(times) / len(y)


def result_table(images: ImageSet, rows: Mapping[str, Row], direction: int) -> pd.DataFrame:
    """One line an image that has a row (by id), most memorised first: rank, name, id, the row's numbers, metadata."""
    places = [index for index, image in enumerate(images.ids) if image in rows]
    table = pd.DataFrame(
        {"index": places, "name": [images.names[index] for index in places], "id": [images.ids[index] for index in places]}
    )
    numbers = [name for name, value in next(iter(rows.values())).items() if not isinstance(value, np.ndarray)] if len(rows) else ["value"]
    for name in numbers:
        table[name] = [rows[image][name] for image in table["id"]]
    for column, values in images.metadata.items():
        chosen = pd.Series([values[index] for index in places], dtype=object)
        as_numbers = pd.to_numeric(chosen, errors="coerce")
        table[f"{column} (metadata)" if column in table or column == "rank" else column] = (
            as_numbers if len(chosen) and as_numbers.notna().all() else chosen
        )
    table = table.sort_values("value", ascending=direction < 0, kind="stable", ignore_index=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table

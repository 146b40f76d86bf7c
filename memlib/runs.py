"""Measuring many images: one generator that keeps each result before it goes on, and results on disk.

A result is a `row`, the numbers and arrays a measure keeps of one image, under a key made of everything it depends on:
model digest, image id, measure and parameters. A run folder holds `manifest.json` and `results.parquet`.
"""

import datetime
import json
import platform
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.images import ImageSet
from memlib.measures import MEASURES, Row

FORMAT = 1
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

        result = MEASURES[measure].function(denoiser, denoiser.encode(images.batch(chunk)), **parameters, callback=report)
        for place, index in enumerate(chunk):
            results[keys[index]] = result.row(place)
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

        results[key] = MEASURES[measure].function(denoiser, denoiser.encode(image[None]), **parameters, callback=report).row(0)
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


def provenance(denoiser: Denoiser, images: ImageSet, measure: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Everything needed to know where a table of results comes from."""
    return {
        "format": FORMAT,
        "measure": MEASURES[measure].run,
        "parameters": dict(parameters),
        "model": {"name": denoiser.name, "digest": denoiser.digest},
        "images": {"name": images.name, "digest": images.digest, "count": len(images)},
        "chunk": CHUNK,
        "threads": torch.get_num_threads(),
        "device": str(denoiser.device),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "numpy": np.__version__,
        },
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def write_run(folder: Path, manifest: Mapping[str, Any], rows: Mapping[str, Row]) -> None:
    """Write {image id: row} and its manifest, each file in one atomic move, the manifest last. Arrays keep 16 significant bits."""
    first = next(iter(rows.values()))
    columns: dict[str, pa.Array] = {"id": pa.array(list(rows))}
    shapes = {}
    for name, value in first.items():
        if isinstance(value, np.ndarray):
            shapes[name] = list(value.shape)
            flat = _rounded(np.concatenate([row[name].astype(np.float32).ravel() for row in rows.values()]))
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat), value.size)
        else:
            columns[name] = pa.array([row[name] for row in rows.values()], pa.float64())
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "results.parquet.partial"
    floats = [f"{name}.list.element" for name in shapes]
    pq.write_table(
        pa.table(columns),
        partial,
        compression="zstd",
        compression_level=15,
        use_dictionary=False,
        column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
    )
    partial.replace(folder / "results.parquet")
    partial = folder / "manifest.json.partial"
    partial.write_text(json.dumps({**manifest, "shapes": shapes}, indent=2) + "\n")
    partial.replace(folder / "manifest.json")


def _rounded(values: np.ndarray) -> np.ndarray:
    """float32 rounded to 16 significant bits, 1e-5 relative: far below the noise of any map, and zeros compress."""
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.round(mantissa * 2**16) / 2**16, exponent), dtype=np.float32)


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Row]]:
    """The manifest and {image id: row} of a run folder; ValueError where it is damaged or of another format."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        if manifest.get("format") != FORMAT:
            raise ValueError(f"format {manifest.get('format')!r} instead of {FORMAT}")
        table = pq.read_table(folder / "results.parquet")
        columns: dict[str, Any] = {}
        for name in table.column_names[1:]:
            column = table[name].combine_chunks()
            shape = manifest["shapes"].get(name)
            columns[name] = column.to_numpy(zero_copy_only=False) if shape is None else column.flatten().to_numpy().reshape(-1, *shape)
        rows = {
            image: {name: float(values[place]) if values.ndim == 1 else values[place] for name, values in columns.items()}
            for place, image in enumerate(table["id"].to_pylist())
        }
    except (OSError, ValueError, KeyError, AttributeError, pa.ArrowException) as error:
        raise ValueError(f"The run in {folder.name!r} cannot be read: {error}.") from error
    return manifest, rows


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

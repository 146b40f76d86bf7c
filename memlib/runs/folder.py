"""Run folders: the results of one measure on one model, stored chunk by chunk and read without
being loaded whole.

    manifest.json            what was measured, with what, when
    chunk-00000012.parquet   the rows of the images of chunk 12, numbers and arrays
    arrays-000003.parquet    the arrays of part 3, PART chunks merged: small row groups, so that one image's maps are read at once
    numbers-000003.parquet   the numbers of part 3, with each image's id, name and metadata; where it is there, the part is whole
    numbers.parquet          the numbers of all parts once the run is whole, the most memorised first, with their rank

Images stand in a fixed order, and chunk k holds images k * chunk to (k + 1) * chunk - 1 of it.
Every file appears in one atomic move after its bytes are on the disk, so a run that was killed at
any moment goes on with the chunks that are missing.
"""

import datetime
import errno
import json
import os
import platform
import re
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import diffusers
import duckdb
import numpy as np
import pyarrow as pa
import torch
from filelock import FileLock, Timeout

from memlib.denoisers import Denoiser
from memlib.images import ImageSet
from memlib.images.cache import cache_folder
from memlib.measures import MEASURES, Measure, Row
from memlib.runs.files import (
    META,
    literal,
    plainly,
    quoted,
    read,
    regrouped,
    rows_of_group,
    schema_of,
    shape_of,
    table_of,
    values_of,
    write_json,
    write_tables,
)
from memlib.runs.results import CHUNK

FORMAT = 2
PART = 256  # chunks that are merged into one part
ROWS = 2**12  # rows of numbers in a row group of a whole run: what is read for a page of them
LARGEST, LARGEST_CHUNK = 10**9, 2**16  # a manifest that says more is damaged, or a trap
OF_IMAGE = ("position", "index", "id", "name")  # position in the run, index in the image set
RANK = (
    "rank"  # 1 for the most memorised of a whole run; equal values in the order of their positions
)


def engine_settings() -> dict[str, Any]:
    """Of DuckDB: bounded memory, and a folder of the user's own for what does not fit into it,
    which no other connection clears.
    """
    return {
        "memory_limit": "1GB",
        "threads": 2,
        "temp_directory": str(cache_folder() / f"spill-{uuid.uuid4().hex}"),
    }


def provenance(
    denoiser: Denoiser,
    images: ImageSet,
    measure: str,
    parameters: Mapping[str, Any],
    *,
    threads: int | None = None,
) -> dict[str, Any]:
    """Everything needed to know where a table of results comes from."""
    return {
        "format": FORMAT,
        "measure": MEASURES[measure].run,
        "parameters": dict(parameters),
        "model": {"name": denoiser.name, "digest": denoiser.digest},
        "images": {"name": images.name, "digest": images.digest, "count": len(images)},
        "chunk": CHUNK,
        **_circumstances(denoiser, threads),
    }


def _circumstances(denoiser: Denoiser, threads: int | None) -> dict[str, Any]:
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "numpy": np.__version__,
    }
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "threads": threads or torch.get_num_threads(),
        "device": str(denoiser.device),
        "versions": versions,
        "date": date,
    }


class Run:
    """A run folder. Reading needs nothing else; writing happens inside `with run.held()`."""

    def __init__(self, folder: Path) -> None:
        """Open a run; ValueError where it is damaged, no run, or of another version."""
        self.folder = folder
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            found = manifest["format"]
            if found == FORMAT:
                self.count, self.chunk, self.part = (
                    int(manifest[name]) for name in ("count", "chunk", "part")
                )
                if not (
                    0 < self.count <= LARGEST
                    and 0 < self.chunk <= LARGEST_CHUNK
                    and 0 < self.part <= LARGEST_CHUNK
                    and self._parts <= LARGEST_CHUNK
                ):
                    raise ValueError(
                        f"{self.count} images in chunks of {self.chunk}, {self.part} a part"
                    )
                self.measure, self.parameters = (
                    str(manifest["measure"]),
                    dict(manifest["parameters"]),
                )
                self.model = str(manifest["model"]["digest"])
                for told in (
                    manifest["date"],
                    manifest["device"],
                    manifest["model"]["name"],
                    manifest["images"]["name"],
                    manifest["images"]["digest"],
                ):
                    if not isinstance(told, str):
                        raise ValueError(f"{told!r:.40} is no text")
                if not isinstance(manifest["selection"], list | None) or not isinstance(
                    manifest["sources"], dict | None
                ):
                    raise ValueError("selection or sources")
                if not self.measures:
                    raise ValueError(f"no measure here is called {self.measure!r:.40}")
                self.measures[0].read(self.parameters)
        except FileNotFoundError:
            raise ValueError(f"{folder.name!r} is no run: it has no manifest.json.") from None
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(
                f"The run {folder.name!r} cannot be read: its manifest.json is damaged "
                f"({plainly(error)})."
            ) from error
        if found != FORMAT:
            newer = isinstance(found, int) and found > FORMAT
            raise ValueError(
                f"The run {folder.name!r} cannot be read: it is of format "
                f"{found!r:.20}, this version reads "
                f"{FORMAT}.{' Update Afterimage.' if newer else ''}"
            )
        self.manifest: dict[str, Any] = manifest
        self._columns: dict[str, tuple[int, ...] | None] = {}

    @classmethod
    def create(cls, folder: Path, manifest: Mapping[str, Any], count: int) -> "Run":
        """A new run of `count` images, or the one that is there already if it is the same;
        ValueError where it is another.

        Two runs are the same if measure, parameters, model, images, their number, chunk and what is
        kept are.
        """
        wanted = {**manifest, "count": count, "part": PART}
        if not 0 < manifest["chunk"] <= LARGEST_CHUNK or not 0 < count <= min(
            LARGEST, LARGEST_CHUNK * PART * manifest["chunk"]
        ):
            raise ValueError(
                f"{count:,} images in chunks of {manifest['chunk']} are no run: a chunk has 1 to "
                f"{LARGEST_CHUNK} images, and not too few for so many."
            )
        if (folder / "manifest.json").exists():
            run = cls(folder)
            for name, what in {
                "measure": "measure",
                "parameters": "settings",
                "model": "model",
                "images": "images",
                "count": "number of images",
                "selection": "chosen images",
                "chunk": "chunk",
                "arrays": "choice of what to keep",
            }.items():
                there, here = run.manifest.get(name), wanted.get(name)
                if name in ("model", "images"):
                    there, here = there["digest"], here["digest"]  # type: ignore[index]
                if there != here:
                    raise ValueError(
                        f"The folder {folder.name!r} holds a run with another "
                        f"{what}: {there!r:.80} instead of {here!r:.80}. Choose "
                        "another folder."
                    )
            if (
                wanted["sources"] and run.manifest["sources"] != wanted["sources"]
            ):  # the same model and images, moved
                run.manifest["sources"] = wanted["sources"]
                write_json(folder / "manifest.json", run.manifest)
            return run
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "manifest.json", wanted)
        return cls(folder)

    def held(self) -> FileLock:
        """The right to write: one process at a time; released when the process ends, however it
        does.
        """
        lock = FileLock(self.folder / ".lock", timeout=2)
        try:
            lock.acquire()
        except Timeout:
            raise ValueError(
                f"Another process is working on the run {self.folder.name!r}."
            ) from None
        for left in self.folder.glob("*.partial"):
            left.unlink(missing_ok=True)
        return lock

    def resumed(self, denoiser: Denoiser, threads: int | None = None) -> None:
        """Note in the manifest that the rest of the run is made now and here."""
        self.manifest = {
            **self.manifest,
            "resumed": [*self.manifest.get("resumed", []), _circumstances(denoiser, threads)],
        }
        write_json(self.folder / "manifest.json", self.manifest)

    @property
    def chunks(self) -> int:
        return -(-self.count // self.chunk)

    @property
    def _parts(self) -> int:
        return -(-self.chunks // self.part)

    @property
    def _whole(self) -> Path:
        return self.folder / "numbers.parquet"

    def places(self, chunk: int) -> range:
        """Positions of the images of a chunk."""
        return range(chunk * self.chunk, min(self.count, (chunk + 1) * self.chunk))

    @cached_property
    def _stored(self) -> tuple[set[int], set[int]]:
        """Parts and chunks that are there, as the folder was when it was first asked."""
        parts: set[int] = set()
        chunks: set[int] = set()
        if self._whole.exists():
            return set(range(self._parts)), chunks
        with os.scandir(self.folder) as entries:
            for entry in entries:
                match = re.fullmatch(r"(numbers|chunk)-(\d+)\.parquet", entry.name)
                if match:
                    (parts if match[1] == "numbers" else chunks).add(int(match[2]))
        return parts, {chunk for chunk in chunks if chunk // self.part not in parts}

    @property
    def stamp(self) -> str:
        """Changes when the run grows."""
        parts, chunks = self._stored
        return (
            f"{self.manifest['date']} {self.model} {sorted(parts)} {sorted(chunks)} "
            f"{self._whole.exists()}"
        )

    @property
    def measures(self) -> list[Measure]:
        """The measures whose numbers the run holds, with these settings or others."""
        return [measure for measure in MEASURES.values() if measure.run == self.measure]

    def again(self) -> "Run":
        """The run as it is now."""
        return Run(self.folder)

    def _of_part(self, part: int) -> range:
        return range(part * self.part, min(self.chunks, (part + 1) * self.part))

    def pending(self) -> list[int]:
        """Chunks that are not stored, in order."""
        parts, chunks = self._stored
        return [
            chunk
            for chunk in range(self.chunks)
            if chunk not in chunks and chunk // self.part not in parts
        ]

    @property
    def done(self) -> int:
        """How many images are measured."""
        parts, chunks = self._stored
        size = self.part * self.chunk
        return sum(min(self.count, (part + 1) * size) - part * size for part in parts) + sum(
            len(self.places(chunk)) for chunk in chunks
        )

    def numbers(self) -> list[Path]:
        """The files that hold the numbers of what is measured, in the order of the images."""
        if self._whole.exists():
            return [self._whole]
        parts, chunks = self._stored
        files = {part * self.part: self._file("numbers", part) for part in parts} | {
            chunk: self._file("chunk", chunk) for chunk in chunks
        }
        return [files[place] for place in sorted(files)]

    def _file(self, kind: str, number: int) -> Path:
        return self.folder / f"{kind}-{number:0{8 if kind == 'chunk' else 6}d}.parquet"

    def store(self, chunk: int, images: Mapping[str, Sequence[Any]], rows: Sequence[Row]) -> None:
        """Keep the rows of a chunk, and merge its part when that is whole; `images` are the columns
        that say which they are of.
        """
        table = table_of(self.places(chunk), images, rows, arrays=self.manifest.get("arrays", True))
        write_tables(self._file("chunk", chunk), [table], effort=1)  # until it is merged
        self._stored[1].add(chunk)
        self._merge(chunk // self.part)
        self._seal()

    def tidy(self) -> None:
        """Merge the parts that are whole but for that, and remove what was merged; after a process
        was killed.
        """
        for part in range(self._parts):
            self._merge(part)
        for file in self.folder.glob("chunk-*.parquet"):
            if int(file.stem.removeprefix("chunk-")) // self.part in self._stored[0]:
                file.unlink()
        self._seal()

    def _merge(self, part: int) -> None:
        parts, chunks = self._stored
        own = self._of_part(part)
        if part in parts or not chunks.issuperset(own):
            return
        files = [self._file("chunk", chunk) for chunk in own]
        schemas = [schema_of(file) for file in files]
        arrays = [name for name in schemas[0].names if shape_of(schemas[0].field(name)) is not None]
        if arrays:
            write_tables(
                self._file("arrays", part), regrouped(read(file, arrays) for file in files)
            )
        numbers = [
            read(file, [name for name in schema.names if name not in arrays])
            for file, schema in zip(files, schemas, strict=True)
        ]
        write_tables(
            self._file("numbers", part), [pa.concat_tables(numbers, promote_options="default")]
        )  # metadata may have changed
        parts.add(part)
        chunks.difference_update(own)
        for file in files:
            file.unlink()

    def _seal(self) -> None:
        """Once all parts are there, their numbers become one file in the order it is mostly looked
        at: a page of rows lies together.
        """
        if len(self._stored[0]) < self._parts:
            return
        files = [self._file("numbers", part) for part in range(self._parts)]
        if not self._whole.exists():
            column, direction = self.main
            order = f'"{column}" {"DESC" if direction > 0 else "ASC"} NULLS LAST, position'
            partial = self._whole.with_name(f"{self._whole.name}.partial")
            try:
                with duckdb.connect(config=engine_settings()) as engine:
                    engine.execute(
                        f"COPY (SELECT row_number() OVER (ORDER BY {order}) AS {RANK}, * FROM "
                        f"read_parquet($files, union_by_name = true) ORDER BY {RANK}) TO "
                        f"'{quoted(partial)}' "
                        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS})",
                        {"files": [literal(file) for file in files]},
                    )
                with partial.open("rb+") as stream:
                    os.fsync(stream.fileno())
            except duckdb.Error as error:
                raise OSError(
                    errno.ENOSPC if "No space left" in str(error) else errno.EIO,
                    str(error).splitlines()[0],
                    str(self._whole),
                ) from error
            finally:
                if sys.exc_info()[0]:
                    partial.unlink(missing_ok=True)
            partial.replace(self._whole)
        for file in files:
            file.unlink(missing_ok=True)

    @property
    def main(self) -> tuple[str, int]:
        """The number the run is about, and its direction."""
        numbers = [name for name, shape in self.columns().items() if shape is None]
        if not numbers:
            raise ValueError(f"The run {self.folder.name!r} holds no numbers.")
        return next(
            (
                (measure.column, measure.direction)
                for measure in self.measures
                if measure.column in numbers
            ),
            (numbers[0], 1),
        )

    def columns(self) -> dict[str, tuple[int, ...] | None]:
        """What is known of each image besides which it is: None for a number, the shape of an
        array.
        """
        if not self._columns:
            self._columns = self._read_columns()
        return self._columns

    def _read_columns(self) -> dict[str, tuple[int, ...] | None]:
        files = self.numbers()
        if not files:
            return {}
        schema, parts = schema_of(files[0]), self._stored[0]
        if parts:
            arrays = self._file("arrays", min(parts))
            schema = pa.schema([*schema, *(schema_of(arrays) if arrays.exists() else [])])
        return {
            field.name: shape_of(field)
            for field in schema
            if field.name not in (*OF_IMAGE, RANK) and not field.name.startswith(META)
        }

    def arrays(self, positions: Sequence[int], name: str) -> np.ndarray:
        """One array of each of some images, (N, *shape), by position; ValueError where an image is
        not measured.
        """
        parts, chunks = self._stored
        wanted: dict[tuple[Path, int], list[int]] = {}
        sizes: dict[Path, int] = {}  # rows of a row group
        for place, position in enumerate(positions):
            chunk, part = position // self.chunk, position // self.chunk // self.part
            if part in parts:
                file, offset = self._file("arrays", part), position - part * self.part * self.chunk
                if file not in sizes:
                    sizes[file] = rows_of_group(file)
                wanted.setdefault((file, offset // sizes[file]), []).append(place)
            elif chunk in chunks:
                wanted.setdefault((self._file("chunk", chunk), -1), []).append(place)
            else:
                raise ValueError(
                    f"Image {position} of the run {self.folder.name!r} is not measured."
                )
        found: list[np.ndarray | None] = [None] * len(positions)
        for (file, group), places in wanted.items():
            table = read(file, [name]) if group < 0 else read(file, [name], group)
            first = (
                int(file.stem.removeprefix("chunk-")) * self.chunk
                if group < 0
                else int(file.stem.removeprefix("arrays-")) * self.part * self.chunk
                + group * sizes[file]
            )
            values = values_of(table, name)
            for place in places:
                found[place] = values[positions[place] - first]
        return np.stack([values for values in found if values is not None])

    def spread(self, most: int) -> list[int]:
        """Positions of at most so many measured images, evenly spread over what is measured."""
        parts, chunks = self._stored
        ranges = [
            range(
                part * self.part * self.chunk, min(self.count, (part + 1) * self.part * self.chunk)
            )
            for part in parts
        ]
        ranges += [self.places(chunk) for chunk in chunks]
        ranges.sort(key=lambda one: one.start)
        ends = np.cumsum([len(one) for one in ranges])
        places = np.unique(np.linspace(0, ends[-1] - 1, min(most, ends[-1])).round().astype(int))
        held = np.searchsorted(ends, places, side="right")
        return [
            ranges[one][place - int(ends[one])]  # counted from the end of its range
            for one, place in zip(held.tolist(), places.tolist(), strict=True)
        ]

    def tables(self, arrays: bool = True) -> Iterator[pa.Table]:
        """Everything, part by part, or the numbers alone."""
        parts, chunks = self._stored
        whole = (
            read(self._whole, None).sort_by("position").drop_columns(RANK)
            if self._whole.exists()
            else None
        )
        size = self.part * self.chunk
        for part in range(self._parts):
            if part in parts:
                table = (
                    read(self._file("numbers", part), None)
                    if whole is None
                    else whole[part * size : (part + 1) * size]
                )
                more = self._file("arrays", part)
                if arrays and more.exists():
                    beside = read(more, None)
                    for field in beside.schema:
                        table = table.append_column(field, beside[field.name])
                yield table
            else:
                names = (
                    None
                    if arrays
                    else [
                        *OF_IMAGE,
                        *(name for name, shape in self.columns().items() if shape is None),
                    ]
                )
                yield from (
                    read(self._file("chunk", chunk), names)
                    for chunk in self._of_part(part)
                    if chunk in chunks
                )

    def rows(self, arrays: bool = True) -> dict[str, Row]:
        """{image id: row} of everything, or of the numbers alone; for runs that fit into memory."""
        found: dict[str, Row] = {}
        for table in self.tables(arrays):
            names = [
                name
                for name in table.column_names
                if name not in OF_IMAGE and not name.startswith(META)
            ]
            columns = {name: values_of(table, name) for name in names}
            for place, image in enumerate(table["id"].to_pylist()):
                found[image] = {
                    name: float(values[place]) if values.ndim == 1 else values[place]
                    for name, values in columns.items()
                }
        return found


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Row]]:
    """The manifest and {image id: row} of a small run; ValueError where it is damaged or of another
    format.
    """
    run = Run(folder)
    return run.manifest, run.rows()

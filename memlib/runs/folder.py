"""Run folders: the results of one measure on one model, stored chunk by chunk and read without
being loaded whole.

    manifest.json           what was measured, with what, when
    chunk-00000012.parquet  the rows of the images of chunk 12, numbers and arrays
    arrays-000003.parquet   the arrays of part 3, which is PART chunks, in small row groups
    numbers-000003.parquet  its numbers, ids, names and metadata; if it exists, the part is complete
    numbers.parquet         those of all parts, the most memorised first, once the run is complete

Images have a fixed order, and chunk k contains images k * chunk to (k + 1) * chunk - 1 of it. Every
file appears in one atomic move after its bytes are on the disk, so a run that was killed at any
moment continues with the missing chunks.
"""

import errno
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from filelock import FileLock, Timeout

from memlib.denoisers import Denoiser
from memlib.images.cache import cache_folder
from memlib.measures import Row
from memlib.runs.manifest import LARGEST, LARGEST_CHUNK, PART, check_same, circumstances
from memlib.runs.parts import (
    literal,
    quoted,
    read,
    regrouped,
    schema_of,
    shape_of,
    table_of,
    write_json,
    write_tables,
)
from memlib.runs.results import Results
from memlib.runs.stored import RANK, Stored

ROWS = 2**12  # rows in a row group of a complete run: the unit that is read for a page of rows


def engine_settings() -> dict[str, Any]:
    """Return a configuration of DuckDB: bounded memory, and a private folder for spilled data,
    which no other connection clears.
    """
    return {
        "memory_limit": "1GB",
        "threads": 2,
        "temp_directory": str(cache_folder() / f"spill-{uuid.uuid4().hex}"),
    }


class Run(Stored):
    """A run folder that can be written to, inside `with run.held()`."""

    @classmethod
    def create(cls, folder: Path, manifest: Mapping[str, Any], count: int) -> "Run":
        """Create a run of `count` images, or return the existing one if it is the same. Raises
        ValueError if the folder contains another run.

        Two runs are the same if they agree in measure, parameters, model, images, their number,
        chunk and what is stored.
        """
        wanted = {**manifest, "count": count, "part": PART}
        if not 0 < manifest["chunk"] <= LARGEST_CHUNK or not 0 < count <= min(
            LARGEST, LARGEST_CHUNK * PART * manifest["chunk"]
        ):
            raise ValueError(
                f"{count:,} images in chunks of {manifest['chunk']} cannot be a run: a chunk has 1 "
                "to "
                f"{LARGEST_CHUNK} images, and not too few for so many."
            )
        if (folder / "manifest.json").exists():
            run = cls(folder)
            check_same(folder, run.manifest, wanted)
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
        """Hold the right to write, one process at a time; it is released when the process ends for
        any reason.
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
        """Record in the manifest that the rest of the run is made now, on this machine."""
        self.manifest = {
            **self.manifest,
            "resumed": [*self.manifest.get("resumed", []), circumstances(denoiser, threads)],
        }
        write_json(self.folder / "manifest.json", self.manifest)

    def again(self) -> "Run":
        """Return the run in its current state."""
        return Run(self.folder, roots=self.roots)

    def pending(self) -> list[int]:
        """List the chunks that are not stored, in order."""
        parts, chunks = self._stored
        return [
            chunk
            for chunk in range(self.chunks)
            if chunk not in chunks and chunk // self.part not in parts
        ]

    def store(self, chunk: int, images: Mapping[str, Sequence[Any]], rows: Sequence[Row]) -> None:
        """Store the rows of a chunk, and merge its part when that is complete; `images` are the
        columns that identify the images.
        """
        table = table_of(self.places(chunk), images, rows, arrays=self.manifest.get("arrays", True))
        write_tables(self._file("chunk", chunk), [table], effort=1)  # until the part is merged
        self._stored[1].add(chunk)
        self._merge(chunk // self.part)
        self._seal()

    def tidy(self) -> None:
        """Merge complete parts and remove merged chunks, which a killed process may have left."""
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
        """Once all parts exist, write their numbers to one file in the most common order, so that
        the rows of a page are adjacent.
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


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Row]]:
    """Read the manifest and {image id: row} of a small run. Raises ValueError if it is damaged or
    of another format.
    """
    run = Run(folder)
    return run.manifest, run.rows()


def read_numbers(folder: Path) -> Results:
    """Read the numbers of every run in a folder, without maps; none is dropped for want of room.

    Raises ValueError as `read_run` does.
    """
    found = Results(2**40)
    for manifest in sorted(folder.glob("*/manifest.json")):
        run = Run(manifest.parent)
        found.add(run.model, run.measure, run.parameters, run.rows(arrays=False))
    return found

"""The files of a run, read without loading them whole; their layout is described in `folder.py`."""

import os
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from memlib.measures import Measure, Row
from memlib.runs.manifest import measures_of, read_manifest
from memlib.runs.parts import META, read, rows_of_group, schema_of, shape_of, values_of
from memlib.sources import Roots, Source

OF_IMAGE = ("position", "index", "id", "name")  # position in the run, index in the image set
# 1 for the most memorised of a complete run; equal values in the order of their positions
RANK = "rank"


class Stored:
    """The results of a run in its folder."""

    def __init__(self, folder: Path, *, roots: Roots = None) -> None:
        """Open a run. Raises ValueError if it is damaged, of another version or not a run, and with
        `roots` if a file of it is outside these folders.
        """
        self.roots = roots
        if roots is not None:
            folder = Path(Source(folder, roots).tree().place)
        self.folder, self.manifest = folder, read_manifest(folder)
        self.count, self.chunk, self.part = (
            int(self.manifest[name]) for name in ("count", "chunk", "part")
        )
        self.measure = str(self.manifest["measure"])
        self.parameters = dict(self.manifest["parameters"])
        self.model = str(self.manifest["model"]["digest"])
        self._columns: dict[str, tuple[int, ...] | None] = {}

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
        """Return the positions of the images of a chunk."""
        return range(chunk * self.chunk, min(self.count, (chunk + 1) * self.chunk))

    @cached_property
    def _stored(self) -> tuple[set[int], set[int]]:
        """The parts and chunks in the folder when it was first read."""
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
        """A text that changes when the run grows."""
        parts, chunks = self._stored
        return (
            f"{self.manifest['date']} {self.model} {sorted(parts)} {sorted(chunks)} "
            f"{self._whole.exists()}"
        )

    @property
    def measures(self) -> list[Measure]:
        """The measures whose numbers the run contains, with these settings or others."""
        return measures_of(self.measure, self.parameters)

    def _of_part(self, part: int) -> range:
        return range(part * self.part, min(self.chunks, (part + 1) * self.part))

    @property
    def done(self) -> int:
        """The number of measured images."""
        parts, chunks = self._stored
        size = self.part * self.chunk
        return sum(min(self.count, (part + 1) * size) - part * size for part in parts) + sum(
            len(self.places(chunk)) for chunk in chunks
        )

    def numbers(self) -> list[Path]:
        """Return the files with the numbers of the measured images, in the order of the images."""
        if self._whole.exists():
            return [self._whole]
        parts, chunks = self._stored
        files = {part * self.part: self._file("numbers", part) for part in parts} | {
            chunk: self._file("chunk", chunk) for chunk in chunks
        }
        return [files[place] for place in sorted(files)]

    def _file(self, kind: str, number: int) -> Path:
        return self.folder / f"{kind}-{number:0{8 if kind == 'chunk' else 6}d}.parquet"

    @property
    def main(self) -> tuple[str, int]:
        """The main number of the run, and its direction."""
        numbers = [name for name, shape in self.columns().items() if shape is None]
        if not numbers:
            raise ValueError(f"The run {self.folder.name!r} contains no numbers.")
        return next(
            (
                (measure.column, measure.direction)
                for measure in self.measures
                if measure.column in numbers
            ),
            (numbers[0], 1),
        )

    def columns(self) -> dict[str, tuple[int, ...] | None]:
        """Return the columns of each image besides those that identify it: None for a number, the
        shape of an array.
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
        """Return one array of some images, (N, *shape), by position. Raises ValueError if an image
        is not measured.
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
        """Return the positions of at most `count` measured images, evenly spread over the measured
        ones.

        Only the ends of stored ranges are in memory, whatever number of images a manifest claims.
        """
        parts, chunks = self._stored
        size = self.part * self.chunk
        ends = sorted(
            [(part * size, min(self.count, (part + 1) * size)) for part in parts]
            + [(one.start, one.stop) for one in map(self.places, chunks)]
        )
        if not ends:
            return []
        starts = np.array([start for start, _ in ends])
        before = np.concatenate([[0], np.cumsum([end - start for start, end in ends])])
        wanted = np.unique(np.linspace(0, before[-1] - 1, most).round().astype(int))
        stretch = np.searchsorted(before, wanted, "right") - 1
        return [int(place) for place in starts[stretch] + wanted - before[stretch]]

    def tables(self, arrays: bool = True) -> Iterator[pa.Table]:
        """Yield everything, part by part, or only the numbers."""
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
        """Return {image id: row} of everything, or only of the numbers; for runs that fit into
        memory.
        """
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

"""Pictures in tables: Parquet files with the encoded bytes in a column, and data sets of the
Hugging Face Hub.

Both keep a picture as bytes, or as {"bytes", "path"}, and what is known of it (a label, a group) in
other columns. A path in a table is never opened. A Hub data set is named "owner/name",
"owner/name/config", followed by "@revision" and ":split"; the split is "train" by default.
"""

import tempfile
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from memlib.confined import Tick
from memlib.images.archives import Member, check_pictures, check_unpacked
from memlib.images.columns import check_size, printable
from memlib.images.files import open_file, stamp_file
from memlib.images.pictures import Encoded, ask_about, read_at, stamp_of, whole, words
from memlib.quoting import first_line, quoted
from memlib.sources import DATA_SET

NO_PICTURE = "has no picture"
ONLY_A_PATH = "names a file instead of holding the picture; files named in a table are not opened"


class Parquet(Encoded):
    """Rows of Parquet files; their pictures are copied once to a temporary file, so that any of
    them can be read by itself.
    """

    def __init__(self, paths: Sequence[Path], name: str, tick: Tick | None = None) -> None:
        name = printable(name)
        self.stamp = stamp_of([(stamp_file(path), 0, 0) for path in paths])
        self._file: BinaryIO = tempfile.TemporaryFile(prefix="afterimage-")  # noqa: SIM115
        self._ends, self._missing = array("q"), set[int]()
        self.metadata: dict[str, list[str]] = {}
        packed, size = 0, 0
        for path in paths:
            with open_file(path) as file:
                packed += file.seek(0, 2)
                for found, data in ask_about("parquet", name, [file], tick):
                    size += len(data)
                    check_unpacked(size, packed, name)
                    self._add(found, data)
            check_pictures(len(self._ends), packed, name)
            check_size(len(self.metadata), len(self._ends), name)
        if not self._ends:
            raise ValueError(f"{name!r} holds no pictures.")
        self._file.flush()
        self.metadata = {
            column: values
            for column, values in self.metadata.items()
            if len(values) == len(self._ends)
        }
        self.names = [f"{name}[{place}]" for place in range(len(self._ends))]

    def packed(self, place: int) -> tuple[Member, bytes]:
        if place in self._missing:
            raise ValueError(NO_PICTURE)
        start = self._ends[place - 1] if place else 0
        return whole(read_at(self._file, start, self._ends[place] - start))

    def _add(self, found: dict[str, Any], data: bytearray) -> None:
        """Some more rows."""
        end = self._ends[-1] if self._ends else 0
        last = end + len(data)
        for length in found.get("lengths", []):
            if length < 0:
                self._missing.add(len(self._ends))
            end += max(0, int(length))
            self._ends.append(end)
        if end != last:
            raise ValueError("The process that read the table answered nonsense.")
        for column, values in found.get("columns", {}).items():
            self.metadata.setdefault(column, []).extend(words(values))
        self._file.write(data)


class HubData(Encoded):
    """A split of a Hub data set, downloaded and memory-mapped by the `datasets` library."""

    def __init__(self, source: str, token: str | None = None) -> None:
        from memlib.images import parquet

        match = DATA_SET.fullmatch(source)
        if not match:
            raise ValueError(f"There is no file or folder {quoted(source)}.")
        try:
            import datasets
            import huggingface_hub
        except ImportError as error:
            raise ValueError(
                "Data sets of the Hub need the Python package datasets, which is not installed."
            ) from error
        repo, config, split = match["repo"], match["config"], match["split"] or "train"
        try:
            commit = (
                huggingface_hub.HfApi(token=token)
                .dataset_info(repo, revision=match["revision"])
                .sha
            )
            data = datasets.load_dataset(repo, config, split=split, revision=commit, token=token)
        except Exception as error:  # offline, unknown, private, no such split
            raise ValueError(
                f"{quoted(source)} is not a file or folder here and could not be fetched from "
                f"the Hub ({type(error).__name__}: {first_line(error, 160)})."
            ) from error
        if not isinstance(data, datasets.Dataset) or not len(data):
            raise ValueError(f"{quoted(source)} is not a table of pictures.")
        schema = data.features.arrow_schema
        self.column = parquet.picture_column(schema, source)
        if isinstance(data.features[self.column], datasets.Image):
            data = data.cast_column(self.column, datasets.Image(decode=False))
        labels = {
            name: feature.names
            for name, feature in data.features.items()
            if isinstance(feature, datasets.ClassLabel)
        }
        self.source = f"{repo}{f'/{config}' if config else ''}@{commit}:{split}"
        self.stamp = stamp_of([(self.source, len(data), 0)])
        self.names = [f"{repo.split('/')[-1]}/{split}[{index}]" for index in range(len(data))]
        plain = parquet.plain_columns(schema, self.column)
        check_size(len(plain), len(data), source)
        self.metadata = {}
        for name in plain:
            table = data.select_columns([name]).with_format("arrow")[:]
            self.metadata[printable(name)] = [
                word
                for part in table[name].chunks
                for word in parquet.words(part.to_pylist(), labels.get(name))
            ]
        self._data = data.select_columns([self.column])

    def packed(self, place: int) -> tuple[Member, bytes]:
        value = self._data[place][self.column]
        if isinstance(value, Mapping):
            if value.get("bytes") is None and value.get("path"):
                raise ValueError(ONLY_A_PATH)
            value = value.get("bytes")
        if not isinstance(value, bytes):
            raise ValueError(NO_PICTURE)
        return whole(value)

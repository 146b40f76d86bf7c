"""Pictures in tables: Parquet files with the encoded bytes in a column, and data sets of the
Hugging Face Hub.

Both keep a picture as bytes, or as {"bytes", "path"}, and what is known of it (a label, a group) in
other columns. A Hub data set is named "owner/name", "owner/name/config", with "@revision" and
":split" behind it; the split is "train" by default.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from memlib.images.decode import LARGEST_FILE, decode
from memlib.images.sources import check_unpacked, printable, stamp_of
from memlib.images.transform import Pixels
from memlib.sources import DATA_SET

AT_ONCE = 64 * 2**20  # bytes of a table read together


class Parquet:
    """Rows of Parquet files, rewritten once to a temporary Arrow file that is memory-mapped: any
    row can then be read by itself.
    """

    def __init__(self, paths: Sequence[Path], name: str) -> None:
        self.stamp = stamp_of(
            [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
        )
        try:
            self._open(paths, name)
        except (
            pa.ArrowException,
            OSError,
            KeyError,
            TypeError,
            IndexError,
            OverflowError,
            UnicodeError,
            RecursionError,
        ) as error:
            raise ValueError(f"{name!r} is damaged or no Parquet file.") from error
        if not self.names:
            raise ValueError(f"{name!r} holds no pictures.")

    def _open(self, paths: Sequence[Path], name: str) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix="afterimage-", ignore_cleanup_errors=True
        )  # goes when the image set does
        arrow = str(Path(self._folder.name) / "pictures.arrow")
        packed, size = sum(path.stat().st_size for path in paths), 0
        known: dict[str, list[str]] = {}
        starts = [0]
        column, schema = None, pa.schema([("bytes", pa.binary())])
        with pa.ipc.new_file(arrow, schema) as sink:
            for path in paths:
                table = pq.ParquetFile(path)
                check_unpacked(sum(_chunks(table)), packed, name)
                column = column or _picture_column(table.schema_arrow, name)
                labels = class_names(table.schema_arrow.metadata)
                plain = _plain_columns(table.schema_arrow, column)
                rows = max(
                    1, min(256, AT_ONCE // max(1, *_chunks(table)))
                )  # a dictionary can repeat one value in every row
                for batch in table.iter_batches(rows, columns=[column, *plain]):
                    data = _bytes(batch.column(column))
                    size += data.nbytes
                    check_unpacked(size, packed, name)
                    sink.write_batch(pa.record_batch([data], schema=schema))
                    starts.append(starts[-1] + len(data))
                    for other in plain:
                        known.setdefault(other, []).extend(
                            _words(batch.column(other).to_pylist(), labels.get(other))
                        )
        self.metadata = {
            printable(other): values for other, values in known.items() if len(values) == starts[-1]
        }
        self.names = [f"{printable(name)}[{index}]" for index in range(starts[-1])]
        self._starts = starts
        self._table = pa.ipc.open_file(pa.memory_map(arrow))

    def read(self, index: int) -> Pixels:
        from bisect import bisect_right

        part = bisect_right(self._starts, index) - 1
        value = self._table.get_batch(part).column(0)[index - self._starts[part]]
        if not value.is_valid:
            raise ValueError("has no picture")
        return decode(value.as_py())


class HubData:
    """A split of a Hub data set, downloaded and memory-mapped by the `datasets` library."""

    def __init__(self, source: str, token: str | None = None) -> None:
        match = DATA_SET.fullmatch(source)
        if not match:
            raise ValueError(f"There is no file or folder {source[:200]!r}.")
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
        except (
            Exception
        ) as error:  # offline, unknown, private, no such split: the user can only try another way
            first = (str(error).strip().splitlines() or [""])[0]
            raise ValueError(
                f"{source!r} is no file or folder here and could not be fetched from the Hub "
                f"({type(error).__name__}: {first:.160})."
            ) from error
        if not isinstance(data, datasets.Dataset) or not len(data):
            raise ValueError(f"{source!r} is no table of pictures.")
        schema = data.features.arrow_schema
        self.column = _picture_column(schema, source)
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
        table = (
            data.select_columns(_plain_columns(schema, self.column)).with_format("arrow")[:]
            if len(schema) > 1
            else None
        )
        self.metadata = (
            {}
            if table is None
            else {
                printable(name): _words(table[name].to_pylist(), labels.get(name))
                for name in table.column_names
            }
        )
        self._data = data.select_columns([self.column])

    def read(self, index: int) -> Pixels:
        value = self._data[index][self.column]
        if isinstance(value, Mapping):
            value = value.get("bytes") or (
                Path(value["path"]).read_bytes() if value.get("path") else None
            )
        if not isinstance(value, bytes):
            raise ValueError("has no picture")
        return decode(value)


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """The names of the numbered classes that Hugging Face writes into a table's metadata, by
    column.
    """
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: feature["names"]
            for name, feature in features.items()
            if feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return {}


def _chunks(table: pq.ParquetFile) -> Iterator[int]:
    """Bytes of each column chunk, unpacked."""
    details = table.metadata
    for group in range(details.num_row_groups):
        for column in range(details.num_columns):
            yield max(0, details.row_group(group).column(column).total_uncompressed_size)


def _binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _picture_column(schema: pa.Schema, name: str) -> str:
    for column in schema:
        kind = column.type
        if _binary(kind) or (
            pa.types.is_struct(kind)
            and any(field.name == "bytes" and _binary(field.type) for field in kind)
        ):
            return str(column.name)
    raise ValueError(
        f"{name!r} has no column of picture bytes; its columns are {', '.join(schema.names)[:200]}."
    )


def _plain_columns(schema: pa.Schema, column: str) -> list[str]:
    """The columns of words and numbers beside the pictures."""

    def plain(kind: pa.DataType) -> bool:
        return bool(
            pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
            or pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_boolean(kind)
        )

    return [field.name for field in schema if field.name != column and plain(field.type)]


def _bytes(column: pa.Array) -> pa.Array:
    data = pa.compute.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
    longest = pa.compute.max(pa.compute.binary_length(data)).as_py() or 0
    if longest > LARGEST_FILE:
        raise ValueError(f"A picture in the table is larger than {LARGEST_FILE >> 20} MB.")
    return data.cast(pa.binary())


def _words(values: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    """What a table says of each picture, as words; numbered classes by their names."""
    if names and all(isinstance(value, int) and 0 <= value < len(names) for value in values):
        values = [names[value] for value in values]
    return ["" if value is None else printable(str(value)) for value in values]

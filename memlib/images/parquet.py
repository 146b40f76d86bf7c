"""Read the rows of a Parquet file: encoded pictures in one column, what is known of them in others.

Without torch: decoder processes import it.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from memlib.images.archives import check_pictures, check_unpacked
from memlib.images.columns import check_size, printable
from memlib.images.decode import LARGEST_FILE
from memlib.quoting import shortened

AT_ONCE = 64 * 2**20  # bytes of a table read together
ROWS = 256
DAMAGE = (
    pa.ArrowException,
    OSError,
    KeyError,
    TypeError,
    IndexError,
    OverflowError,
    UnicodeError,
    RecursionError,
)


def read_rows(
    files: Sequence[BinaryIO], name: str
) -> Iterator[tuple[list[bytes | None], dict[str, list[str]]]]:
    """Some rows after the other: their pictures, and the values of each plain column.

    Raises ValueError where the files are damaged or unpack to far more than pictures do.
    """
    try:
        yield from _rows(files, name)
    except DAMAGE as error:
        raise ValueError(f"{name!r} is damaged or no Parquet file.") from error


def _rows(
    files: Sequence[BinaryIO], name: str
) -> Iterator[tuple[list[bytes | None], dict[str, list[str]]]]:
    packed = sum(file.seek(0, os.SEEK_END) for file in files)
    size = count = 0
    column = ""
    for file in files:
        file.seek(0)
        table = pq.ParquetFile(file, pre_buffer=False, buffer_size=2**20)
        check_unpacked(sum(_chunks(table)), packed, name)
        column = column or picture_column(table.schema_arrow, name)
        labels = class_names(table.schema_arrow.metadata)
        plain = plain_columns(table.schema_arrow, column)
        check_size(len(plain), table.metadata.num_rows, name)
        count += table.metadata.num_rows
        check_pictures(count, packed, name)
        # a dictionary can repeat one value in every row
        rows = max(1, min(ROWS, AT_ONCE // max(1, *_chunks(table))))
        for batch in table.iter_batches(rows, columns=[column, *plain], use_threads=False):
            size += batch.nbytes
            check_unpacked(size, packed, name)
            known = {
                printable(other): words(batch.column(other).to_pylist(), labels.get(other))
                for other in plain
            }
            yield _bytes(batch.column(column)), known


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """The names of the numbered classes that Hugging Face writes into a table's metadata, by
    column.
    """
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: [str(one) for one in feature["names"]]
            for name, feature in features.items()
            if feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return {}


def picture_column(schema: pa.Schema, name: str) -> str:
    """The first column of bytes, or of {"bytes", ...}; ValueError where there is none."""
    for column in schema:
        kind = column.type
        if _binary(kind) or (
            pa.types.is_struct(kind)
            and any(field.name == "bytes" and _binary(field.type) for field in kind)
        ):
            return str(column.name)
    found = shortened(", ".join(schema.names[:20]), 200)
    raise ValueError(f"{name!r} has no column of picture bytes; its columns are {found}.")


def plain_columns(schema: pa.Schema, column: str) -> list[str]:
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


def words(values: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    """What a table says of each picture, as words; numbered classes by their names."""
    if names and all(isinstance(value, int) and 0 <= value < len(names) for value in values):
        values = [names[value] for value in values]
    return ["" if value is None else printable(str(value)) for value in values]


def _chunks(table: pq.ParquetFile) -> Iterator[int]:
    """Bytes of each column chunk, unpacked."""
    details = table.metadata
    for group in range(details.num_row_groups):
        for column in range(details.num_columns):
            yield max(0, details.row_group(group).column(column).total_uncompressed_size)


def _binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _bytes(column: pa.Array) -> list[bytes | None]:
    data = pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
    longest = pc.max(pc.binary_length(data)).as_py() or 0
    if longest > LARGEST_FILE:
        raise ValueError(f"A picture in the table is larger than {LARGEST_FILE >> 20} MB.")
    found: list[bytes | None] = data.to_pylist()
    return found

"""The files of a run folder: Parquet written in one atomic move, rows of numbers and arrays as
tables and back.

An array is a column of lists of equal length; its shape stands in the metadata of the column.
"""

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from memlib.measures import Row
from memlib.quoting import first_line

GROUP = 2**20  # bytes of arrays in a row group
META = "meta."  # before the names of metadata columns, which may be called anything


def rounded(values: np.ndarray) -> np.ndarray:
    """float32 rounded to 16 significant bits, 1e-5 relative: far below the noise of any map, and
    zeros compress.
    """
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.round(mantissa * 2**16) / 2**16, exponent), dtype=np.float32)


def table_of(
    positions: Sequence[int],
    images: Mapping[str, Sequence[Any]],
    rows: Sequence[Row],
    *,
    arrays: bool,
) -> pa.Table:
    """The rows of some images: their positions, the columns that say which they are, numbers, and
    the arrays if those are kept.
    """
    columns: dict[str, pa.Array] = {"position": pa.array(positions, pa.int64())}
    columns |= {
        name: pa.array(values, pa.int64() if name == "index" else pa.string())
        for name, values in images.items()
    }
    fields = {}
    for name, value in rows[0].items():
        if not isinstance(value, np.ndarray):
            columns[name] = pa.array(
                [row[name] for row in rows], pa.float64(), from_pandas=True
            )  # NaN is null: engines sort it
        elif arrays:
            flat = rounded(np.concatenate([row[name].astype(np.float32).ravel() for row in rows]))
            columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat), value.size)
            fields[name] = pa.field(
                name, columns[name].type, metadata={"shape": json.dumps(value.shape)}
            )
    return pa.table(
        columns,
        pa.schema(
            [fields.get(name, pa.field(name, column.type)) for name, column in columns.items()]
        ),
    )


def shape_of(field: pa.Field) -> tuple[int, ...] | None:
    """The shape of an array's column, None for any other column."""
    found = (field.metadata or {}).get(b"shape")
    return None if found is None else tuple(json.loads(found))


def values_of(table: pa.Table, name: str) -> np.ndarray:
    """A column as an array (rows, *shape)."""
    shape, column = shape_of(table.schema.field(name)), table[name].combine_chunks()
    if shape is None:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    return np.asarray(column.flatten().to_numpy()).reshape(len(column), *shape)


def literal(path: Path) -> str:
    """The path as DuckDB reads one, for which *, ? and [ would stand for other names."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def quoted(path: Path) -> str:
    """A path inside the quotes of a query."""
    return str(path).replace("'", "''")


def regrouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of about GROUP bytes, all of equally many rows but for the last."""
    held = first = next(tables)
    size = max(1, GROUP // max(1, first.nbytes // len(first)))
    for table in itertools.chain(tables, [None]):
        while len(held) >= size or (table is None and len(held)):
            yield held[:size].combine_chunks()
            held = held[size:]
        held = held if table is None else pa.concat_tables([held, table])


def rows_of_group(file: Path) -> int:
    try:
        return int(pq.read_metadata(file).row_group(0).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise damaged(file, error) from error


def schema_of(file: Path) -> pa.Schema:
    try:
        return pq.read_schema(file)
    except (OSError, pa.ArrowException) as error:
        raise damaged(file, error) from error


def read(file: Path, columns: Sequence[str] | None, group: int | None = None) -> pa.Table:
    try:
        with pq.ParquetFile(file) as parquet:
            table = (
                parquet.read(columns=columns)
                if group is None
                else parquet.read_row_group(group, columns=columns)
            )
        table.validate(full=True)  # words that are no UTF-8 are found here, not where they are read
        return table
    except (OSError, pa.ArrowException) as error:
        raise damaged(file, error) from error


def damaged(file: Path, error: Exception) -> ValueError:
    return ValueError(
        f"The run {file.parent.name!r} cannot be read: {file.name} is damaged "
        f"({first_line(error, 100)}). Restore that file, or delete the folder to measure "
        "the run again."
    )


def write_tables(file: Path, tables: Iterable[pa.Table], effort: int = 15) -> None:
    """A Parquet file with one row group a table, in one atomic move once its bytes are on
    the disk.
    """
    partial, writer = file.with_name(f"{file.name}.partial"), None
    try:
        with partial.open("wb") as stream:
            for table in tables:
                if writer is None:
                    schema = table.schema
                    floats = {
                        f"{field.name}.list.element": "BYTE_STREAM_SPLIT"
                        for field in schema
                        if shape_of(field) is not None
                    }
                    words = [field.name for field in schema if field.name.startswith(META)]
                    writer = pq.ParquetWriter(
                        stream,
                        schema,
                        compression="zstd",
                        compression_level=effort,
                        use_dictionary=words,
                        column_encoding=floats or None,
                    )
                writer.write_table(table, row_group_size=max(1, len(table)))
            if writer is not None:
                writer.close()
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(file)


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    with partial.open("w") as stream:
        stream.write(json.dumps(value, indent=2) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)

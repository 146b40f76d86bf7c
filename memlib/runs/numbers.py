"""The numbers of a run, sorted, filtered and counted in their files: only the rows that are asked
for come into memory.
"""

import io
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from memlib.quoting import first_line, quoted
from memlib.runs.folder import Run, engine_settings
from memlib.runs.parts import META, literal
from memlib.runs.rows import ALL, Filter
from memlib.runs.stored import OF_IMAGE, RANK

BINS = 60
# columns are asked for as t."name": a bare name could be another column's alias, in any case
SOURCE = "read_parquet($files, union_by_name = true) AS t"


class Numbers:
    """Queries on the numbers of a run, as it was when it was opened. May be shared by threads."""

    def __init__(self, run: Run) -> None:
        """ValueError where nothing is measured yet."""
        self.run, self.files = run, [literal(file) for file in run.numbers()]
        if not self.files:
            raise ValueError(f"Nothing of the run {run.folder.name!r} is measured yet.")
        self._connection = duckdb.connect(config=engine_settings())
        self._connection.execute(
            "SET enable_progress_bar = false; SET parquet_metadata_cache = true"
        )
        types = {row[0]: row[1] for row in self._fetch(f"DESCRIBE SELECT * FROM {SOURCE}", {})}
        self.names = [
            name
            for name, shape in run.columns().items()
            if shape is None and types.get(name) == "DOUBLE"
        ]  # the numbers
        known = list(types)
        self.ranked = (
            RANK in known
        )  # the run is whole, and its rows are in the order of its main number
        self.known = int(
            self._fetch(f"SELECT count({self._column(run.main[0])}) FROM {SOURCE}", {})[0][0]
        )  # values that are not NaN
        self.metadata = [name.removeprefix(META) for name in known if name.startswith(META)]

    def count(self, where: Filter = ALL) -> int:
        """How many rows pass."""
        condition, values = self._where(where)
        return int(self._fetch(f"SELECT count(*) FROM {SOURCE} {condition}", values)[0][0])

    def page(
        self, by: str, descending: bool, offset: int, limit: int, where: Filter = ALL
    ) -> pd.DataFrame:
        """Some rows in the order of a number, of the image's name or of its index; NaN last, equal
        values by position.
        """
        query, values = self._ordered(by, descending, where)
        if (
            self.ranked
            and where == ALL
            and (by, descending) == (self.run.main[0], self.run.main[1] > 0)
        ):
            query = (
                f"SELECT {self._shown()} FROM {SOURCE} WHERE {RANK} > $offset AND {RANK} <= "
                f"$offset + $limit ORDER BY {RANK}"
            )
            return self._frame(query, {"limit": limit, "offset": offset})
        return self._frame(
            f"{query} LIMIT $limit OFFSET $offset", values | {"limit": limit, "offset": offset}
        )

    def row(self, image: str, where: Filter = ALL) -> pd.Series | None:
        """The row of an image by its id, None where it does not pass."""
        condition, values = self._where(where)
        condition += f"{' AND' if condition else 'WHERE'} t.id = $image"
        found = self._frame(
            f"SELECT {self._shown()} FROM {SOURCE} {condition} LIMIT 1", values | {"image": image}
        )
        return found.iloc[0] if len(found) else None

    def place(self, image: str, by: str, descending: bool, where: Filter = ALL) -> int | None:
        """How many rows come before the image in this order, None where it does not pass."""
        row = self.row(image, where)
        if row is None:
            return None
        column, condition = self._column(by), self._where(where)[0]
        values = self._where(where)[1] | {"position": int(row["position"])}
        if pd.isna(row[by]):
            before = f"{column} IS NOT NULL OR t.position < $position"
        else:
            sign, values["value"] = ">" if descending else "<", float(row[by])
            before = f"{column} {sign} $value OR {column} = $value AND t.position < $position"
        condition += f"{' AND' if condition else 'WHERE'} ({before})"
        return int(self._fetch(f"SELECT count(*) FROM {SOURCE} {condition}", values)[0][0])

    def export(self, by: str, descending: bool, where: Filter, provenance: str) -> bytes:
        """Every row that passes, in order, as a Parquet file with its provenance in the metadata,
        under `afterimage`.
        """
        query, values = self._ordered(by, descending, where)
        batches, stream = self._execute(query, values).to_arrow_reader(100_000), io.BytesIO()
        schema = batches.schema.with_metadata({b"afterimage": provenance.encode()})
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch.replace_schema_metadata(schema.metadata))
        return stream.getvalue()

    def _ordered(self, by: str, descending: bool, where: Filter) -> tuple[str, dict[str, Any]]:
        condition, values = self._where(where)
        order = f"{self._column(by)} {'DESC' if descending else 'ASC'} NULLS LAST, t.position"
        return f"SELECT {self._shown()} FROM {SOURCE} {condition} ORDER BY {order}", values

    def _shown(self) -> str:
        metadata = (f"{self._meta(name)} AS {_quoted(self._label(name))}" for name in self.metadata)
        return ", ".join(
            [
                *map(self._column, OF_IMAGE),
                *([f"t.{RANK}"] if self.ranked else []),
                *map(self._column, self.names),
                *metadata,
            ]
        )

    def rank(self, by: str, descending: bool, value: float) -> int:
        """1 + how many images have a value further up in the order."""
        sign = ">" if descending else "<"
        found = self._fetch(
            f"SELECT count(*) FROM {SOURCE} WHERE {self._column(by)} {sign} $value",
            {"value": value},
        )
        return int(found[0][0]) + 1

    def choices(self, column: str, most: int = 100) -> list[str]:
        """The values of a metadata column, the most frequent first."""
        name = self._meta(column)
        return [
            str(row[0])
            for row in self._fetch(
                f"SELECT {name} FROM {SOURCE} GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT $most",
                {"most": most},
            )
        ]

    def histogram(self, name: str, where: Filter = ALL, bins: int = BINS) -> pd.DataFrame:
        """Counts of the rows that pass in equal bins over the whole range of a number: columns
        `low`, `high`, `count`.
        """
        column = self._column(name)
        low, high = self._fetch(f"SELECT min({column}), max({column}) FROM {SOURCE}", {})[0]
        if low is None:
            return pd.DataFrame({"low": [], "high": [], "count": []})
        width = (high - low) / bins or 1.0
        condition, values = self._where(where)
        condition = f"{condition} {'AND' if condition else 'WHERE'} {column} IS NOT NULL"
        found = dict(
            self._fetch(
                f"SELECT least(floor(({column} - $first) / $width), "
                f"$last)::INTEGER, count(*) FROM {SOURCE} {condition} GROUP BY "
                "1",
                values | {"first": low, "width": width, "last": bins - 1},
            )
        )
        edges = low + width * np.arange(bins + 1)
        return pd.DataFrame(
            {
                "low": edges[:-1],
                "high": edges[1:],
                "count": [int(found.get(place, 0)) for place in range(bins)],
            }
        )

    def _where(self, where: Filter) -> tuple[str, dict[str, Any]]:
        conditions: list[str] = []
        values: dict[str, Any] = {}
        if where.text:
            conditions.append("contains(lower(t.name), lower($text))")
            values["text"] = where.text
        if where.values:
            conditions.append(f"{self._meta(where.column)} IN (SELECT unnest($chosen))")
            values["chosen"] = list(where.values)
        return f"WHERE {' AND '.join(conditions)}" if conditions else "", values

    def _column(self, name: str) -> str:
        """A column of the files, quoted; ValueError for any other word."""
        if name not in (*self.names, *OF_IMAGE):
            raise ValueError(
                f"The run has no number {quoted(name, 60)}; it has {', '.join(self.names)}."
            )
        return f"t.{_quoted(name)}"

    def _meta(self, name: str) -> str:
        if name not in self.metadata:
            raise ValueError(
                f"The run has no column {quoted(name, 60)}; it has "
                f"{', '.join(self.metadata) or 'none'}."
            )
        return f"t.{_quoted(META + name)}"

    def _label(self, name: str) -> str:
        """What a metadata column is called beside the others."""
        taken = {known.casefold() for known in (*OF_IMAGE, RANK, *self.names)}
        return f"{name} (metadata)" if name.casefold() in taken else name or "(no name)"

    def _execute(self, query: str, values: dict[str, Any]) -> Any:
        try:
            return self._connection.cursor().execute(query, {"files": self.files} | values)
        except duckdb.Error as error:
            raise ValueError(
                f"The run {self.run.folder.name!r} cannot be read: {first_line(error)}."
            ) from error

    def _fetch(self, query: str, values: dict[str, Any]) -> list[tuple]:
        found: list[tuple] = self._execute(query, values).fetchall()
        return found

    def _frame(self, query: str, values: dict[str, Any]) -> pd.DataFrame:
        found: pd.DataFrame = self._execute(query, values).df()
        return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

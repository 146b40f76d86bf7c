"""Rows of images that can be filtered, ordered and read page by page: a table in memory, or a query
on files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Filter:
    """A filter for rows whose name contains `text` (ignoring case) and whose metadata column
    `column` has one of `values`; if empty, all pass.
    """

    text: str = ""
    column: str = ""
    values: tuple[str, ...] = ()

    def told(self) -> str:
        """Return the filter in words, "" if all rows pass."""
        parts = [f"{self.column}: {', '.join(self.values)}"] if self.values else []
        return "; ".join(parts + ([f"name contains {self.text!r}"] if self.text else []))


ALL = Filter()


class Rows(Protocol):
    """What an image browser needs from its rows, in memory or in files.

    `names` are the columns of numbers, `metadata` those of text that can be filtered by.
    """

    names: list[str]
    metadata: list[str]

    def count(self, where: Filter = ALL) -> int:
        """Count the rows that pass."""

    def page(
        self, by: str, descending: bool, offset: int, limit: int, where: Filter = ALL
    ) -> pd.DataFrame:
        """Return up to `limit` rows from the one at `offset`, in the order of a number, NaN
        last.
        """

    def row(self, image: str, where: Filter = ALL) -> pd.Series | None:
        """Return the row of an image by its id, None if it does not pass."""

    def place(self, image: str, by: str, descending: bool, where: Filter = ALL) -> int | None:
        """Return how many rows come before the image in this order, None if it does not pass."""

    def choices(self, column: str, most: int = 100) -> list[str]:
        """List the values of a metadata column, the most frequent first."""


class TableRows:
    """The rows of a table in memory, identified by the column `key`; of several with one key the
    first counts.

    `text` is the column that `Filter.text` searches.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        metadata: Sequence[str] = (),
        *,
        key: str = "id",
        text: str = "name",
    ) -> None:
        self.whole, self.key, self.text = table, key, text
        self.table = table.drop_duplicates(key)
        self.metadata = [column for column in metadata if column in table]
        self.names = [
            str(column)
            for column in table.select_dtypes("number")
            if column not in (*self.metadata, key)
        ]

    def passing(self, where: Filter = ALL) -> pd.DataFrame:
        """Return all rows that pass, in the table's own order, with repeated keys."""
        return self.whole[_passes(self.whole, where, self.text)]

    def count(self, where: Filter = ALL) -> int:
        return int(_passes(self.table, where, self.text).sum())

    def page(
        self, by: str, descending: bool, offset: int, limit: int, where: Filter = ALL
    ) -> pd.DataFrame:
        return self._ordered(by, descending, where).iloc[offset : offset + limit]

    def row(self, image: str, where: Filter = ALL) -> pd.Series | None:
        found = self.table[self.table[self.key].astype(str) == image]
        return found.iloc[0] if len(found) and _passes(found, where, self.text).all() else None

    def place(self, image: str, by: str, descending: bool, where: Filter = ALL) -> int | None:
        ordered = self._ordered(by, descending, where)
        found = np.flatnonzero(ordered[self.key].astype(str) == image)
        return int(found[0]) if len(found) else None

    def choices(self, column: str, most: int = 100) -> list[str]:
        counts = self.table[column].astype(str).value_counts()
        return sorted(counts.index, key=lambda value: (-counts[value], value))[:most]

    def _ordered(self, by: str, descending: bool, where: Filter) -> pd.DataFrame:
        shown = self.table[_passes(self.table, where, self.text)]
        return shown.sort_values(by, ascending=not descending, kind="stable", na_position="last")


def _passes(table: pd.DataFrame, where: Filter, text: str) -> np.ndarray:
    passes = np.ones(len(table), bool)
    if where.text:
        names = table[text].astype(str).str.lower()
        passes &= names.str.contains(where.text.lower(), regex=False).to_numpy(bool)
    if where.values:
        passes &= table[where.column].astype(str).isin(where.values).to_numpy(bool)
    return passes

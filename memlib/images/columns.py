"""The metadata of pictures: the columns of a metadata.csv or of a table.

Bytes, rows, columns and cells are limited, because a small archive can unpack to any number of
them. This module does not use torch, since decoder processes import it.
"""

import csv
import io
from collections.abc import Iterator, Sequence

LONGEST_NAME = 300  # longest name or value that is kept, in letters
LARGEST_TABLE = 64 * 2**20  # bytes of a metadata.csv
LONGEST_ROW = 2**16  # letters
MOST_ROWS = 2_000_000
MOST_COLUMNS = 100
MOST_CELLS = 2**24  # columns times rows
TABLE = "metadata.csv"
KEY = "file_name"


def printable(name: str) -> str:
    """Return a file name as text that can be shown: without control characters and broken unicode,
    at most 300 letters.
    """
    if len(name) <= LONGEST_NAME and name.isprintable():
        return name
    whole = name[: LONGEST_NAME + 1].encode("utf-8", "replace").decode()
    text = "".join(letter if letter.isprintable() else "?" for letter in whole)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def check_size(columns: int, rows: int, name: str = TABLE) -> None:
    """Raise ValueError for a table with more columns or cells than the limit."""
    if columns > MOST_COLUMNS:
        raise ValueError(
            f"{name!r} has {columns:,} columns besides the pictures; at most {MOST_COLUMNS} can "
            "be read. Leave out the others."
        )
    if columns * rows > MOST_CELLS:
        raise ValueError(
            f"{name!r} has {columns:,} columns for {rows:,} pictures, more than {MOST_CELLS:,} "
            "values. Leave out the columns you do not need."
        )


def read_table(data: bytes) -> tuple[list[str], Iterator[tuple[str, list[str]]]]:
    """Read the columns of a metadata.csv except file_name, and the file name and values of each
    row.

    Raises ValueError if it is larger than a table of pictures can be, csv.Error if it is damaged.
    """
    if len(data) > LARGEST_TABLE:
        raise ValueError(f"{TABLE!r} is larger than {LARGEST_TABLE >> 20} MB.")
    rows = _rows(data)
    header = next(rows, [])
    places = [place for place, column in enumerate(header) if column and column != KEY]
    check_size(len(places), 0)
    if KEY not in header:
        return [], iter(())
    key = len(header) - 1 - header[::-1].index(KEY)
    last = {
        header[place]: place for place in places
    }  # of two columns with the same name the last counts

    def values() -> Iterator[tuple[str, list[str]]]:
        for count, row in enumerate(rows, 1):
            check_size(len(last), count)
            if key < len(row):
                yield (
                    row[key],
                    [printable(row[at]) if at < len(row) else "" for at in last.values()],
                )

    return [printable(column) for column in last], values()


def _rows(data: bytes) -> Iterator[list[str]]:
    """Yield the rows that are not blank; the length of a row and the number of lines are
    limited.
    """
    length = 0

    def lines() -> Iterator[str]:
        nonlocal length
        text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", "replace", newline="")
        for count in range(1, MOST_ROWS + 2):
            line = text.readline(LONGEST_ROW + 1)
            length += len(line)
            if length > LONGEST_ROW:
                raise ValueError(f"{TABLE!r} has a row of more than {LONGEST_ROW:,} letters.")
            if not line:
                return
            if count > MOST_ROWS:
                raise ValueError(f"{TABLE!r} has more than {MOST_ROWS:,} lines.")
            yield line

    for row in csv.reader(lines()):
        length = 0
        if row:
            yield row


def join(
    columns: Sequence[str], rows: Iterator[tuple[str, list[str]]], keys: Sequence[str]
) -> dict[str, list[str]]:
    """Return the values of each column in the order of the pictures named `keys`; "" for none."""
    check_size(len(columns), len(keys))
    known: dict[str, str] = {}  # equal texts are stored once
    found = {key: [known.setdefault(value, value) for value in values] for key, values in rows}
    nothing = [""] * len(columns)
    return {
        column: [found.get(key, nothing)[place] for key in keys]
        for place, column in enumerate(columns)
    }

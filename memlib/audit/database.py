"""What the databases of verdicts ask for, each in its own way."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from memlib.quoting import quoted, shortened


def finite(value: Any) -> Any:
    """The same with None for every number JSON cannot hold: PostgreSQL refuses NaN."""
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    if hasattr(value, "item"):  # of numpy
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


KINDS = {
    "id": int,
    "revision": int,
    "based_on": int,
    "stands": bool,
    "region": list | None,
    "evidence": dict | None,
    "undoes": str | None,
    "verdict": str | None,
}  # of what an entry holds; the rest is text


def check_entry(names: Sequence[str], row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row of the database as it is; ValueError where somebody else wrote another kind of
    value into it.
    """
    for name, value in zip(names, row, strict=True):
        sides = value if name == "region" and isinstance(value, list) else [0] * 4
        whole = len(sides) == 4 and all(type(side) is int and 0 <= side <= 65536 for side in sides)
        if not isinstance(value, KINDS.get(name, str)) or not whole:
            raise ValueError(f"an entry is damaged, its {name} is {quoted(value, 40)}")
    return row


def arguments(place: sa.URL) -> dict[str, Any]:
    """SQLite waits for another writer, and leaves beginning a transaction to us."""
    if place.get_backend_name() != "sqlite":
        return {}
    return {"timeout": 30, "isolation_level": None}


def reason(error: Exception) -> str:
    """The driver's own words in one line, without the statement and its values."""
    return shortened(str(getattr(error, "orig", None) or error), 200).rstrip(".")

"""What SQLite, PostgreSQL and other databases need for verdicts."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from memlib.quoting import quoted, shortened


def finite(value: Any) -> Any:
    """Return the same value with None for every number that JSON cannot represent: PostgreSQL
    refuses NaN.
    """
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
}  # types of an entry's columns; the others are text


def check_entry(names: Sequence[str], row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row of the database unchanged. Raises ValueError if it contains a value of the wrong
    type.
    """
    for name, value in zip(names, row, strict=True):
        sides = value if name == "region" and isinstance(value, list) else [0] * 4
        whole = len(sides) == 4 and all(type(side) is int and 0 <= side <= 65536 for side in sides)
        if not isinstance(value, KINDS.get(name, str)) or not whole:
            raise ValueError(f"an entry is damaged, its {name} is {quoted(value, 40)}")
    return row


def arguments(place: sa.URL) -> dict[str, Any]:
    """Make SQLite wait for another writer, and let this module begin transactions."""
    if place.get_backend_name() != "sqlite":
        return {}
    return {"timeout": 30, "isolation_level": None}


def reason(error: Exception) -> str:
    """Return the driver's message in one line, without the statement and its values."""
    return shortened(str(getattr(error, "orig", None) or error), 200).rstrip(".")

"""What the databases of verdicts ask for, each in its own way."""

import math
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa


def finite(value: Any) -> Any:
    """The same with None for every number JSON cannot hold: PostgreSQL refuses NaN."""
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    if hasattr(value, "item"):  # of numpy
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def arguments(place: sa.URL) -> dict[str, Any]:
    """SQLite waits for another writer, and leaves beginning a transaction to us."""
    if place.get_backend_name() != "sqlite":
        return {}
    return {"timeout": 30, "isolation_level": None}


def reason(error: Exception) -> str:
    """The driver's own words in one line, without the statement and its values."""
    text = str(getattr(error, "orig", None) or error)
    return " ".join(text.split())[:200].rstrip(".")

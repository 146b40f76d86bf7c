"""The cache on disk between visits: indexes of large image sets, and thumbnails. It can be deleted
at any time.

It is in AFTERIMAGE_CACHE, or in the system's folder for caches; files are written in one move.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

INDEXED = 4000  # the index of sets with more pictures is cached
FORMAT = 1
MOST_THUMBNAILS = 100_000


def cache_folder() -> Path:
    """Return the cache folder, which is created if missing."""
    chosen = (
        os.environ.get("AFTERIMAGE_CACHE")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afterimage"
    )
    folder = Path(chosen)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@dataclass
class Index:
    """The usable pictures of a source: their `places` in it, their ids, those that were `skipped`
    (place, reason), and how many pictures have been read.
    """

    channels: int | None = None
    shape: tuple[int, int, int] | None = None
    places: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    done: int = 0


def _file(key: str) -> Path:
    return (
        cache_folder()
        / f"index-{hashlib.sha256(f'{FORMAT} {key}'.encode()).hexdigest()[:32]}.parquet"
    )


def read_index(key: str) -> Index:
    """Load the index stored under a key, which may be incomplete; an empty one if there is none."""
    try:
        table = pq.read_table(_file(key))
        details = json.loads(table.schema.metadata[b"afterimage"])
        shape = details["shape"]
        return Index(
            details["channels"],
            (shape[0], shape[1], shape[2]) if shape else None,
            table["place"].to_pylist(),
            table["id"].to_pylist(),
            [(place, reason) for place, reason in details["skipped"]],
            details["done"],
        )
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, IndexError):
        return Index()


def write_index(key: str, index: Index) -> None:
    details = {
        "channels": index.channels,
        "shape": index.shape,
        "skipped": index.skipped,
        "done": index.done,
    }
    table = pa.table(
        {"place": pa.array(index.places, pa.int64()), "id": pa.array(index.ids, pa.string())}
    )
    with contextlib.suppress(OSError):  # with a full or forbidden disk it is only slower
        partial = _file(key).with_suffix(f".{os.getpid()}.partial")
        pq.write_table(
            table.replace_schema_metadata({"afterimage": json.dumps(details)}),
            partial,
            compression="zstd",
        )
        partial.replace(_file(key))


def thumbnails(
    keys: Sequence[str], make: Callable[[Sequence[int]], Iterable[np.ndarray]]
) -> list[np.ndarray]:
    """Return the small pictures (h, w, 3) uint8 stored under the keys; `make(places)` makes missing
    ones, which are then stored.
    """
    try:
        with _thumbnails() as store:
            marks = ",".join("?" * len(keys))
            known = {
                key: np.frombuffer(data, np.uint8).reshape(h, w, 3)
                for key, h, w, data in store.execute(
                    f"SELECT * FROM t WHERE key IN ({marks})", keys
                )
            }
            places = [place for place, key in enumerate(keys) if key not in known]
            made = dict(zip((keys[place] for place in places), make(places), strict=True))
            store.executemany(
                "INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?)",
                [(key, *one.shape[:2], one.tobytes()) for key, one in made.items()],
            )
            store.execute(
                "DELETE FROM t WHERE rowid <= (SELECT max(rowid) FROM t) - ?", (MOST_THUMBNAILS,)
            )
        return [known[key] if key in known else made[key] for key in keys]
    except (sqlite3.Error, OSError, ValueError):  # damaged, locked or no space: made each time
        return list(make(range(len(keys))))


@contextlib.contextmanager
def _thumbnails() -> Iterator[sqlite3.Connection]:
    store = sqlite3.connect(cache_folder() / "thumbnails.sqlite", timeout=2)
    try:
        store.execute(
            "CREATE TABLE IF NOT EXISTS t (key TEXT PRIMARY KEY, height INTEGER, width INTEGER, "
            "pixels BLOB)"
        )
        with store:
            yield store
    finally:
        store.close()

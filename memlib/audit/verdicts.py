"""Verdicts on images in a database, as an append-only history: nothing in it is ever changed or
deleted.

Each reviewer has a line of revisions on each case (a model and an image). A verdict says which
revision it was based on. If that is no longer the one that stands, because the same reviewer
decided in another window meanwhile, it enters the history but does not stand, and its author is
told: no verdict overwrites another that was not seen. An undo is one more entry, which gives back
what stood before.
"""

import datetime
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from memlib.audit.database import arguments, check_entry, finite, reason
from memlib.quoting import quoted

VERDICTS = ("memorised", "partly memorised", "not memorised", "unsure")
LONGEST_NOTE, LONGEST_NAME = 4000, 100
LAST_REVISION = 2**31 - 1  # what a column of integers holds
COLUMNS = (
    "id",
    "action",
    "undoes",
    "image",
    "reviewer",
    "revision",
    "based_on",
    "stands",
    "verdict",
    "note",
    "region",
    "at",
)
TRIES = 20  # of a write that another one beat to its revision

_metadata = sa.MetaData()
_table = sa.Table(
    "verdicts",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column(
        "action", sa.String(64), nullable=False
    ),  # one press of a key, which may decide several images
    sa.Column("undoes", sa.String(64)),
    sa.Column("model", sa.String(64), nullable=False),
    sa.Column("image", sa.String(64), nullable=False),
    sa.Column("reviewer", sa.String(LONGEST_NAME), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("based_on", sa.Integer, nullable=False),
    sa.Column("stands", sa.Boolean, nullable=False),
    sa.Column("verdict", sa.String(32)),  # none where it was taken back
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("region", sa.JSON(none_as_null=True)),
    sa.Column("evidence", sa.JSON(none_as_null=True)),
    sa.Column("at", sa.String(32), nullable=False),
    sa.UniqueConstraint("model", "image", "reviewer", "revision"),
    sa.UniqueConstraint("action", "image"),
)


class Unsaved(ValueError):
    """The database could not be written to; trying again may help."""


@dataclass(frozen=True)
class Change:
    """What a reviewer says of one image: `based_on` is the revision of their own verdict that they
    saw, 0 for none.

    `region` is (top, left, bottom, right) in pixels of the image, the last two exclusive;
    `evidence` is what the page showed.
    """

    image: str
    verdict: str | None
    based_on: int = 0
    note: str = ""
    region: Sequence[int] | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.verdict is not None and self.verdict not in VERDICTS:
            raise ValueError(
                f"A verdict is one of {', '.join(VERDICTS)}, not {quoted(str(self.verdict), 40)}."
            )
        if len(self.note) > LONGEST_NOTE:
            raise ValueError(
                f"A note has at most {LONGEST_NOTE:,} characters, not {len(self.note):,}; shorten "
                "it."
            )
        if self.region is not None:
            whole = len(self.region) == 4 and all(
                isinstance(side, int) and 0 <= side <= 65536 for side in self.region
            )
            if not whole or self.region[0] >= self.region[2] or self.region[1] >= self.region[3]:
                raise ValueError(
                    "A region is (top, left, bottom, right) in pixels, not "
                    f"{quoted(list(self.region), 60)}; mark it again."
                )


class Verdicts:
    """The history in the database at a SQLAlchemy `url`; a table is made where there is none."""

    def __init__(self, url: str) -> None:
        try:
            place = sa.make_url(url)
            if (
                place.get_backend_name() == "sqlite"
                and place.database
                and place.database != ":memory:"
            ):
                Path(place.database).parent.mkdir(parents=True, exist_ok=True)
            self._engine = sa.create_engine(
                place, pool_pre_ping=True, connect_args=arguments(place)
            )
            if place.get_backend_name() == "sqlite":
                sa.event.listen(
                    self._engine,
                    "begin",
                    lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"),
                )
            self._make_table()
        except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
            raise ValueError(
                f"The database of verdicts cannot be opened: {reason(error)}. Check "
                "AFTERIMAGE_DATABASE."
            ) from error

    def _make_table(self) -> None:
        for last in (False, True):
            try:
                return _metadata.create_all(self._engine)
            except sa.exc.DBAPIError:  # another process made it between the look and the making
                if last:
                    raise
        return None

    def close(self) -> None:
        self._engine.dispose()

    def decide(
        self,
        model: str,
        reviewer: str,
        changes: Sequence[Change],
        action: str = "",
        undoes: str | None = None,
    ) -> list[str]:
        """Append the changes, all of them or none; returns the images whose change does not stand.

        `action` names this press of a key, so that sending it again does nothing. Raises ValueError
        for a reviewer without a name.
        """
        reviewer, action = check_name(reviewer), action or uuid.uuid4().hex
        if any(not 0 <= change.based_on <= LAST_REVISION for change in changes):
            raise ValueError("A verdict must be based on a revision that there is.")
        for attempt in range(TRIES):
            try:
                with self._engine.begin() as connection:
                    return self._append(connection, model, reviewer, changes, action, undoes)
            except sa.exc.IntegrityError:  # somebody was faster: look again at what stands
                if attempt == TRIES - 1:
                    raise
            except sa.exc.SQLAlchemyError as error:
                raise Unsaved(f"The verdict was not saved: {reason(error)}. Try again.") from error
        raise AssertionError

    def _append(
        self,
        connection: sa.Connection,
        model: str,
        reviewer: str,
        changes: Sequence[Change],
        action: str,
        undoes: str | None,
    ) -> list[str]:
        images = [change.image for change in changes]
        mine = (_table.c.model == model) & (_table.c.reviewer == reviewer)
        known = {
            row.image: row.stands
            for row in connection.execute(
                sa.select(_table.c.image, _table.c.stands).where(_table.c.action == action)
            )
        }
        last = _newest(connection, mine, images)
        standing = _newest(connection, mine & _table.c.stands, images)
        rows = [
            {
                "action": action,
                "undoes": undoes,
                "model": model,
                "image": change.image,
                "reviewer": reviewer,
                "revision": last.get(change.image, 0) + 1,
                "based_on": change.based_on,
                "stands": change.based_on == standing.get(change.image, 0),
                "verdict": change.verdict,
                "note": change.note.replace("\0", ""),
                "region": list(change.region) if change.region is not None else None,
                "evidence": finite(change.evidence),
                "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            }
            for change in changes
            if change.image not in known
        ]
        if rows:
            connection.execute(sa.insert(_table), rows)
        return [
            image
            for image, stands in (known | {row["image"]: row["stands"] for row in rows}).items()
            if not stands
        ]

    def undo(self, model: str, reviewer: str, undoes: str, action: str = "") -> list[str]:
        """Give back, for every image the action decided, what stood before it; returns the images
        that were decided again since.

        Undoing twice does nothing, and neither does undoing what did not stand.
        """
        names = (*COLUMNS, "evidence")
        mine = (_table.c.model == model) & (_table.c.reviewer == reviewer)
        decided = sa.select(_table.c.image).where(mine & (_table.c.action == undoes))
        query = sa.select(*(_table.c[name] for name in names)).where(
            mine & _table.c.stands & _table.c.image.in_(decided)
        )
        own = self._read(query.order_by(_table.c.id), names)
        if (own["undoes"] == undoes).any():
            return []
        changes = []
        for image in own.loc[own["action"] == undoes, "image"]:
            entries = own[own["image"] == image].to_dict("records")
            stack = effective(entries)
            old: Mapping[str, Any] = {"verdict": None, "note": "", "region": None, "evidence": {}}
            seen = next(line["revision"] for line in entries if line["action"] == undoes)
            if stack and stack[-1]["action"] == undoes:
                old, seen = (stack[-2] if len(stack) > 1 else old), entries[-1]["revision"]
            changes.append(
                Change(
                    image, old["verdict"], seen, old["note"], old["region"], old["evidence"] or {}
                )
            )
        return self.decide(model, reviewer, changes, action, undoes) if changes else []

    def history(self, model: str) -> pd.DataFrame:
        """Every entry about a model, oldest first, without the evidence it was given on."""
        query = (
            sa.select(*(_table.c[name] for name in COLUMNS))
            .where(_table.c.model == model)
            .order_by(_table.c.id)
        )
        return self._read(query, COLUMNS)

    def evidence(self, entries: Iterable[int]) -> dict[int, dict[str, Any]]:
        """What each of these entries was given on, by id.

        Entries never change, so what was read once need not be read again.
        """
        wanted = list(entries)
        found: dict[int, dict[str, Any]] = {}
        for start in range(0, len(wanted), 500):
            query = sa.select(_table.c.id, _table.c.evidence).where(
                _table.c.id.in_(wanted[start : start + 500])
            )
            found |= {
                row["id"]: row["evidence"] or {}
                for row in self._read(query, ("id", "evidence")).to_dict("records")
            }
        return found

    def _read(self, query: sa.Select, names: Sequence[str]) -> pd.DataFrame:
        try:
            with self._engine.connect() as connection:
                rows = [check_entry(names, tuple(row)) for row in connection.execute(query)]
        except (sa.exc.SQLAlchemyError, ValueError, TypeError, RecursionError) as error:
            raise Unsaved(f"The verdicts cannot be read: {reason(error)}. Try again.") from error
        return pd.DataFrame(
            {
                name: pd.Series([row[place] for row in rows], dtype=_dtype(name))
                for place, name in enumerate(names)
            }
        )


def effective(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of one reviewer's standing entries on one image, in order, those that no undo took back; the
    last is what holds.
    """
    stack: list[Mapping[str, Any]] = []
    for line in entries:
        if line["undoes"]:
            del stack[-1:]
        else:
            stack.append(line)
    return stack


def _dtype(name: str) -> str:
    return (
        "bool"
        if name == "stands"
        else "int64"
        if name in ("id", "revision", "based_on")
        else "object"
    )


def _newest(
    connection: sa.Connection, where: sa.ColumnElement[bool], images: Sequence[str]
) -> dict[str, int]:
    """The highest revision of each image among the entries `where` it holds."""
    found: dict[str, int] = {}
    for start in range(0, len(images), 500):  # databases limit how many values a query may hold
        chosen = where & _table.c.image.in_(images[start : start + 500])
        query = (
            sa.select(_table.c.image, sa.func.max(_table.c.revision))
            .where(chosen)
            .group_by(_table.c.image)
        )
        found |= {str(image): int(revision) for image, revision in connection.execute(query)}
    return found


def check_name(reviewer: str) -> str:
    """A reviewer's name without surrounding blanks; ValueError where it is none."""
    name = " ".join(reviewer.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"A reviewer needs a name of 1 to {LONGEST_NAME} characters, not "
            f"{quoted(reviewer, 40)}."
        )
    return name

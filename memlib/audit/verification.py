"""A report on disk, and its verification: report.html for people, report.json for programs, and
what others take from it (memlib.audit.extracts).

report.json has the tables, the numbers that follow from them, and a hash tree over all parts of
all files: each part is hashed with its name, and the root is the hash of these hashes. Its bytes
are determined by its content, so that any changed byte is found. A report that somebody made anew
has another root: whoever wants to be named as its author signs the root with a tool of their own.
"""

import hashlib
import io
import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from memlib.audit.derived import audit_of, findings, numbers
from memlib.audit.extracts import CARD, CROISSANT, TABLE, extracts
from memlib.audit.record import Record
from memlib.audit.report import PICTURE, Entry, html_report
from memlib.quoting import first_line, quoted

FORMAT = 2
HTML, DATA = "report.html", "report.json"
FILES = (HTML, DATA, CARD, CROISSANT, TABLE)
SECTION = re.compile(rb"(?=<article>|<h2>)")  # where the parts of the HTML begin
URL = re.compile(rf"{PICTURE}[A-Za-z0-9+/=]+")
PARTS = ("format", "facts", "tables", "numbers", "findings", "entries", "tree")
LARGEST = 2**29  # bytes of one of the files
TOLERANCE = 1e-9  # relative, of a number that is computed again: other processors round otherwise


@dataclass(frozen=True)
class Verified:
    """A report that was confirmed: its root, and how many parts and numbers were checked."""

    root: str
    parts: int
    numbers: int


def report_files(record: Record, entries: Sequence[Entry]) -> dict[str, bytes]:
    """Return the files of a report by their names; `entries` are its images."""
    tables = {name: _columns(table) for name, table in record.tables.items()}
    kept = _record(plain(record.facts), tables)  # what a reader will compute with
    found = plain(numbers(kept))
    pages = _pages(kept, found, entries)
    content = {
        "format": FORMAT,
        "facts": kept.facts,
        "tables": tables,
        "numbers": found,
        "findings": plain(findings(kept, found)),
        "entries": [plain(_without_pictures(entry)) for entry in entries],
    }
    data = canonical(content | {"tree": tree(content, pages)})
    return {HTML: pages[HTML], DATA: data} | pages


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return the files of a report as one .zip."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def read_report(place: Path) -> dict[str, bytes]:
    """Read a report: its folder, one of its files, or its .zip. Raises ValueError for anything
    else.
    """
    try:
        if place.suffix == ".zip":
            with zipfile.ZipFile(place) as archive:
                sizes = {one.filename: one.file_size for one in archive.infolist()}
                _check_sizes(sizes)
                return {name: archive.read(name) for name in FILES}
        folder = place if place.is_dir() else place.parent
        _check_sizes({name: (folder / name).stat().st_size for name in FILES})
        return {name: (folder / name).read_bytes() for name in FILES}
    except (OSError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(
            f"{quoted(str(place))} is not a report: it needs {', '.join(FILES)}, in a folder or a "
            f".zip ({first_line(error, 80)})."
        ) from error


def verify(files: Mapping[str, bytes]) -> Verified:
    """Check every byte of a report, then compute its numbers again from its own tables.

    Raises ValueError that says what was changed, or which number does not follow from the tables.
    """
    content = _content(files[DATA])
    stated = content.pop("tree")
    expected = tree(content, files)
    if canonical(stated) != canonical(expected):
        raise ValueError(f"The report was changed: {', '.join(_changed(stated, expected)[:5])}.")
    try:
        record = _record(content["facts"], content["tables"])
        found = plain(numbers(record))
        listed = plain(findings(record, found))
        pages = _pages(record, content["numbers"], _entries(content, files[HTML]))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(
            f"The numbers of the report cannot be computed from its tables: {first_line(error)}."
        ) from error
    wrong = [*_different(content["numbers"], found, "numbers")]
    wrong += [*_different(content["findings"], listed, "findings")]
    if wrong:
        raise ValueError(f"The report does not follow from its tables: {'; '.join(wrong[:5])}.")
    if other := [name for name, page in pages.items() if page != files[name]]:
        raise ValueError(
            f"{', '.join(other)} is not what this version of Afterimage writes for {DATA}; its "
            "bytes are those of its hash tree."
        )
    return Verified(stated["root"], len(stated["parts"]), sum(1 for _ in _leaves(found)))


def _pages(record: Record, found: Mapping[str, Any], entries: Sequence[Entry]) -> dict[str, bytes]:
    """Return all files but report.json; `found` are the numbers that it states."""
    page = html_report(audit_of(record, found), entries).encode()
    return {HTML: page} | extracts(record, found)


def record_of(files: Mapping[str, bytes]) -> Record:
    """Return the facts and tables of a report that was verified."""
    content = _content(files[DATA])
    return _record(content["facts"], content["tables"])


def tree(content: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the hash tree of a report: a hash for each part, and the root.

    leaf = SHA-256(0, name, 0, bytes)     root = SHA-256(1, the leaves as canonical JSON)
    """
    parts = {name: content[name] for name in ("format", "facts", "numbers", "findings")}
    parts |= {f"tables/{name}": table for name, table in content["tables"].items()}
    parts |= {f"entries/{place}": entry for place, entry in enumerate(content["entries"])}
    named = {f"{DATA}/{name}": canonical(part) for name, part in parts.items()}
    named |= {f"{HTML}/{place}": part for place, part in enumerate(SECTION.split(files[HTML]))}
    named |= {name: files[name] for name in (CARD, CROISSANT, TABLE)}
    leaves = {name: _hash(b"\0", name.encode(), b"\0", part) for name, part in named.items()}
    return {"root": _hash(b"\1", canonical(leaves)), "parts": leaves}


def canonical(value: object) -> bytes:
    """Return the one way in which a value is written as JSON; keys stay in their order."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


def plain(value: Any) -> Any:
    """Return a value in the types of JSON; numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _hash(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    return {str(name): plain(table[name].tolist()) for name in table}


def _record(facts: dict[str, Any], tables: Mapping[str, Mapping[str, list]]) -> Record:
    return Record(facts, **{name: pd.DataFrame(dict(table)) for name, table in tables.items()})


def _without_pictures(entry: Entry) -> dict[str, Any]:
    """Return an entry with the hashes of its pictures, which stand in the HTML."""
    hashed = [(caption, _hash(url.encode())) for caption, url in entry.pictures]
    return asdict(entry) | {"pictures": hashed}


def _entries(content: Mapping[str, Any], page: bytes) -> list[Entry]:
    """Return the entries with the pictures that the HTML has."""
    urls = {_hash(url.encode()): url for url in URL.findall(page.decode())}
    return [
        Entry(
            **entry
            | {
                "pictures": [(caption, urls[digest]) for caption, digest in entry["pictures"]],
                "size": tuple(entry["size"]),
            }
        )
        for entry in content["entries"]
    ]


def _content(data: bytes) -> dict[str, Any]:
    """Read report.json. Raises ValueError if it is not written as a report is."""
    try:
        content = json.loads(data)
        same = canonical(content) == data
    except (ValueError, RecursionError):
        content, same = None, False
    if not same or not isinstance(content, dict) or tuple(content) != PARTS:
        raise ValueError(f"The report was changed: {DATA} is not written as a report is.")
    if content["format"] != FORMAT:
        raise ValueError(
            f"The report has the format {quoted(content['format'], 20)}; this version reads "
            f"{FORMAT}."
        )
    if not isinstance(content["tables"], dict) or not isinstance(content["entries"], list):
        raise ValueError(f"The report was changed: {DATA} has no tables.")
    return content


def _changed(stated: Any, expected: Mapping[str, Any]) -> list[str]:
    """List the parts whose hashes differ; if none does, the tree itself was changed."""
    told = stated.get("parts") if isinstance(stated, dict) else None
    told, parts = told if isinstance(told, dict) else {}, expected["parts"]
    names = [*parts, *(name for name in told if name not in parts)]
    wrong = [quoted(name, 60) for name in names if told.get(name) != parts.get(name)]
    return wrong or ["its hash tree"]


def _different(stated: Any, found: Any, name: str) -> Iterator[str]:
    """Say where two values differ by more than rounding."""
    if isinstance(stated, float) and isinstance(found, float):
        if not math.isclose(stated, found, rel_tol=TOLERANCE, abs_tol=1e-12):
            yield f"{name} is {stated:.6g} and should be {found:.6g}"
    elif isinstance(stated, dict) and isinstance(found, dict) and stated.keys() == found.keys():
        for key in stated:
            yield from _different(stated[key], found[key], f"{name}/{key}")
    elif isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        for place, pair in enumerate(zip(stated, found, strict=True)):
            yield from _different(*pair, f"{name}/{place}")
    elif stated != found:
        yield f"{name} is {quoted(stated, 60)} and should be {quoted(found, 60)}"


def _leaves(value: Any) -> Iterator[float]:
    """Yield the numbers in a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, (int, float)):
        yield value


def _check_sizes(sizes: Mapping[str, int]) -> None:
    if any(sizes[name] > LARGEST for name in FILES):
        raise ValueError(f"The report is larger than {LARGEST >> 20} MB.")

"""Lists of prompts: typed lines, CSV, or JSONL, checked where they enter.

A CSV has a header, a JSONL one object a line. The column of the prompts is called prompt, caption
or text. Optional ones: label (memorised or not), file (the training picture a prompt belongs to),
kind (shown and filtered by), family (prompts that count as one in intervals). Others are left out.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from memlib.images.columns import printable
from memlib.quoting import first_line, quoted
from memlib.sources import Roots, Source

LARGEST = 32 * 2**20  # bytes of a list
MOST = 100_000  # prompts
LONGEST = 4000  # characters of a prompt, and of a line
MEMORISED, NOT_MEMORISED = "memorised", "not memorised"
NAMES = {
    "prompt": ("prompt", "caption", "text"),
    "label": ("label", "memorised", "memorized"),
    "file": ("file", "original", "file_name"),
    "kind": ("kind",),
    "family": ("family",),
}
LABELS = {
    **dict.fromkeys(("memorised", "memorized", "yes", "true", "1", "1.0"), MEMORISED),
    **dict.fromkeys(
        ("not memorised", "not memorized", "no", "false", "0", "0.0", "not", "other"),
        NOT_MEMORISED,
    ),
    **dict.fromkeys(("", "unknown", "none", "null", "nan"), ""),
}


@dataclass(frozen=True)
class Prompt:
    """One line of a list; texts are in one line, "" where nothing is known."""

    prompt: str
    label: str = ""
    file: str = ""
    kind: str = ""
    family: str = ""

    @property
    def id(self) -> str:
        return hashlib.sha256(self.prompt.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class PromptList:
    """Different prompts in an order; `left_out` counts repeated and empty ones that were found."""

    name: str
    prompts: tuple[Prompt, ...]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.prompts)

    @cached_property
    def digest(self) -> str:
        """A hash of all that the list says."""
        told = json.dumps([astuple(one) for one in self.prompts])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def said(self) -> str:
        """What was read, as a sentence of numbers."""
        labels = [one.label for one in self.prompts]
        parts = [f"{len(self):,} prompt{'s' * (len(self) != 1)}"]
        if any(labels):
            known = labels.count(MEMORISED), labels.count(NOT_MEMORISED)
            parts.append(f"{known[0]:,} labelled memorised and {known[1]:,} not")
        if self.left_out:
            parts.append(f"{self.left_out:,} repeated or empty ones left out")
        return ", ".join(parts) + "."

    def jsonl(self) -> str:
        """Return the list as `read_list` reads it."""
        lines = (
            {name: value for name, value in vars(one).items() if value} for one in self.prompts
        )
        return "".join(f"{json.dumps(line)}\n" for line in lines)


def typed_list(text: str, name: str = "typed prompts") -> PromptList:
    """Return the list of a text with one prompt a line. Raises ValueError as `read_list` does."""
    check_bytes(len(text.encode(errors="replace")), name)
    return _listed(({"prompt": line} for line in text.splitlines()), name)


def read_list(source: str | Path | bytes, name: str = "", *, roots: Roots = None) -> PromptList:
    """Read a list of prompts from a file, or from the bytes of a file called `name`.

    The ending says what it is: .csv, .jsonl or .json, anything else is lines of text. With `roots`
    no file outside these folders is read. Raises ValueError, with one sentence, for a file that is
    missing, too large, too long or damaged, for a prompt that is too long, and for a list without
    prompts.
    """
    if not isinstance(source, bytes):
        found = Source(source, roots)
        path = found.path
        if path is None or not path.is_file():
            raise ValueError(f"There is no list of prompts {quoted(str(source))}.")
        name = name or path.name
        check_bytes(path.stat().st_size, name)
        with found.file(path).open("rb") as file:
            source = file.read(LARGEST + 1)
    check_bytes(len(source), name)
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{quoted(name, 100)} is no text in UTF-8, from byte {error.start:,} on."
        ) from None
    ending = Path(name).suffix.lower()
    if ending == ".csv":
        return _listed(_of_csv(text, name), name)
    if ending in (".jsonl", ".json"):
        return _listed(_of_jsonl(text, name), name)
    return typed_list(text, name)


def check_bytes(size: int, name: str) -> None:
    """Raise ValueError for a list that is too large."""
    if size > LARGEST:
        raise ValueError(f"{quoted(name, 100)} is larger than {LARGEST >> 20} MB.")


def _of_csv(text: str, name: str) -> Iterator[Mapping[str, Any]]:
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(rows, [])
        for row in rows:
            if row:
                yield dict(zip(header, row, strict=False))
    except csv.Error as error:
        raise ValueError(
            f"{quoted(name, 100)} is damaged in line {rows.line_num:,} ({first_line(error, 100)})."
        ) from error


def _of_jsonl(text: str, name: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{quoted(name, 100)} is damaged in line {number:,} ({first_line(error, 100)})."
            ) from error
        if not isinstance(found, dict):
            raise ValueError(
                f"Line {number:,} of {quoted(name, 100)} is not an object with a prompt: "
                f"{quoted(line, 60)}."
            )
        yield found


def _listed(rows: Iterable[Mapping[str, Any]], name: str) -> PromptList:
    prompts: dict[str, Prompt] = {}
    columns, left_out = dict[str, str](), 0
    for number, row in enumerate(rows, 1):
        if number > MOST:
            raise ValueError(f"{quoted(name, 100)} has more than {MOST:,} prompts; divide it.")
        for wanted, known in NAMES.items():
            if wanted not in columns and not row.keys().isdisjoint(known):
                columns |= {wanted: next(one for one in known if one in row)}
        if "prompt" not in columns:
            raise ValueError(
                f"{quoted(name, 100)} has no column called {', '.join(NAMES['prompt'][:-1])} or "
                f"{NAMES['prompt'][-1]}, but {quoted(', '.join(map(str, row)), 100)}."
            )
        one = _prompt(row, columns, number, name)
        if not one.prompt or one.prompt in prompts:
            left_out += 1
        else:
            prompts[one.prompt] = one
    if not prompts:
        raise ValueError(f"{quoted(name, 100)} contains no prompts.")
    return PromptList(printable(name), tuple(prompts.values()), left_out)


def _prompt(row: Mapping[str, Any], columns: Mapping[str, str], number: int, name: str) -> Prompt:
    """Return the prompt of a row. Raises ValueError for one that is no text, or too long, and for a
    label that is not known.
    """
    found = row.get(columns["prompt"])
    if found is not None and not isinstance(found, str):
        raise ValueError(
            f"Prompt {number:,} of {quoted(name, 100)} is not a text but {quoted(found, 60)}."
        )
    prompt = _line(found or "")
    if len(prompt) > LONGEST:
        raise ValueError(
            f"Prompt {number:,} of {quoted(name, 100)} has {len(prompt):,} characters, more than "
            f"{LONGEST:,}: {quoted(prompt, 60)}."
        )
    more = {
        wanted: printable(_line(str("" if row.get(column) is None else row[column])))
        for wanted, column in columns.items()
        if wanted != "prompt"
    }
    label = more.get("label", "").lower()
    if label not in LABELS:
        raise ValueError(
            f"The label of prompt {number:,} of {quoted(name, 100)} must be {MEMORISED}, "
            f"{NOT_MEMORISED} or empty, not {quoted(label, 40)}."
        )
    return Prompt(prompt, **more | {"label": LABELS[label]})


def _line(text: str) -> str:
    """Return a text in one line, with blanks for unprintable characters; tokenizers read runs of
    blanks as one.
    """
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())

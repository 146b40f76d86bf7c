"""An audit as one HTML file: pictures inlined, nothing fetched, fit for paper.

Everything is escaped by the template engine, and a content policy in the page forbids it to load or
run anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader

from memlib.quoting import quoted

PICTURE = "data:image/png;base64,"


@dataclass(frozen=True)
class Entry:
    """One image of the report.

    `pictures` are (caption, PNG data URL), the first the image itself; `region` is in its pixels.
    """

    id: str
    name: str
    verdicts: Sequence[Mapping[str, Any]]  # reviewer, verdict, note, at, region, stale
    facts: str = ""
    values: Sequence[Mapping[str, str]] = ()  # title, value, error, rank
    pictures: Sequence[tuple[str, str]] = ()
    size: tuple[int, int] = (1, 1)  # height and width of the image

    def __post_init__(self) -> None:
        for _, url in self.pictures:
            if not url.startswith(PICTURE):
                raise ValueError(
                    f"A report takes pictures as PNG data URLs, not {quoted(url, 40)}."
                )


@dataclass(frozen=True)
class Audit:
    """What a report says besides its images: sentences, tables by their title, where it comes from,
    what the numbers mean.
    """

    title: str
    statements: Sequence[str]
    provenance: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    definitions: Sequence[tuple[str, str]] = ()


def html_report(audit: Audit, entries: Sequence[Entry]) -> str:
    """Write the whole document, from report.html and report.css."""
    loader = PackageLoader("memlib.audit", "")
    templates = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = templates.get_template("report.html")
    tables = {
        title: (list(table.columns), table.astype(object).where(table.notna(), "").values.tolist())
        for title, table in audit.tables.items()
    }
    return page.render(audit=audit, entries=entries, tables=tables, box=_box)


def _box(entry: Entry, region: Sequence[int]) -> str:
    """Where a region lies on the picture, as CSS percentages; the numbers are whole, so nothing
    needs escaping.
    """
    (height, width), (top, left, bottom, right) = entry.size, (int(side) for side in region)
    edges = {
        "top": top / height,
        "left": left / width,
        "height": (bottom - top) / height,
        "width": (right - left) / width,
    }
    return ";".join(f"{name}:{share:.2%}" for name, share in edges.items())

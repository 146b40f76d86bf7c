"""An audit as one HTML file with inlined pictures, which fetches nothing and can be printed.

The template engine escapes everything, and a content security policy forbids the page to load or
run anything.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader
from PIL import Image

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
    """What a report says besides its images: sentences, tables by title, provenance, and the
    definitions of the measures.
    """

    title: str
    statements: Sequence[str]
    provenance: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    definitions: Sequence[tuple[str, str]] = ()


def picture_url(pixels: np.ndarray) -> str:
    """Return a picture, uint8 (H, W, 3) or (H, W, 1), as a report takes it."""
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(stream, "PNG")
    return PICTURE + base64.b64encode(stream.getvalue()).decode()


def html_report(audit: Audit, entries: Sequence[Entry]) -> str:
    """Return the whole document, from report.html and report.css."""
    loader = PackageLoader("memlib.audit", "")
    templates = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = templates.get_template("report.html")
    tables = {
        title: (list(table.columns), table.astype(object).where(table.notna(), "").values.tolist())
        for title, table in audit.tables.items()
    }
    return page.render(audit=audit, entries=entries, tables=tables, box=_box)


def _box(entry: Entry, region: Sequence[int]) -> str:
    """Return the position of a region on the picture, as CSS percentages; the numbers are integers,
    so no escaping is needed.
    """
    (height, width), (top, left, bottom, right) = entry.size, (int(side) for side in region)
    edges = {
        "top": top / height,
        "left": left / width,
        "height": (bottom - top) / height,
        "width": (right - left) / width,
    }
    return ";".join(f"{name}:{share:.2%}" for name, share in edges.items())

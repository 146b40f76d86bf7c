"""An audit as one HTML file: pictures inlined, nothing fetched, fit for paper.

Everything is escaped by the template engine, and a content policy in the page forbids it to load or
run anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from jinja2 import Environment

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
                raise ValueError(f"A report takes pictures as PNG data URLs, not {url[:40]!r}.")


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
    """The whole document."""
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_TEMPLATE)
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


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ audit.title }}</title>
<style>
body { font: 14px/1.45 system-ui, sans-serif; color: #1d1a24; background: #fff; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .3rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem; } td, th { text-align: left; padding: .15rem .8rem .15rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
article { border-top: 1px solid #bbb; padding: 1rem 0; break-inside: avoid; } .pictures { display: flex; gap: 10px; flex-wrap: wrap; margin: .5rem 0; } figure { margin: 0; } figcaption { font-size: .75rem; color: #555; max-width: 130px; }
.sheet { position: relative; width: max-content; } .sheet img, figure img { image-rendering: pixelated; display: block; width: 128px; } .region { position: absolute; border: 2px solid #a63a8c; outline: 1px solid #fff; box-sizing: border-box; }
.quiet { color: #555; } .id { font-family: ui-monospace, monospace; font-size: .8rem; } .stale { color: #a02020; } .numbers { columns: 2; font-size: .8rem; } .numbers div { break-inside: avoid; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } }
</style>
</head>
<body>
<h1>{{ audit.title }}</h1>
{% for statement in audit.statements %}
<p>{{ statement }}</p>
{% endfor %}
{% for title, (columns, rows) in tables.items() %}
<h2>{{ title }}</h2>
{% if rows %}
<table><thead><tr>{% for column in columns %}<th>{{ column }}</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}
<tr>{% for cell in row %}<td>{{ "%.4g"|format(cell) if cell is float else cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table>
{% else %}
<p class="quiet">None.</p>
{% endif %}
{% endfor %}
<h2>Images</h2>
{% for entry in entries %}
<article>
<h3>{{ entry.name }}</h3>
<div class="id">{{ entry.id }}</div>
{% if entry.facts %}<div class="quiet">{{ entry.facts }}</div>{% endif %}
{% for said in entry.verdicts %}
<div><strong>{{ said.verdict }}</strong>: {{ said.reviewer }}, {{ said.at[:16] }} UTC{% if said.note %}. {{ said.note }}{% endif %}
{% if said.region %}<span class="quiet">Marked: rows {{ said.region[0] }} to {{ said.region[2] - 1 }}, columns {{ said.region[1] }} to {{ said.region[3] - 1 }}.</span>{% endif %}
{% if said.stale %}<div class="stale">Stale: {{ said.stale }}.</div>{% endif %}</div>
{% else %}
<div class="quiet">Not decided.</div>
{% endfor %}
{% if entry.pictures %}
<div class="pictures">
{% for caption, url in entry.pictures %}
<figure>{% if loop.first %}<div class="sheet"><img src="{{ url }}" alt="{{ caption }}">{% for said in entry.verdicts if said.region %}<div class="region" style="{{ box(entry, said.region) }}"></div>{% endfor %}</div>{% else %}<img src="{{ url }}" alt="{{ caption }}">{% endif %}<figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
</div>
{% endif %}
{% if entry.values %}
<div class="numbers">{% for line in entry.values %}<div>{{ line.title }}: {{ line.value }} {{ line.error }}, rank {{ line.rank }}</div>{% endfor %}</div>
{% endif %}
</article>
{% else %}
<p class="quiet">None.</p>
{% endfor %}
<h2>What the numbers mean</h2>
{% for title, text in audit.definitions %}
<p><strong>{{ title }}.</strong> {{ text }}</p>
{% endfor %}
<h2>Where this comes from</h2>
<table><tbody>
{% for name, value in audit.provenance.items() %}
<tr><th>{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}
</tbody></table>
</body>
</html>
"""

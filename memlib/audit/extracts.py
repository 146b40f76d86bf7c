"""What others take from a report, for their own documents: a section for a model card, properties
of responsible AI for the Croissant description of a data set, and a table of the images that came
back. All of it follows from the numbers of the report.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from memlib.audit.derived import ATTACKS, LATER
from memlib.audit.record import Record
from memlib.evidence import bounds, copy_rule
from memlib.quoting import shortened
from memlib.spreadsheet import csv

CARD, CROISSANT, TABLE = "model-card.md", "croissant-rai.json", "images.csv"
COLUMNS = [
    *("name", "id", "copies", "draws", "rate", "low", "high"),
    *("near-duplicates", "their ids", "verdict"),
]
CONTEXT = {
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "conformsTo": "dct:conformsTo",
}
CONFORMS = "http://mlcommons.org/croissant/RAI/1.0"
MARKS = re.compile(r"([\\`*_{}\[\]()#+!|<>~$&])")  # what Markdown would read as more than text


def extracts(record: Record, found: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files by their names; `found` are the numbers of the report, as it states them."""
    fragment = json.dumps(croissant(record, found), indent=2, ensure_ascii=False)
    table = pd.DataFrame(found["came back"], columns=COLUMNS)
    return {
        CARD: model_card(record, found).encode(),
        CROISSANT: f"{fragment}\n".encode(),
        TABLE: csv(table),
    }


def model_card(record: Record, found: Mapping[str, Any]) -> str:
    """Return the section "Memorisation" of a model card, in Markdown."""
    facts, drawn, false = record.facts, found["draws"], found["false hits"]
    name, images = (_text(facts[one]["name"]) for one in ("model", "images"))
    lines = []
    if drawn["pictures"]:
        lines = [
            ("Pictures drawn that are copies", drawn["copies"], drawn["pictures"]),
            ("Different training images that came back", drawn["different images"], drawn["of"]),
        ]
    if "called copied" in false:
        called = false["called copied"], false["held-out images"]
        lines.append(("Held-out images that the same test calls copied", *called))
    parts = [
        "## Memorisation",
        f"Examined on {facts['date'][:10]}: the model {name} (`{facts['model']['digest']}`) with "
        f"{facts['images']['count']:,} images of {images} (`{facts['images']['digest']}`), by "
        "Afterimage.",
        f"- Pictures: {_pictures(record)}.\n- {_criterion(record)}",
    ]
    if lines:
        parts.append(
            "\n".join(
                [
                    "| | count | n | share |",
                    "| --- | ---: | ---: | --- |",
                    *(
                        f"| {title} | {count:,} | {of:,} | {_share(title, count, of)} |"
                        for title, count, of in lines
                    ),
                ]
            )
        )
    said = [drawn["said"], *([] if "called copied" in false else [false["said"]])]
    parts += [
        " ".join([*said, *_reviewed(found)]),
        "Tested: " + _listed(record, True),
        "Not tested: " + _listed(record, False),
        LATER,
    ]
    return "\n\n".join(parts) + "\n"


def croissant(record: Record, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fragment in JSON-LD for the Croissant description of the image set: properties of
    the vocabulary Croissant RAI 1.0 that a report can speak about.
    """
    facts, drawn = record.facts, found["draws"]
    groups = record.images["near_duplicates"].to_numpy()[~record.images["held_out"].to_numpy(bool)]
    _, sizes = np.unique(groups, return_counts=True)
    alike = int(sizes[sizes > 1].sum())
    model = f"the model {facts['model']['name']} ({facts['model']['digest']})"
    came = f"Of {model}: {drawn['said']}"
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": facts["images"]["name"],
        "conformsTo": CONFORMS,
        "rai:dataLimitations": [
            f"{alike:,} of {len(groups):,} training images have a near-duplicate among them. "
            "Near-duplicates count as one image in the numbers of this report.",
            f"{came} {_criterion(record)} {found['false hits']['said']}",
            f"Not tested: {_listed(record, False)} {LATER}",
        ],
        "rai:dataUseCases": [
            "Training of image generators: pictures that such a model draws can be copies of "
            f"these images. Examined on {facts['date'][:10]} for {model} only."
        ],
        "rai:personalSensitiveInformation": [
            "This report did not examine whether the images show people or other personal data. "
            f"An image that comes back does so with all that it shows. {drawn['said']}"
        ],
    }


def _pictures(record: Record) -> str:
    drawn = record.facts["draws"]
    if not len(record.draws):
        return "none were drawn"
    return f"{len(record.draws):,}, {drawn['how']} (`{drawn['digest']}`)"


def _criterion(record: Record) -> str:
    rule = record.facts["criterion"]
    return (
        f"A picture is called a copy by {copy_rule(rule['name'], rule['threshold'])}. "
        "Near-duplicates count as one image."
    )


def _share(title: str, count: int, of: int) -> str:
    """Return the share with its interval; that of the images grows with the pictures drawn, so that
    it estimates nothing.
    """
    if title.startswith("Different"):
        return f"{count / of:.2%} so far; it grows with the pictures drawn"
    return f"{count / of:.2%} ({bounds(count, of)})"


def _reviewed(found: Mapping[str, Any]) -> list[str]:
    counts = found["verdicts"]["images"]
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())
    return [f"Reviewers gave verdicts on {sum(counts.values()):,} images: {told}."] if told else []


def _listed(record: Record, tried: bool) -> str:
    """List the attacks that were tried, with how much, or those that were not."""
    executed = record.facts["executed"]
    named = [
        f"{attack} ({executed[attack]})" if tried else f"{attack} ({aim})"
        for attack, aim in ATTACKS.items()
        if (attack in executed) == tried
    ]
    return f"{'; '.join(named) or 'nothing'}."


def _text(name: str) -> str:
    """Return a name as Markdown shows it: as text in one line."""
    return MARKS.sub(r"\\\1", shortened(name, 100))

"""The report of an audit: what it says, and the pictures it shows."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from memlib.audit import standing
from memlib.audit.record import Record, draws_table, facts_of, images_table
from memlib.audit.report import Entry
from memlib.audit.verification import packed, report_files
from memlib.evidence import base_rate, held_out, signed
from memlib.extraction import CRITERIA
from memlib.measures import MEASURES
from memlib.runs import provenance
from pages.audit.casebook import Casebook, described
from pages.audit.review import Review
from pages.figures.pictures import data_url, rgb
from pages.session import neighbours as nearby
from pages.session.messages import number

CONSIDERED = "volume_growth"  # settings of these measures stand in the provenance of an export
MOST_PICTURES = 1000  # cases of a report with pictures


def provenance_of(book: Casebook) -> dict[str, Any]:
    measure = book.flagged.measure if book.flagged else CONSIDERED
    details = provenance(
        book.loaded.denoiser,
        book.loaded.images,
        measure,
        MEASURES[measure].defaults(book.loaded.denoiser),
    )
    return details | ({"threshold": book.flagged.threshold} if book.flagged else {})


def report(
    book: Casebook,
    queue: Sequence[int] | None,
    history: pd.DataFrame,
    actions: pd.DataFrame,
    seen: Review,
    pictures: bool,
) -> bytes:
    """Return the report of the audit as a .zip: the queue's cases, or every image with a verdict,
    and what to do with which image.
    """
    images = book.loaded.images
    place = {image: index for index, image in reversed(list(enumerate(images.ids)))}
    table = standing(history)
    decided = [place[image] for image in dict.fromkeys(table["image"]) if image in place]
    shown = list(queue) if queue is not None else decided
    drawn = shown[:MOST_PICTURES]
    cases = {case["id"]: case for case in described(book, drawn)}
    stale = seen.stale(book)
    entries = []
    for index in shown:
        image = images.ids[index]
        said = [
            {str(name): value for name, value in line.items()}
            | {
                "stale": "; ".join(stale.get(image, []))
                if line["reviewer"] == seen.reviewer
                else ""
            }
            for line in table[table["image"] == image].to_dict("records")
        ]
        case = cases.get(image)
        values = (
            [
                {
                    "title": line["title"],
                    "value": line["value"],
                    "error": line["error"],
                    "rank": f"{line['rank']} of {line['of']}",
                }
                for line in case["measures"]
            ]
            if case
            else []
        )
        inlined = _pictures(book, index, case) if pictures and case else []
        entries.append(
            Entry(
                image,
                images.names[index],
                said,
                case["facts"] if case else "",
                values,
                inlined,
                images.shape[1:],
            )
        )
    notes = [
        f"{len(shown):,} images, {len(set(decided) & set(shown)):,} decided by "
        f"{', '.join(sorted(table['reviewer'].unique())) or 'nobody yet'}.",
        *(_rule(book) or ["The images were chosen by hand, imported, or found by extraction."]),
        "A verdict is a reviewer's judgement of what is shown. A high value or a reproduced "
        "image does not say how the image got into the training set.",
    ]
    if pictures and len(shown) > MOST_PICTURES:
        notes.append(f"Images and values are given for the first {MOST_PICTURES:,}.")
    return packed(report_files(_record(book, history, actions, notes), entries))


def _record(
    book: Casebook, history: pd.DataFrame, actions: pd.DataFrame, notes: Sequence[str]
) -> Record:
    """Return what the report states, with the pictures that were drawn without guidance."""
    loaded, groups = book.loaded, nearby.near_duplicates(book.loaded)
    table = images_table(loaded.images, book.values, groups)
    _, drawn = nearby.unguided(loaded) or ("", None)
    usual = "ratio", CRITERIA["ratio"].threshold
    facts = facts_of(loaded.denoiser, loaded.images, drawn, table, usual, notes)
    draws = draws_table(drawn.images, loaded.images, groups) if drawn else pd.DataFrame()
    return Record(facts, table, draws, history, actions)


def _rule(book: Casebook) -> list[str]:
    if book.flagged is None:
        return []
    measure = MEASURES[book.flagged.measure]
    value = signed(book.values[[measure.name]])[measure.name].to_numpy()
    rate = base_rate(
        value, book.flagged.threshold * measure.direction, held_out(book.loaded.images)
    )
    return [
        f"Flagged: {measure.title} {'at least' if measure.direction > 0 else 'at most'} "
        f"{number(book.flagged.threshold)} {measure.unit}. {rate}"
    ]


def _pictures(book: Casebook, index: int, case: dict[str, Any]) -> list[tuple[str, str]]:
    own = rgb(book.loaded.images[index])
    found = [(case["name"], data_url(own))] + [
        (f"{heat['name']}, {heat['text']}", heat["url"]) for heat in case["maps"]
    ]
    found += [
        (f"near-duplicate, distance {item['text']}", item["url"])
        for item in case["twins"]["items"]
        if item["marked"]
    ]
    return found + [
        (f"{item['name']}, distance {item['text']}", item["url"])
        for made in case["made"]
        for item in made["items"][:2]
    ]

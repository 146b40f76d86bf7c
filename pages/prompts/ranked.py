"""The prompts of a run, ranked by a measure: each with its original and its seeds side by side."""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.prompts import ORIGINAL_DISTANCE
from memlib.runs import TableRows
from pages.figures.pictures import reduced
from pages.prompts.stored import PAGE, PROMPT, WHEN, Opened, original, originals, pictures
from pages.ranking.browser import Browser, Seen, Sort
from pages.session.messages import number, show_error
from pages.widgets.pairs import Pair, pairs

PER_PAGE = 8
STRIP, SMALL = 3, 64  # seeds in a card, and pixels of each
NO_LABEL, EMPTY = "no label", 235  # and the grey of a picture that is not known


def browser_of(found: Opened) -> Browser:
    """Return the browser of a run's prompts."""
    columns = [column for column in ("label", "kind") if found.table[column].nunique() > 1]
    shown = found.table.assign(
        label=found.table["label"].replace("", NO_LABEL), kind=found.table["kind"].replace("", "-")
    )
    rows = TableRows(shown, columns)
    return Browser(
        PAGE, rows, sorts(found), group="label", per_page=PER_PAGE, search="Prompt contains"
    )


def ranked(found: Opened, browser: Browser) -> pd.Series:
    """Draw the open page of prompts; return the row of the selected one."""
    seen = browser.look(browser.query(), PROMPT.value() or None)
    if seen is None:
        st.info("No prompt passes these filters.", icon=":material/filter_alt_off:")
        return found.table.iloc[0]
    cards(found, browser, seen)
    browser.turn(seen)
    if seen.passing < seen.total:
        st.caption(f"{seen.passing:,} of {seen.total:,} prompts pass the filters.")
    return browser.row(seen)


def sorts(found: Opened) -> list[Sort]:
    """Return the numbers by which prompts are ranked, the surest for a first look in front."""
    measures = [
        Sort(one.column, f"{WHEN[getattr(one, 'when', 'after')]}: {one.title}", one.direction)
        for one in found.measures
    ]
    if ORIGINAL_DISTANCE in found.table:
        measures.append(Sort(ORIGINAL_DISTANCE, "After: Distance to the original", -1))
    return measures


def cards(found: Opened, browser: Browser, seen: Seen) -> None:
    """Draw the page of prompts as cards."""
    rows = [row for _, row in seen.table.iterrows()]
    strips = strips_of(found, rows)
    places = {int(row["position"]): str(row["id"]) for row in rows}
    ranks = range(seen.first + 1, seen.first + 1 + len(rows))
    lines = [
        (
            str(row["name"]),
            f"{rank:,}. {number(float(row[seen.query.sort.column]))}"
            + "".join(f" · {row[name]}" for name in browser.rows.metadata),
        )
        for rank, row in zip(ranks, rows, strict=True)
    ]
    selected = next((place for place, own in places.items() if own == seen.selected), None)
    with st.container(height=720, border=False):
        pairs(
            [
                Pair(place, strip, line, False)
                for place, strip, line in zip(places, strips, lines, strict=True)
            ],
            selected,
            key="prompts.cards",
            alt="Prompts, the most memorised first, each with the pictures it gives",
            on_select=lambda place: PROMPT.set(places[place]),
            width=SMALL,
            legend=legend(found),
            verdicts=False,
        )


def legend(found: Opened) -> str:
    """Say what is in a card."""
    drawn = f"the pictures of {min(STRIP, found.seeds)} of {found.seeds:,} seeds"
    first = "In each card: the original, then " if has_originals(found) else "In each card: "
    return f"{first}{drawn}" if found.run.parameters["pictures"] else "No pictures were drawn"


def has_originals(found: Opened) -> bool:
    return bool((found.run.manifest.get("sources") or {}).get("originals"))


def strips_of(found: Opened, rows: list[pd.Series]) -> list[tuple[np.ndarray, ...]]:
    """Return the small pictures of some prompts: the original if the run has originals, and the
    first seeds.
    """
    drawn = [pictures(*found.key, int(row["position"]), found.run) for row in rows]
    first = next((one for one in drawn if one is not None), None)
    if first is None:
        return [()] * len(rows)
    images = None
    try:
        images = originals(found, first.shape[1:])
    except ValueError as error:
        show_error(error)
    blank = np.full_like(reduced(first[0], SMALL), EMPTY)
    strips = []
    for row, seeds in zip(rows, drawn, strict=True):
        small = [blank] * min(STRIP, found.seeds)
        if seeds is not None:
            small = [reduced(one, SMALL) for one in seeds[:STRIP]]
        own = original(images, row, SMALL) if images is not None else None
        if own is not None and own.shape != blank.shape:
            own = None
        strips.append((*([blank if own is None else own] if has_originals(found) else []), *small))
    return strips

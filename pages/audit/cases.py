"""The cases of a queue in the image browser: filters, order, and a gallery of all that pass."""

import numpy as np
import streamlit as st

from memlib.audit.queue import queue_table
from memlib.measures import MEASURES
from memlib.runs import TableRows
from pages.audit.casebook import Casebook
from pages.audit.choices import PAGE
from pages.audit.review import Review
from pages.ranking.browser import Browser, Sort
from pages.ranking.ranked import filterable
from pages.session import selection
from pages.session.messages import number
from pages.widgets.gallery import Card, gallery

PLACE = Sort("place", "Queue", -1, ("From the first", "From the last"))


def browser_of(book: Casebook, queue: list[int]) -> Browser:
    """Return the image browser of a queue's cases, in the order of the queue or of any measure."""
    table = queue_table(queue, book.loaded.images, book.values)
    measures = [
        Sort(name, measure.title, measure.direction)
        for name, measure in MEASURES.items()
        if name in book.values and table[name].notna().any()
    ]
    rows = TableRows(table, filterable(table, book.loaded.images))
    return Browser(PAGE, rows, [PLACE, *measures])


def passing(browser: Browser) -> list[int]:
    """Return the indices of all cases that pass the filters, in the chosen order."""
    query = browser.query()
    count = browser.rows.count(query.where)
    table = browser.rows.page(query.sort.column, query.descending, 0, count, query.where)
    return [int(index) for index in table["index"]]


def overview(book: Casebook, browser: Browser, review: Review, at: str) -> None:
    """Draw the cases page by page with their verdicts; a click opens one on the desk."""
    seen = browser.look(browser.query(), at)
    if seen is None:
        return
    column = seen.query.sort.column
    cards = []
    for _, row in seen.table.iterrows():
        value = "" if column == PLACE.column or np.isnan(row[column]) else f" {number(row[column])}"
        verdict = review.own.get(row["id"], {}).get("verdict") or "not decided"
        title = f"{int(row['place']):,}.{value}"
        cards.append(Card(row["id"], title, verdict, f"Case {title} {row['name']}, {verdict}"))
    pictures = book.loaded.images.thumbnails(seen.table["index"].tolist())
    gallery(pictures, cards, seen.selected, key="audit.gallery", on_select=selection.choose)
    browser.turn(seen)
    st.caption(f"{seen.said} pass the filters. Click one to open it on the desk.")

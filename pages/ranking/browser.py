"""The image browser: which images pass the filters, in what order, on which page, and which one is
selected.

The rows can be a table in memory or a query on files. The choices stand in the address; the
selected image is that of the session, the same on every page.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib.runs import Filter, Rows
from pages.ranking.facts import short
from pages.session import selection
from pages.session.messages import plain
from pages.session.state import Kept, Page, SomeOf
from pages.widgets.gallery import Card, gallery

MOST, LEAST = "Most memorised first", "Least first"
LARGEST, SMALLEST = "Largest first", "Smallest first"  # if no direction is known
IMAGES, MAPS = "Images", "Maps"
FEW = 8  # values that are offered as buttons; more are a list


@dataclass(frozen=True)
class Sort:
    """A number that images can be ordered by.

    `direction` is +1 where bigger means more memorised, -1 where smaller does, 0 where neither is
    known. `words` are the names of the two orders; the first begins with the most memorised image.
    """

    column: str
    title: str
    direction: int
    words: tuple[str, str] = (MOST, LEAST)


@dataclass(frozen=True)
class Query:
    """The choices made in a browser's controls."""

    where: Filter
    sort: Sort
    descending: bool
    maps: bool

    @property
    def token(self) -> str:
        """Return a number that changes when the images or their order change."""
        asked = (self.where, self.sort.column, self.descending)
        return f"{hash(asked) & 0xFFFFFFFF:x}"


@dataclass(frozen=True)
class Seen:
    """One page of the images that pass.

    `first` is the position of its first row among them, from 0.
    """

    query: Query
    table: pd.DataFrame
    first: int
    passing: int
    total: int
    pages: int
    selected: str

    @property
    def said(self) -> str:
        """How many images pass: "120 of 1,164 images", or all of them."""
        if self.passing == self.total:
            return f"{self.total:,} images"
        return f"{self.passing:,} of {self.total:,} images"


class Browser:
    """Rows with controls that filter, order and page them.

    The choices are those of `page`; `group` is the metadata column of the filter at the start,
    `key` the column that identifies a row.
    """

    def __init__(
        self,
        page: Page,
        rows: Rows,
        sorts: Sequence[Sort],
        *,
        group: str = "group",
        key: str = "id",
        per_page: int = 48,
        search: str = "Name contains",
    ) -> None:
        self.page, self.rows, self.id, self.per_page = page, rows, key, per_page
        self.search = search
        self.sorts = {sort.column: sort for sort in sorts}
        first = group if group in rows.metadata else next(iter(rows.metadata), "")
        self.column = page.one_of("column", rows.metadata or [""], first)
        self.text = page.text("search", of_model=True)
        self.sort = page.one_of(
            "sort", list(self.sorts), sorts[0].column, words=lambda name: self.sorts[name].title
        )
        self.order = page.one_of("order", (MOST, LEAST), MOST, words=self._word)
        self.show = page.one_of("show", (IMAGES, MAPS), IMAGES)
        self._opened = Kept(f"{page.name} opened at", lambda: ("none", 1))  # a query, and its page

    @property
    def groups(self) -> SomeOf[str]:
        """Return the choice of values of the filtered column that pass; an empty choice lets all
        pass.
        """
        column = self.column.value()
        options = self.rows.choices(column) if column else []
        return self.page.some_of("groups", options if len(options) > 1 else [], of_model=True)

    def query(self) -> Query:
        """Return what is asked for, whether or not the controls are drawn yet in this run."""
        sort, values = self.sorts[self.sort.value()], tuple(self.groups.value())
        where = Filter(self.text.value(), self.column.value() if values else "", values)
        descending = (sort.direction >= 0) == (self.order.value() == MOST)
        return Query(where, sort, descending, self.show.value() == MAPS)

    def controls(self, maps: DeltaGenerator | bool = False) -> None:
        """Draw the row of filters and of the order; `maps` offers to show maps in the gallery, here
        or in a row of its own.
        """
        row = st.container(horizontal=True, vertical_alignment="bottom")
        if len(self.rows.metadata) > 1:
            row.selectbox("Filter by", self.column.options, key=self.column.key(), width=130)
        groups = self.groups
        if groups.options:
            title, key = plain(self.column.value()).capitalize(), groups.key()
            if len(groups.options) <= FEW:
                row.pills(title, groups.options, selection_mode="multi", format_func=plain, key=key)
            else:
                row.multiselect(title, groups.options, key=key, width=220)
        row.text_input(plain(self.search), key=self.text.key(), width=180)
        if len(self.sorts) > 1:
            row.selectbox(
                "Sort by",
                self.sort.options,
                format_func=self.sort.words,
                key=self.sort.key(),
                width=200,
            )
        for place, choice, asked in ((row, self.order, "Order"), (maps, self.show, "Gallery")):
            if place is not False:
                (row if place is True else place).segmented_control(
                    plain(asked),
                    choice.options,
                    format_func=choice.words,
                    required=True,
                    key=choice.key(),
                )

    def look(self, query: Query, chosen: str | None) -> Seen | None:
        """Return the open page and the selected image: `chosen` if it passes the filters, otherwise
        the first of the page. None if no image passes.
        """
        passing = self.rows.count(query.where)
        if not passing:
            return None
        pages = -(-passing // self.per_page)
        start = self._start(query, chosen)
        page = min(int(st.session_state.get(self._page_key(query), start)), pages)
        first = (page - 1) * self.per_page
        by = (query.sort.column, query.descending)
        table = self.rows.page(*by, first, self.per_page, query.where)
        ids = [str(one) for one in table[self.id]]
        known = chosen is not None and (
            chosen in ids or self.rows.row(chosen, query.where) is not None
        )
        selected = chosen if known and chosen is not None else ids[0]
        return Seen(query, table, first, passing, self.rows.count(), pages, selected)

    def turn(self, seen: Seen) -> None:
        """Draw the control that turns the pages."""
        if seen.pages > 1:
            start = self._opened.get()[1]
            st.pagination(
                seen.pages, default=min(start, seen.pages), key=self._page_key(seen.query)
            )

    def row(self, seen: Seen) -> pd.Series:
        """Return the row of the selected image, on this page or another."""
        on_page = seen.table[seen.table[self.id].astype(str) == seen.selected]
        found = on_page.iloc[0] if len(on_page) else self.rows.row(seen.selected, seen.query.where)
        return seen.table.iloc[0] if found is None else found

    def gallery(
        self,
        seen: Seen,
        pictures: np.ndarray,
        line: Callable[[float], str],
        ranks: Sequence[int] | None = None,
        *,
        height: int = 780,
        on_select: Callable[[str], None] = selection.choose,
    ) -> None:
        """Draw the images of the page (N, H, W, 3) as cards; `line` writes a value on a card."""
        with st.container(height=height, border=False):
            gallery(
                pictures,
                self.cards(seen, line, ranks),
                seen.selected,
                key=f"{self.page.name}.gallery",
                on_select=on_select,
            )

    def cards(
        self, seen: Seen, line: Callable[[float], str], ranks: Sequence[int] | None = None
    ) -> list[Card]:
        """Return the cards of the open page."""
        values = seen.table[seen.query.sort.column]
        return [
            _card(row, line(float(value)), ranks[place] if ranks is not None else None)
            for place, (value, (_, row)) in enumerate(
                zip(values, seen.table.iterrows(), strict=True)
            )
        ]

    def _word(self, order: str) -> str:
        """Return the name of an order for the chosen number."""
        sort = self.sorts[self.sort.value()]
        most, least = sort.words if sort.direction else (LARGEST, SMALLEST)
        return {MOST: most, LEAST: least}[order]

    def _page_key(self, query: Query) -> str:
        """Return the choice of the page of a query. Each query has a control of its own, so that
        its page is never set from two sides.
        """
        return f"{self.page.name}.page.{query.token}"

    def _start(self, query: Query, chosen: str | None) -> int:
        """Return the page at which a query opens: that of the selected image on entering, the first
        after a change.
        """
        now = self._page_key(query)
        before, start = self._opened.get()
        if before not in st.session_state:
            by = (query.sort.column, query.descending)
            place = None if chosen is None else self.rows.place(chosen, *by, query.where)
            start = 1 if place is None else place // self.per_page + 1
        elif before != now:
            start = 1
        self._opened.set((now, start))
        return start


def _card(row: pd.Series, value: str, rank: int | None) -> Card:
    name, group = short(str(row["name"])), str(row.get("group") or "")
    return Card(
        str(row["id"]),
        value if rank is None else f"{rank:,}. {value}",
        group or name,
        f"{'' if rank is None else f'Rank {rank:,}: '}{name}, {value} {group}".rstrip(),
    )

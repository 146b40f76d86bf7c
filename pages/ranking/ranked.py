"""Measured images in the browser: the gallery, and the selected image beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib import ImageSet
from memlib.runs import TableRows
from pages.figures.pictures import LARGEST, reduced, rgb
from pages.ranking.browser import Browser, Seen, Sort
from pages.ranking.look import Look, spread
from pages.ranking.view import Picture
from pages.session import results as computed
from pages.session import selection
from pages.session.long_work import long_work
from pages.session.state import Choice, Page
from pages.widgets.explorer import Bars, explorer, page_of_images

AT_ONCE = 600  # network forwards up to which the maps of one image are computed without asking
MOST_VALUES = 100  # a metadata column with more values is not offered as a filter


@dataclass(frozen=True)
class Ranked:
    """The images of a ranked page that pass the filters, and the selected one.

    `key` identifies the images that pass and all that is known about them; `room` is the place
    where work on the selected image is shown.
    """

    seen: Seen
    table: pd.DataFrame  # of the images that pass
    picture: Picture
    key: tuple
    room: DeltaGenerator

    @property
    def said(self) -> str:
        """How many images pass, in words."""
        return self.seen.said

    def note(self) -> None:
        """Write below a chart that it contains only the images that pass, if not all do."""
        if self.seen.passing < self.seen.total:
            st.caption(f"Only the {self.said} that pass the filters.")

    def finish(
        self, look: Look, label: str, forwards: int, work: Callable[..., object], keeps: str = ""
    ) -> None:
        """Compute the missing maps of the selected image, which is on the screen already; choosing
        another image ends the work.

        It starts without asking if it takes few network forwards, on slow and fast machines alike.
        """
        if not look.is_mapped(self.picture):
            seconds = computed.seconds(look.view.loaded.denoiser, forwards)
            with self.room:
                done = long_work(label, seconds, work, ask=forwards > AT_ONCE, keeps=keeps)
                if done and look.is_mapped(self.picture):  # not if there is no room to store them
                    st.rerun()


def ranked_images(
    page: Page, look: Look, panel: Choice[str | None], maps: DeltaGenerator | bool = False
) -> Ranked | None:
    """Draw the filters, the gallery and the selected image; return None if no image passes.

    The choices are those of `page`; `maps` is the row with the switch for maps in the gallery.
    A selection runs the whole page again only if the `panel` below is open, or if maps must be
    computed, since a fragment that works cannot be stopped.
    """
    images = look.view.loaded.images
    rows = computed.once(
        ("rows", *look.key), lambda: TableRows(look.table, filterable(look.table, images))
    )
    browser = Browser(page, rows, [Sort("value", "Value", +1)])
    browser.controls(maps)
    query = browser.query()
    seen = browser.look(query, selection.chosen())
    if seen is None:
        st.info("No image passes these filters.", icon=":material/filter_alt_off:")
        return None
    key = (*look.key, query.where)
    passing = computed.once(("passing", *key), lambda: rows.passing(query.where))
    bars = computed.once(("spread", *key), lambda: spread(passing, look.axis, seen.said))
    picture = _picture(images, browser.row(seen))
    alone = panel.value() is None and look.is_mapped(picture)

    fresh = [seen]  # looked up for this run; a later one of the fragment looks again

    def explore() -> None:
        now = fresh.pop() if fresh else browser.look(query, selection.chosen()) or seen
        row = browser.row(now)
        picture = _picture(images, row)
        if alone and not look.is_mapped(picture):
            st.rerun()
        explorer(
            _page(look, browser, now, row, bars, key),
            picture.id,
            look.details(picture),
            key=f"{page.name}.explorer",
            token="/".join(map(str, (look.view.token, look.shown))),
            on_select=selection.choose,
        )
        browser.turn(now)

    if alone:
        st.fragment(explore)()
    else:
        with st.container():  # a fragment has one too
            explore()
    if seen.passing < seen.total:
        st.caption(  # below, so that the explorer stays in its place and is not made anew
            f"{seen.said} pass the filters. The charts, the table and the downloads below "
            "contain only these; ranks are among all measured images."
        )
    return Ranked(seen, passing, picture, key, st.container())


def _picture(images: ImageSet, row: pd.Series) -> Picture:
    return Picture(str(row["id"]), str(row["name"]), images[int(row["index"])])


def _page(
    look: Look, browser: Browser, seen: Seen, row: pd.Series, bars: Bars | None, key: tuple
) -> bytes:
    """Return the open page of the gallery for the explorer, and the selected image if it is on
    another page.
    """
    shown = seen.table
    if row["id"] not in set(shown["id"]):
        shown = pd.concat([shown, row.to_frame().T.astype(shown.dtypes)])
    images, query = look.view.loaded.images, seen.query

    def make() -> bytes:
        return page_of_images(
            images.thumbnails(shown["index"].tolist()),
            browser.cards(seen, look.line, seen.table["rank"].tolist()),
            [look.entry(one) for _, one in shown.iterrows()],
            look.numbers(),
            look.curve(),
            bars,
            look.map([str(image) for image in shown["id"]]),
            look.axes(),
            shape=images.shape[1:],
            missing=look.missing,
            show_maps=query.maps,
        )

    place = (query.descending, query.maps, tuple(shown["id"]), len(seen.table))
    return computed.once(("page", *key, *place), make)


def large(picture: Picture, thumbnail: int = 64) -> Any:
    """Return the picture (H, W, 3) if the gallery shows it smaller, else None."""
    if max(picture.image.shape[1:]) <= thumbnail:
        return None
    return reduced(rgb(picture.image), LARGEST)


def filterable(table: pd.DataFrame, images: ImageSet) -> list[str]:
    """List the metadata columns of a table that are useful as filters: those whose values
    repeat.
    """
    own = [name for name in table if name in images.metadata or str(name).endswith("(metadata)")]
    return [str(name) for name in own if 1 < table[name].nunique() <= MOST_VALUES]

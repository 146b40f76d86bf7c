"""Measured images in the browser: the gallery on the left, room for the selected one on the
right.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib import ImageSet
from memlib.runs import TableRows
from pages.ranking.browser import Browser, Seen, Sort
from pages.ranking.view import Picture, View
from pages.session import selection
from pages.session.state import Page

MOST_VALUES = 100  # a metadata column with more values is no choice


@dataclass(frozen=True)
class Ranked:
    """What a page of ranked images shows: the images that pass the filters, the selected one, and
    the room beside the gallery.
    """

    seen: Seen
    table: pd.DataFrame  # of the images that pass
    row: pd.Series  # of the selected image
    picture: Picture
    side: DeltaGenerator

    @property
    def said(self) -> str:
        """How many images pass, in words."""
        return self.seen.said

    def note(self) -> None:
        """Say below a chart that it holds the images that pass, where not all do."""
        if self.seen.passing < self.seen.total:
            st.caption(f"Of the {self.said} that pass the filters.")

    @property
    def value(self) -> float:
        """The selected image's value."""
        return float(self.row["value"])


def ranked_images(
    page: Page,
    view: View,
    table: pd.DataFrame,
    line: Callable[[float], str],
    maps: Callable[[list[str]], np.ndarray] | None = None,
) -> Ranked | None:
    """Draw the filters and the gallery of a ranked table; None where no image passes.

    `page` owns the choices, `line` writes a value on a card, `maps` gives pictures (N, H, W, 3) of
    the maps of some ids.
    """
    images = view.loaded.images
    rows = TableRows(table, filterable(table, images))
    browser = Browser(page, rows, [Sort("value", "Value", +1)])
    browser.controls(maps is not None)
    query = browser.query()
    seen = browser.look(query, selection.chosen())
    if seen is None:
        st.info("No image passes these filters.", icon=":material/filter_alt_off:")
        return None
    passing = rows.passing(query.where)
    if seen.passing < seen.total:
        st.caption(
            f"{seen.said} pass the filters. The charts, the table and the downloads below hold "
            "these alone; ranks count all measured images."
        )
    left, right = st.columns([5, 6], gap="medium")
    with left:
        if maps is not None and query.maps:
            pictures = maps([str(image) for image in seen.table["id"]])
        else:
            pictures = images.thumbnails(seen.table["index"].tolist())
        browser.gallery(seen, pictures, line, seen.table["rank"].tolist())
        browser.turn(seen)
    row = browser.row(seen)
    picture = Picture(str(row["id"]), str(row["name"]), images[int(row["index"])])
    return Ranked(seen, passing, row, picture, right)


def filterable(table: pd.DataFrame, images: ImageSet) -> list[str]:
    """The metadata columns of a table that are worth a filter: those whose values repeat."""
    own = [name for name in table if name in images.metadata or str(name).endswith("(metadata)")]
    return [str(name) for name in own if 1 < table[name].nunique() <= MOST_VALUES]

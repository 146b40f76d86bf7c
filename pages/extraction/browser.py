"""The images an attack drew: each beside its nearest training images, and one of them enlarged."""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.extraction import Generations
from memlib.runs import TableRows
from memlib.workspace import Workspace
from pages.extraction.criterion import PAGE, Copies
from pages.extraction.detail import detail, place_of
from pages.extraction.path import path
from pages.figures.pictures import rgb
from pages.ranking.browser import Browser, Seen, Sort
from pages.ranking.facts import short
from pages.session import selection
from pages.widgets.pairs import Pair, pairs
from pages.widgets.waiting import in_sight

VERDICT = PAGE.maybe_one_of("verdict", ("copy", "no copy"))
CLUSTER = PAGE.maybe_one_of("cluster", list[int]())
ONCE = PAGE.switch("once")
GENERATION = PAGE.text("generation", of_model=True)  # the number of the selected image
PER_PAGE = 24
SORTS = [
    Sort("ratio", "Ratio", -1),
    Sort("distance", "Distance", -1),
    Sort("number", "Number", 0),
    Sort("growth", "Growth", +1),
    Sort("K_1", "K₁", +1),
]


def browse(
    loaded: Workspace, generations: Generations, table: pd.DataFrame, rule: Copies
) -> tuple[pd.DataFrame, str]:
    """Draw the gallery of pairs with its filters, and the selected pair enlarged; return the rows
    that pass the filters, and their number in words.
    """
    narrowed = narrow(table)
    known = [sort for sort in SORTS if sort.column in table and table[sort.column].notna().any()]
    rows = TableRows(narrowed, ["group"], key="number", text="nearest_name")
    browser = Browser(PAGE, rows, known, key="number", per_page=PER_PAGE)
    browser.controls()
    query = browser.query()
    seen = browser.look(query, chosen(loaded, narrowed))
    if seen is None:
        st.info("No generated image passes these filters.", icon=":material/filter_alt_off:")
        return narrowed.iloc[:0], f"0 of {len(table):,} generated images"
    passing = rows.passing(query.where)
    said = f"{len(passing):,} of {len(table):,} generated images"
    if len(passing) < len(table):
        st.caption(
            f"{said} pass the filters. The table and the downloads below contain only these."
        )
    left, right = st.columns([6, 5], gap="medium")
    with left:
        _gallery(loaded, generations, seen, rule)
        browser.turn(seen)
    row = browser.row(seen)
    with right:
        detail(loaded, generations, row, rule)
    in_sight("Its path", 500, lambda: path(loaded, generations, row))
    return passing, said


def narrow(table: pd.DataFrame) -> pd.DataFrame:
    """Draw the filters that only generated images have; return the rows that pass them."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    largest = max(0.05, float(np.ceil(table["distance"].max() * 20) / 20) if len(table) else 1.0)
    verdict = row.segmented_control("Verdict", VERDICT.options, key=VERDICT.key())
    if verdict:
        table = table[table["verdict"] == verdict]
    if "cluster" in table:
        known = sorted(int(one) for one in table["cluster"].unique())
        choice = CLUSTER.among([None, *known], None)
        cluster = row.selectbox(
            "Cluster",
            choice.options,
            format_func=lambda one: "all" if one is None else f"{one}",
            placeholder="all",
            key=choice.key(),
            width=110,
        )
        table = table[table["cluster"] == cluster] if cluster is not None else table
    band = PAGE.any(f"distances up to {largest:g}", (0.0, largest))
    row.slider("Distance", 0.0, largest, step=0.01, key=band.key(), width=200)
    low, high = band.value()
    table = table[(table["distance"] >= low) & (table["distance"] <= high)]
    if row.toggle(
        "One of each",
        key=ONCE.key(),
        help="Show only the closest of the generated images that share a nearest training image.",
    ):
        table = table.sort_values("distance", kind="stable").drop_duplicates("nearest")
    return table


def chosen(loaded: Workspace, table: pd.DataFrame) -> str | None:
    """Return the number of the generated image to show: the one in the address if the image
    selected in the session is its nearest training image, otherwise the one closest to the selected
    image.
    """
    asked, image = GENERATION.value(), selection.chosen()
    numbers = table["number"].astype(str)
    nearest = np.array([loaded.images.ids[int(place)] for place in table["nearest"]], dtype=object)
    own = table[nearest == image]
    if len(own) and not (own["number"].astype(str) == asked).any():
        return str(own.loc[own["ratio"].idxmin(), "number"])
    return asked if (numbers == asked).any() else None


def choose(loaded: Workspace, number: int, nearest: int) -> None:
    """Select a generated image by its number, and its nearest training image by its index for the
    whole session.
    """
    GENERATION.set(str(number))
    selection.choose(loaded.images.ids[nearest])


def _gallery(loaded: Workspace, generations: Generations, seen: Seen, rule: Copies) -> None:
    """Draw the pairs of the open page; a click selects one."""
    nearest = dict(zip(seen.table["number"], seen.table["nearest"], strict=True))
    cards = [_pair(loaded, generations, row, rule) for _, row in seen.table.iterrows()]
    with st.container(height=760, border=False):
        pairs(
            cards,
            int(seen.selected),
            key="pairs",
            alt="Generated images beside their nearest training images",
            on_select=lambda number: choose(loaded, number, int(nearest[number])),
        )


def _pair(loaded: Workspace, generations: Generations, row: pd.Series, rule: Copies) -> Pair:
    images = (
        generations.images[place_of(row)],
        loaded.images[int(row["nearest"])],
        loaded.images[int(row["second"])],
    )
    return Pair(
        int(row["number"]),
        tuple(rgb(image) for image in images),
        (f"{int(row['number'])}. {row[rule.criterion]:.3f}", short(row["nearest_name"])),
        bool(row["verdict"] == "copy"),
    )

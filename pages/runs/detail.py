"""The selected image of a run, and its rank among all."""

import numpy as np
import pandas as pd
import streamlit as st

from pages.figures.pictures import enlarge, rgb
from pages.figures.spread import counted_histogram
from pages.figures.style import CONFIG, literal
from pages.ranking.browser import Seen
from pages.ranking.view import SMOOTHED
from pages.runs.run_view import (
    Look,
    direction_of,
    has_maps,
    histogram_of,
    limits_of,
    maps_of,
    measure_of,
    places_of,
    title_of,
)
from pages.session.messages import plain, plus_minus
from pages.widgets.player import Kind, player


def detail(view: Look, seen: Seen) -> None:
    """Draw the selected image: its picture and map, its rank, its numbers."""
    run, row = view.run, view.browser.row(seen)
    images, name = view.images, str(row["name"])
    st.text(name)
    place = places_of(images.digest, images.ids).get(str(row["id"])) if images else None
    if images is not None and place is not None:
        picture = rgb(images[place])
        if has_maps(run):
            heat = maps_of(run, [int(row["position"])])[0]
            unit = run.measures[0].unit if run.measures else ""
            kind = Kind("Map", heat, limits_of(*view.key, run), unit, note=SMOOTHED)
            player(picture, [kind], [], key="run_map", alt=name)
        else:
            st.image(enlarge(picture, 256), alt=name)
    numbers(view, row)
    told = [
        f"{column} {row[column]}"
        for column in view.numbers.metadata
        if column in row and row[column] not in ("", None)
    ]
    st.text(" · ".join(told))
    spread(view, float(row[view.query.sort.column]))


def numbers(view: Look, row: pd.Series) -> None:
    """Draw the number the images are ordered by, its standard error, and its rank."""
    run, by = view.run, view.query.sort.column
    columns, measure = st.columns(3), measure_of(run, by)
    columns[0].metric(
        plain(title_of(run, by)), f"{row[by]:,.5g}", help=measure.definition if measure else None
    )
    error = measure.error if measure else "stderr" if by == "value" else ""
    if error in row:
        columns[1].metric("Standard error", plus_minus(float(row[error])) or "unknown")
    if not pd.isna(row[by]):
        direction = direction_of(run, by)
        first = "the most memorised" if direction else "the largest"
        columns[2].metric(
            "Rank",
            f"{view.numbers.rank(by, direction >= 0, float(row[by])):,} of {run.done:,}",
            help=f"Among all images of the run, regardless of the filters; 1 is {first}.",
        )


def spread(view: Look, at: float | None = None) -> None:
    """Draw a histogram of the number over the rows that pass the filters; `at` marks one value."""
    title = title_of(view.run, view.query.sort.column)
    counts = histogram_of(*view.key, view.query.sort.column, view.query.where, view.numbers)
    figure = counted_histogram(counts, title, None if at is None or np.isnan(at) else at)
    st.plotly_chart(
        literal(figure), key="run_histogram", config=CONFIG, alt=f"Histogram of {title}"
    )
    if view.seen is not None and view.seen.passing < view.seen.total:
        st.caption(f"Only the {view.seen.said} that pass the filters.")

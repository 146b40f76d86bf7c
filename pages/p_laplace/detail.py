"""The selected image: its maps over p and noise level, its numbers, K against noise level."""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.images import HELD_OUT
from memlib.measures import LEVELS, Row
from memlib.measures.result import interval
from pages.figures.curves import statistic_curves
from pages.figures.style import CONFIG, literal
from pages.p_laplace.sphere_view import CURVES, MEASURE, Sphere
from pages.ranking.facts import facts
from pages.ranking.view import Picture

LOSS = (
    "|noise - n|² a dimension, of the same forwards. At the default radius this is the "
    "denoising loss, and K at p = 1 is nearly that in another form."
)


def detail(
    view: Sphere, picture: Picture, row: pd.Series, table: pd.DataFrame, found: dict[float, Row]
) -> None:
    """Draw the selected image: maps over p and noise level, numbers, and K against noise level.

    `row` is its line of the whole `table`, `found` its rows with maps by noise level.
    """
    st.text(picture.name)
    view.player(picture, found, "p-map")
    numbers = st.columns(4)
    numbers[0].metric(
        "Minus reference" if view.minus_reference else f"K, p = {view.p:g}",
        f"{row['value']:.4f}",
        help=MEASURE.definition,
    )
    bound = "; for the difference an upper bound" if view.minus_reference else ""
    low, high = interval(
        {"value": row["value"], "stderr": row["stderr"]}, MEASURE.read(view.parameters).degrees
    )
    range_ = "" if np.isnan(low) else f" 95% interval: {low:.4f} to {high:.4f}."
    numbers[1].metric(
        "Standard error",
        "unknown" if np.isnan(row["stderr"]) else f"± {row['stderr']:.4f}",
        help=f"From the spread between pairs of directions{bound}.{range_}",
    )
    numbers[2].metric(
        "Rank",
        f"{row['rank']:,} of {len(table):,}",
        help="Among all measured images, whatever the filters; 1 is the most memorised.",
    )
    numbers[3].metric(f"Loss{view.minus}", f"{row['loss']:.4f}", help=LOSS)
    facts(row, view.loaded)
    curves = {
        f"p = {power:g}": [result[f"K_{power:g}"] for result in found.values()] for power in CURVES
    }
    st.plotly_chart(
        literal(
            statistic_curves(
                np.array(list(found)),
                curves,
                view.sigma,
                held_out_band(view, table),
                f"K{view.minus}",
            )
        ),
        key="p-curve",
        config=CONFIG,
        alt="K against noise level for several p",
    )


def held_out_band(view: Sphere, table: pd.DataFrame) -> tuple[str, np.ndarray, np.ndarray] | None:
    """K at p = 1 of the held-out images at the levels where all of them are measured."""
    if "group" not in table or not (table["group"] == HELD_OUT).any():
        return None
    held_out = table.loc[table["group"] == HELD_OUT, "id"]
    columns = {}
    for level in LEVELS:
        rows = view.at(level).stored()
        if all(image in rows for image in held_out):
            columns[level] = [rows[image]["K_1"] for image in held_out]
    if len(columns) < 2:
        return None
    return "held-out images, p = 1", np.array(list(columns)), np.array(list(columns.values())).T

"""The selected image: its map, its numbers, and its growth over the noise levels."""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.images import HELD_OUT
from memlib.measures import Row
from memlib.measures.result import interval
from pages.figures.curves import growth_curve
from pages.figures.style import CONFIG, literal
from pages.ranking.facts import facts
from pages.ranking.view import Picture
from pages.volume_growth.growth_view import MEASURE, MINUS, RAW, WITHOUT, Growth

TITLES = {RAW: "Log growth", MINUS: "Minus reference", WITHOUT: "Beyond PNG size"}


def detail(
    view: Growth,
    picture: Picture,
    row: pd.Series,
    table: pd.DataFrame,
    rows: dict[str, Row],
    limits: tuple[float, float],
) -> None:
    """Draw the selected image: map, numbers and curve.

    `row` is its line of the whole `table`, `rows` those of all measured images, `limits` the
    colour range of the maps.
    """
    result = view.detailed(picture)  # first: picture, name and numbers change together
    st.text(picture.name)
    view.player(picture, result, "map", limits)
    numbers(view, row, result, len(table))
    facts(row, view.loaded)
    band = None
    if "group" in table and (table["group"] == HELD_OUT).any():
        held_out = table.loc[table["group"] == HELD_OUT, "id"]
        curves = np.stack([rows[image]["curve"] for image in held_out])
        band = ("held-out images", view.sigmas, curves)
    st.plotly_chart(
        literal(
            growth_curve(
                {"this image": (view.sigmas, result["curve"])},
                None if view.minus_reference else view.loaded.denoiser.dimension,
                band,
            )
        ),
        key="curve",
        config=CONFIG,
        alt="Growth accumulated over the noise levels",
    )


def numbers(view: Growth, row: pd.Series, result: Row, measured: int) -> None:
    """Draw the selected image's numbers; `result` is its row with the draws, `measured` counts all
    measured images.
    """
    columns = st.columns(4)
    sums = "is that of the growth itself" if view.shown == WITHOUT else "sums to it"
    columns[0].metric(
        TITLES[view.shown],
        f"{row['value']:,.0f}",
        help=f"{MEASURE.definition} In nats; the map {sums}.",
    )
    degrees = MEASURE.read(view.parameters).degrees
    low, high = interval(
        {"value": row["value"], "stderr": row["stderr"], "draws": result["draws"]}, degrees
    )
    range_ = "" if np.isnan(low) else f" 95% interval: {low:,.0f} to {high:,.0f}."
    columns[1].metric(
        "Standard error",
        "unknown" if np.isnan(row["stderr"]) else f"± {row['stderr']:,.0f}",
        help="Of the estimate, from the spread between probes; one probe has none. Probes are "
        "shared by all images, so ranks are steadier than single values." + range_,
    )
    columns[2].metric(
        "Rank",
        f"{row['rank']:,} of {measured:,}",
        help="Among all measured images, whatever the filters; 1 is the most memorised.",
    )
    if view.shown == RAW:
        levels = view.parameters["sigma_max"] / view.parameters["sigma_min"]
        ceiling = view.loaded.denoiser.dimension * np.log(levels)
        columns[3].metric(
            "Of the ceiling",
            f"{row['value'] / ceiling:.1%}",
            help=f"No exact model can exceed the growth of an isolated point, {ceiling:,.0f} nats "
            "= d ln(σ max / σ min). A trained network can: it corrects the noise more "
            "steeply than any distribution of images allows.",
        )
    else:
        columns[3].metric(
            "Bits per dimension",
            f"{row['bits_per_dimension']:.2f}",
            help="From the model's log likelihood at the lowest noise level.",
        )

"""How often the stochastic sampler ends near each mode: counted, estimated and exact."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from memlib import landscapes as land
from memlib.evidence.draws import count_interval
from memlib.landscapes.basins import SHOWN, basins
from pages.figures.style import CONFIG, GREY, GROUP_COLOURS, LEGEND, literal
from pages.landscapes.settings import Settings
from pages.session import results as computed

Ends = pd.Series | np.ndarray
DRAWS, STEPS = 1024, 50
WIDEST = 2.0  # the largest radius: a point further away is no copy by any tolerance


def basins_panel(text: str, chosen: Settings) -> None:
    """Draw the three rates of each mode."""
    modes, radius = land.parse_modes(text), min(chosen.radius, WIDEST)
    key = ("basins", text, radius, chosen.seed)
    with st.spinner("Drawing points and leading paths"):
        table = computed.once(
            key, lambda: basins(modes, radius, draws=DRAWS, steps=STEPS, seed=chosen.seed)
        )
    st.plotly_chart(
        literal(_chart(table)),
        key="basins",
        config=CONFIG,
        alt="Exact, counted and estimated rate of each mode",
    )
    first = f" The first {SHOWN} modes." if len(modes) > SHOWN else ""
    st.caption(
        f"The rate at which the stochastic sampler with {STEPS} steps ends within {radius:g} of a "
        "mode, and nearer to it than to the others; the radius is that of the disc. Exact: the "
        "mass of the mixture there, which is the mode's weight where all widths are 0. Counted: "
        f"{DRAWS:,} points drawn. Estimated: by the reproduction rate of the other pages, from 64 "
        "weighted paths; where their weights are too uneven it is a lower limit, an open triangle. "
        f"The sampler's finite steps move its rates a little from the exact ones.{first}"
    )


def _chart(table: pd.DataFrame) -> go.Figure:
    names = [f"mode {number}" for number in range(1, len(table) + 1)]
    counted = table["times"] / DRAWS
    low, high = count_interval(table["times"].to_numpy(), DRAWS)
    estimate = table["sign"] == 0
    figure = go.Figure(
        [
            go.Bar(x=names, y=table["exact"], name="exact", marker={"color": GREY, "opacity": 0.3}),
            go.Scatter(
                x=names,
                y=table["weight"],
                mode="markers",
                name="weight",
                marker={"symbol": "line-ew-open", "size": 24, "color": GREY},
            ),
        ]
    )
    figure.add_trace(
        go.Scatter(
            x=names,
            y=counted,
            mode="markers",
            name="counted",
            marker={"color": GROUP_COLOURS[2], "size": 10},
            error_y=_bars(counted, low, high),
        )
    )
    figure.add_trace(
        go.Scatter(
            x=names,
            y=table["estimated"],
            mode="markers",
            name="estimated",
            marker={
                "color": GROUP_COLOURS[0],
                "size": 10,
                "symbol": ["circle" if one else "triangle-up-open" for one in estimate],
            },
            error_y=_bars(
                table["estimated"],
                table["low"].where(estimate, table["estimated"]),
                table["high"].where(estimate, table["estimated"]),
            ),
        )
    )
    figure.update_yaxes(title="rate", rangemode="tozero")
    figure.update_layout(height=340, margin={"l": 0, "r": 0, "t": 60, "b": 0}, legend=LEGEND)
    return figure


def _bars(value: pd.Series, low: Ends, high: Ends) -> dict[str, object]:
    ends = {"array": high - value, "arrayminus": value - low}
    return {"type": "data", "symmetric": False, "thickness": 1, "width": 4, **ends}

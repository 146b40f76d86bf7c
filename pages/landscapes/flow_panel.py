"""The flow: the area of a square carried along the noise levels, against its theoretical value."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.figures.style import CONFIG, GREY, GROUP_COLOURS, LEGEND, literal
from pages.landscapes.fields import (
    LEVELS,
    PARTICLES,
    fine_levels,
    flow_paths,
    growth_of_point,
    square_area,
)
from pages.landscapes.settings import Settings


def flow_panel(text: str, chosen: Settings, point: tuple[float, float]) -> None:
    """Draw the square's area against the integral of the divergence at its centre."""
    flow = flow_paths(text, *point, chosen.side, chosen.seed)
    st.plotly_chart(
        literal(_chart(text, chosen, point, square_area(flow))),
        key="flow-chart",
        config=CONFIG,
        alt="Log area of the square and the integral of the divergence against noise level",
    )
    closing = float(np.sqrt(((flow.down[-1] - flow.up[0]) ** 2).sum(1).mean()))
    st.caption(
        "Tick “Particles and square” above and press Play. The square starts around the probe "
        f"at ({point[0]:g}, {point[1]:g}); the smaller its side, the closer its area follows the "
        f"integral. {PARTICLES} particles are carried up to σ = {LEVELS[-1]:g} and down again in "
        f"{len(fine_levels()) - 1} steps each. They end {closing:.2g} from where they started "
        "(root mean square)."
    )


def _chart(text: str, chosen: Settings, point: tuple[float, float], area: np.ndarray) -> go.Figure:
    levels = fine_levels().numpy()
    integral, exact, counted, error = growth_of_point(text, *point, chosen.probes, chosen.seed)
    square = f"log area of the square, side {chosen.side:g}"
    probes = f"estimated with {chosen.probes} probes"
    wide = {"color": GROUP_COLOURS[2], "width": 5}
    thin = {"color": GROUP_COLOURS[0], "width": 2}
    dotted = {"dash": "dot", "color": GREY}
    rings = {"color": GROUP_COLOURS[0], "size": 11, "symbol": "circle-open"}
    dots = {"color": GROUP_COLOURS[1], "size": 7}
    bars = {"array": np.nan_to_num(error), "color": GROUP_COLOURS[1]}
    ceiling = 2 * np.log(np.array(LEVELS) / LEVELS[0])
    figure = go.Figure(
        [
            go.Scatter(x=levels, y=area - area[0], mode="lines", name=square, line=wide),
            go.Scatter(
                x=levels,
                y=integral,
                mode="lines",
                name="integral of the divergence at its centre",
                line=thin,
            ),
            go.Scatter(
                x=LEVELS, y=exact, mode="markers", name="fall of its log density", marker=rings
            ),
            go.Scatter(x=LEVELS, y=counted, mode="markers", name=probes, marker=dots, error_y=bars),
            go.Scatter(
                x=LEVELS, y=ceiling, mode="lines", name="ceiling: an isolated point", line=dotted
            ),
        ]
    )
    figure.update_xaxes(type="log", title="noise level σ")
    figure.update_yaxes(title="growth so far, nats")
    figure.update_layout(height=340, margin={"l": 0, "r": 0, "t": 60, "b": 0}, legend=LEGEND)
    return figure

"""Figures of maps: several in one colour range, and one along the checkpoints of a training run."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.figures.curves import add_band
from pages.figures.pictures import COLOUR_SCALE, SIGNED_SCALE, colour_range
from pages.figures.style import GREY, GROUP_COLOURS, LEGEND


def maps_in_a_row(
    titled: Mapping[str, np.ndarray],
    limits: tuple[float, float],
    unit: str,
    signed: Sequence[str] = (),
) -> go.Figure:
    """Draw maps side by side in one colour range; those named in `signed` share another,
    around 0.
    """
    figure = make_subplots(1, len(titled), subplot_titles=list(titled), horizontal_spacing=0.07)
    for column, (name, heat) in enumerate(titled.items(), 1):
        low, high = colour_range(heat, True) if name in signed else limits
        bar = {"thickness": 10, "title": unit, "x": column / len(titled) - 0.02, "len": 0.9}
        scale = SIGNED_SCALE if name in signed else COLOUR_SCALE
        figure.add_trace(
            go.Heatmap(z=heat, colorscale=scale, zmin=low, zmax=high, colorbar=bar), 1, column
        )
        figure.update_xaxes(visible=False, constrain="domain", row=1, col=column)
        figure.update_yaxes(
            visible=False,
            autorange="reversed",
            scaleanchor=f"x{column if column > 1 else ''}",
            constrain="domain",
            row=1,
            col=column,
        )
    figure.update_layout(height=280, margin={"l": 0, "r": 0, "t": 30, "b": 0})
    return figure


def over_training(
    names: Sequence[str],
    values: np.ndarray,
    maps: np.ndarray,
    limits: tuple[float, float],
    unit: str,
    *,
    signed: bool,
    band: np.ndarray | None,
    onset: int | None,
) -> go.Figure:
    """Draw an image's value (T,) and map (T, H, W) at every checkpoint, with a slider that works in
    the browser.

    `band` (N, T) are values of held-out images; `onset` is the checkpoint to mark.
    """
    figure = make_subplots(
        1, 2, column_widths=[0.62, 0.38], horizontal_spacing=0.08, subplot_titles=("Value", "Map")
    )
    places = np.arange(len(names))
    if band is not None and len(band):
        add_band(figure, places, band, "held-out images")
    line = {"color": GROUP_COLOURS[0], "width": 3}
    figure.add_trace(
        go.Scatter(x=places, y=values, mode="lines+markers", name="this image", line=line), 1, 1
    )
    dot = {"size": 15, "color": GROUP_COLOURS[1], "symbol": "circle-open", "line": {"width": 3}}
    figure.add_trace(
        go.Scatter(x=places[-1:], y=values[-1:], mode="markers", name="the map shown", marker=dot),
        1,
        1,
    )
    scale = {
        "colorscale": SIGNED_SCALE if signed else COLOUR_SCALE,
        "zmin": limits[0],
        "zmax": limits[1],
    }
    figure.add_trace(
        go.Heatmap(z=maps[-1], **scale, colorbar={"title": unit, "thickness": 12}), 1, 2
    )
    if onset is not None:
        figure.add_vline(
            onset, line_dash="dot", line_color=GREY, annotation_text="onset", row=1, col=1
        )
    marker, heat = len(figure.data) - 2, len(figure.data) - 1
    figure.frames = [
        go.Frame(
            data=[go.Scatter(x=[place], y=[values[place]]), go.Heatmap(z=maps[place])],
            traces=[marker, heat],
            name=str(place),
        )
        for place in range(len(names))
    ]
    at_once = {
        "mode": "immediate",
        "frame": {"duration": 0, "redraw": True},
        "transition": {"duration": 0},
    }
    moves = [
        {"method": "animate", "args": [[str(place)], at_once], "label": name}
        for place, name in enumerate(names)
    ]
    figure.update_xaxes(tickvals=places, ticktext=list(names), row=1, col=1)
    figure.update_yaxes(title=unit, row=1, col=1)
    figure.update_xaxes(visible=False, constrain="domain", row=1, col=2)
    figure.update_yaxes(
        visible=False, autorange="reversed", scaleanchor="x2", constrain="domain", row=1, col=2
    )
    figure.update_layout(
        height=380,
        margin={"l": 0, "r": 0, "t": 40, "b": 0},
        legend=LEGEND,
        sliders=[
            {
                "active": len(names) - 1,
                "steps": moves,
                "currentvalue": {"prefix": "Checkpoint: "},
                "pad": {"t": 30},
                "x": 0,
                "len": 1,
                "ticklen": 0,
                "minorticklen": 0,
            }
        ],
    )
    return figure

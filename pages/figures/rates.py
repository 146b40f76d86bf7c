"""Figures of reproduction rates: counted, estimated, predicted, and with another sampler."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from memlib.evidence.prediction.screening import Predicted
from pages.figures.style import GREY, GROUP_COLOURS, LEGEND

KINDS = {
    0: ("estimate", "circle"),
    1: ("at least", "triangle-up"),
    -1: ("less than", "triangle-down"),
}
LOWEST = 1e-7  # rates below are drawn here


def estimated_against_counted(table: pd.DataFrame, names: Sequence[str], draws: int) -> go.Figure:
    """Draw each image's estimated rate against its counted one, with 95% intervals, on log axes;
    images that were not drawn are at the upper end of their interval.
    """
    figure = go.Figure()
    for tint, (sign, (name, symbol)) in zip(GROUP_COLOURS, KINDS.items(), strict=False):
        part = table[table["sign"] == sign]
        if part.empty:
            continue
        drawn = (part["times"] > 0).to_numpy()
        counted = part[["counted low", "counted", "counted high"]].to_numpy().T
        x = np.where(drawn, counted[1], counted[2])
        low, y, high = np.maximum(part[["rate low", "rate", "rate high"]].to_numpy().T, LOWEST)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                error_x=_ends(x, np.where(drawn, counted[0], x / 2), counted[2]),
                error_y=_ends(y, low, high),
                mode="markers",
                name=name,
                text=[names[place] for place in part["place"]],
                customdata=part["times"],
                marker={"size": 8, "symbol": symbol, "color": tint, "opacity": 0.8},
                hovertemplate="%{text}<br>estimated %{y:.2g}, drawn %{customdata:,} times"
                "<extra></extra>",
            )
        )
    ends = [0.5 / draws, 2 * float(table["counted high"].max())]
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=ends,
            mode="lines",
            line={"dash": "dot", "color": GREY},
            showlegend=False,
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(title="counted rate", type="log", exponentformat="power")
    figure.update_yaxes(title="estimated rate", type="log", exponentformat="power")
    figure.update_layout(height=380, margin={"l": 0, "r": 0, "t": 40, "b": 0}, legend=LEGEND)
    return figure


def counted_against_predicted(
    predicted: Predicted, law: Predicted, times: np.ndarray, draws: int, names: Sequence[str]
) -> go.Figure:
    """Draw each image's counted rate against the one predicted from other images, on log axes, with
    the band of the 95% intervals of the `law` fitted to all; images that were not drawn are at the
    lower edge.
    """
    places = np.flatnonzero(predicted.value > math.log10(LOWEST))
    places = places[np.argsort(predicted.value[places])]
    x = 10 ** predicted.value[places]
    floor = 0.5 / draws
    order = np.argsort(law.value)
    order = order[law.value[order] > math.log10(LOWEST)]
    wide = 10 ** law.value[order]
    band = [np.maximum(floor, 10 ** end[order]) for end in (law.low, law.high)]
    figure = go.Figure(
        go.Scatter(
            x=np.concatenate([wide, wide[::-1]]),
            y=np.concatenate([band[0], band[1][::-1]]),
            fill="toself",
            mode="none",
            fillcolor=GREY,
            opacity=0.25,
            name="95% of predicted rates",
            hoverinfo="skip",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=x,
            y=np.maximum(floor, times[places] / draws),
            mode="markers",
            text=[names[place] for place in places.tolist()],
            customdata=times[places],
            marker={"size": 6, "color": GROUP_COLOURS[0], "opacity": 0.6},
            name="image",
            hovertemplate="%{text}<br>predicted %{x:.2g}, drawn %{customdata:,} times"
            "<extra></extra>",
        )
    )
    figure.update_xaxes(title="predicted rate", type="log", exponentformat="power")
    figure.update_yaxes(title="counted rate", type="log", exponentformat="power")
    figure.update_layout(height=380, margin={"l": 0, "r": 0, "t": 40, "b": 0}, legend=LEGEND)
    return figure


def two_samplers(
    one: np.ndarray, other: np.ndarray, names: Sequence[str], axes: tuple[str, str]
) -> go.Figure:
    """Draw the counted rates (N,) of every image that either sampler drew, on log axes; 0 is at the
    left or lower edge.
    """
    places = np.flatnonzero((one > 0) | (other > 0))
    floor = 0.5 * min(values[values > 0].min(initial=1.0) for values in (one, other))
    top = 1.5 * max(values.max(initial=floor) for values in (one, other))
    figure = go.Figure(
        go.Scatter(
            x=np.maximum(one[places], floor),
            y=np.maximum(other[places], floor),
            mode="markers",
            text=[names[place] for place in places.tolist()],
            marker={"size": 7, "color": GROUP_COLOURS[2], "opacity": 0.6},
            hovertemplate="%{text}<br>%{x:.2g}, %{y:.2g}<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[floor, top],
            y=[floor, top],
            mode="lines",
            line={"dash": "dot", "color": GREY},
            showlegend=False,
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(title=axes[0], type="log", exponentformat="power")
    figure.update_yaxes(title=axes[1], type="log", exponentformat="power")
    figure.update_layout(height=380, margin={"l": 0, "r": 0, "t": 40, "b": 0})
    return figure


def _ends(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, object]:
    return {
        "type": "data",
        "symmetric": False,
        "array": high - value,
        "arrayminus": value - low,
        "thickness": 1,
        "width": 0,
    }

"""The figures pages share. They draw what they are given; nothing is measured here."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.shared.pictures import COLOUR_SCALE, data_url, enlarge, grey

GROUP_COLOURS = ("#a63a8c", "#e0704f", "#4a8fa8", "#8a8696", "#5a8f62", "#c9a13b")
CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"], "toImageButtonOptions": {"format": "svg"}}


def group_colours(groups: list[str]) -> dict[str, str]:
    return {group: GROUP_COLOURS[place % len(GROUP_COLOURS)] for place, group in enumerate(groups)}


def overlay(pixels: np.ndarray, heat: np.ndarray, low: float, high: float, unit: str) -> go.Figure:
    """The image, its map, and the map laid on the image, with a slider for its opacity that acts in the browser."""
    height, width = heat.shape
    figure = make_subplots(1, 3, subplot_titles=("Image", "Map", "Map on image"), horizontal_spacing=0.03)
    scale = {
        "colorscale": COLOUR_SCALE,
        "zmin": low,
        "zmax": high,
        "hovertemplate": "row %{y}, column %{x}: %{z:.3g} " + unit + "<extra></extra>",
    }
    size = {"x0": 0, "y0": 0, "dx": 1, "dy": 1}
    for column, picture in ((1, pixels), (3, grey(pixels))):
        source = data_url(enlarge(picture, 256))
        factor = max(1, 256 // width)
        figure.add_trace(
            go.Image(source=source, x0=-0.5 + 0.5 / factor, y0=-0.5 + 0.5 / factor, dx=1 / factor, dy=1 / factor, hoverinfo="skip"),
            1,
            column,
        )
    figure.add_trace(go.Heatmap(z=heat, **scale, **size, colorbar={"title": unit, "thickness": 12, "len": 0.9}), 1, 2)
    figure.add_trace(go.Heatmap(z=heat, **scale, **size, showscale=False, opacity=0.6), 1, 3)
    for column in (1, 2, 3):
        figure.update_xaxes(visible=False, range=[-0.5, width - 0.5], constrain="domain", row=1, col=column)
        figure.update_yaxes(
            visible=False, range=[height - 0.5, -0.5], scaleanchor=f"x{column if column > 1 else ''}", constrain="domain", row=1, col=column
        )
    steps = [{"method": "restyle", "args": [{"opacity": level / 10}, [3]], "label": f"{level * 10}%"} for level in range(11)]
    figure.update_layout(
        height=330,
        margin={"l": 0, "r": 0, "t": 30, "b": 0},
        sliders=[
            {
                "active": 6,
                "steps": steps,
                "currentvalue": {"prefix": "Opacity of the map: "},
                "pad": {"t": 8},
                "x": 0,
                "len": 1,
                "ticklen": 0,
                "minorticklen": 0,
            }
        ],
    )
    return figure


def growth_curve(sigmas: np.ndarray, curve: np.ndarray, dimension: int, band: tuple[str, np.ndarray] | None = None) -> go.Figure:
    """Growth accumulated up to each noise level, below the ceiling of an isolated point; `band` is (name, curves (N, T))."""
    figure = go.Figure()
    start = np.zeros(1)
    if band is not None and len(band[1]):
        low, high = np.quantile(np.concatenate([np.zeros((len(band[1]), 1)), band[1]], 1), [0.1, 0.9], axis=0)
        figure.add_trace(go.Scatter(x=sigmas, y=low, mode="lines", line={"width": 0}, hoverinfo="skip", showlegend=False))
        figure.add_trace(
            go.Scatter(
                x=sigmas,
                y=high,
                mode="lines",
                line={"width": 0},
                fill="tonexty",
                fillcolor="rgba(138,134,150,.3)",
                name=f"{band[0]}, 10% to 90%",
                hoverinfo="skip",
            )
        )
    ceiling = dimension * np.log(sigmas / sigmas[0])
    figure.add_trace(
        go.Scatter(x=sigmas, y=ceiling, mode="lines", line={"dash": "dot", "color": "#8a8696"}, name="ceiling: an isolated point")
    )
    figure.add_trace(
        go.Scatter(
            x=sigmas,
            y=np.concatenate([start, curve]),
            mode="lines+markers",
            name="this image",
            line={"color": GROUP_COLOURS[0], "width": 3},
        )
    )
    figure.update_xaxes(type="log", title="noise level σ")
    figure.update_yaxes(title="growth so far, nats")
    figure.update_layout(height=300, margin={"l": 0, "r": 0, "t": 10, "b": 0}, legend={"orientation": "h", "y": 1.15})
    return figure


def histogram(table: pd.DataFrame, group: str | None, marked: float, axis: str) -> go.Figure:
    """How the values are spread, by group, with the selected image marked."""
    figure = go.Figure()
    edges = np.histogram_bin_edges(table["value"], 40)
    bins = {"start": edges[0], "end": edges[-1] + 1e-9, "size": edges[1] - edges[0]}
    groups = list(dict.fromkeys(table[group])) if group else ["all"]
    for name, tint in group_colours(sorted(groups)).items():
        values = table["value"] if group is None else table.loc[table[group] == name, "value"]
        figure.add_trace(go.Histogram(x=values, xbins=bins, name=str(name), marker_color=tint, opacity=0.65, histnorm="percent"))
    figure.add_vline(marked, line_dash="dot", annotation_text="selected")
    figure.update_xaxes(title=axis)
    figure.update_yaxes(title="percent of the group")
    figure.update_layout(barmode="overlay", height=320, margin={"l": 0, "r": 0, "t": 24, "b": 0}, legend={"orientation": "h", "y": 1.18})
    return figure


def dose_response(table: pd.DataFrame, axis: str) -> go.Figure:
    """Every image's value against how often it stands in the training set, with the median of each count."""
    copies = np.sort(table["copies"].unique())
    place = {count: spot for spot, count in enumerate(copies)}
    figure = go.Figure()
    jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(table))  # only so that dots do not hide each other
    figure.add_trace(
        go.Scatter(
            x=table["copies"].map(place) + jitter, y=table["value"], mode="markers", marker={"size": 4, "color": "#8a8696", "opacity": 0.45},
            text=table["name"], hovertemplate="%{text}<br>%{y:,.0f}<extra></extra>", showlegend=False,
        )
    )  # fmt: skip
    medians = table.groupby("copies")["value"].median()
    figure.add_trace(
        go.Scatter(
            x=list(range(len(copies))),
            y=medians.loc[copies],
            mode="lines+markers",
            line={"color": GROUP_COLOURS[0], "width": 3},
            marker={"size": 9},
            name="median",
            showlegend=False,
        )
    )
    figure.update_xaxes(
        title="copies in the training set",
        tickvals=list(range(len(copies))),
        ticktext=[f"{count:g}" if count else "0 (held out)" for count in copies],
    )
    figure.update_yaxes(title=axis)
    figure.update_layout(height=320, margin={"l": 0, "r": 0, "t": 24, "b": 0})
    return figure

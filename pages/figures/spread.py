"""Figures of the values of many images: their spread, and one value against another."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.figures.style import GREY, GROUP_COLOURS, LEGEND, group_colours


def histogram(table: pd.DataFrame, group: str | None, marked: float, axis: str) -> go.Figure:
    """Draw the distribution of the values by group, with the selected image marked."""
    figure = go.Figure()
    edges = np.histogram_bin_edges(table["value"], 40)
    bins = {"start": edges[0], "end": edges[-1] + 1e-9, "size": edges[1] - edges[0]}
    groups = list(dict.fromkeys(table[group])) if group else ["all"]
    for name, tint in group_colours(sorted(groups)).items():
        values = table["value"] if group is None else table.loc[table[group] == name, "value"]
        figure.add_trace(
            go.Histogram(
                x=values,
                xbins=bins,
                name=str(name),
                marker_color=tint,
                opacity=0.65,
                histnorm="percent",
            )
        )
    figure.add_vline(marked, line_dash="dot", line_color=GREY, annotation_text="selected")
    figure.update_xaxes(title=axis)
    figure.update_yaxes(title="percent of the group")
    figure.update_layout(
        barmode="overlay", height=320, margin={"l": 0, "r": 0, "t": 48, "b": 0}, legend=LEGEND
    )
    return figure


def counted_histogram(bins: pd.DataFrame, axis: str, selected: float | None = None) -> go.Figure:
    """Draw a histogram from its counts (columns low, high, count), with the selected
    image marked.
    """
    figure = go.Figure(
        go.Bar(
            x=(bins["low"] + bins["high"]) / 2,
            y=bins["count"],
            width=bins["high"] - bins["low"],
            marker={"color": GROUP_COLOURS[0], "line": {"width": 0}},
        )
    )
    figure.update_xaxes(title=axis)
    figure.update_yaxes(title="images")
    if selected is not None:
        figure.add_vline(selected, line_dash="dot", line_color=GREY, annotation_text="selected")
    figure.update_layout(height=260, bargap=0, margin={"l": 0, "r": 0, "t": 24, "b": 0})
    return figure


def dose_response(table: pd.DataFrame, axis: str) -> go.Figure:
    """Draw every image's value against its number of copies in the training set, with the median
    for each number.
    """
    copies = np.sort(table["copies"].unique())
    place = {count: spot for spot, count in enumerate(copies)}
    figure = go.Figure()
    jitter = np.random.default_rng(0).uniform(
        -0.25, 0.25, len(table)
    )  # jitter, so that dots do not hide each other
    figure.add_trace(
        go.Scatter(
            x=table["copies"].map(place) + jitter,
            y=table["value"],
            mode="markers",
            marker={"size": 4, "color": GREY, "opacity": 0.45},
            text=table["name"],
            hovertemplate="%{text}<br>%{y:,.4r}<extra></extra>",
            showlegend=False,
        )
    )
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


def against_control(
    table: pd.DataFrame, control: str, axis: str, control_axis: str, digits: str = ",.0f"
) -> go.Figure:
    """Draw every image's value against a control, by group."""
    figure = go.Figure()
    groups = sorted(table["group"].unique()) if "group" in table else ["all"]
    for name, tint in group_colours(groups).items():
        part = table[table["group"] == name] if "group" in table else table
        figure.add_trace(
            go.Scatter(
                x=part[control],
                y=part["value"],
                mode="markers",
                name=str(name),
                text=part["name"],
                marker={"size": 5, "color": tint, "opacity": 0.6},
                hovertemplate="%{text}<br>%{x:.4g}, %{y:" + digits + "}<extra></extra>",
            )
        )
    figure.update_xaxes(title=control_axis)
    figure.update_yaxes(title=axis)
    figure.update_layout(height=320, margin={"l": 0, "r": 0, "t": 48, "b": 0}, legend=LEGEND)
    return figure


def against_count(
    values: pd.Series, counts: np.ndarray, names: Sequence[str], trained: np.ndarray, axis: str
) -> go.Figure:
    """Draw the value of every image that has one against how often it was reproduced, with the
    median of each range of counts.
    """
    rungs = np.array([0, 1, 2, 4, 8, 16, 32, 64])
    known = np.flatnonzero(values.notna())
    value, counts = values.to_numpy()[known], counts[known]
    place = np.where(trained[known], np.searchsorted(rungs, counts, "right") - 1, -1)
    jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(known))
    figure = go.Figure()
    figure.add_trace(
        go.Scattergl(
            x=place + jitter,
            y=value,
            mode="markers",
            marker={"size": 4, "color": GREY, "opacity": 0.5},
            text=[names[index] for index in known.tolist()],
            customdata=counts,
            hovertemplate="%{text}<br>%{y:,.4r}, %{customdata} times<extra></extra>",
            showlegend=False,
        )
    )
    found = sorted(set(place.tolist()))
    medians = [float(np.median(value[place == rung])) for rung in found]
    figure.add_trace(
        go.Scatter(
            x=found,
            y=medians,
            mode="lines+markers",
            line={"color": GROUP_COLOURS[0], "width": 3},
            marker={"size": 9},
            showlegend=False,
            hoverinfo="skip",
        )
    )
    labels = (
        {-1: "held out", 0: "never", 1: "once"}
        | {rung: f"{rungs[rung]} to {rungs[rung + 1] - 1}" for rung in range(2, 7)}
        | {7: "64 and more"}
    )
    figure.update_xaxes(
        title="times reproduced", tickvals=found, ticktext=[labels[rung] for rung in found]
    )
    figure.update_yaxes(title=axis)
    figure.update_layout(height=300, margin={"l": 0, "r": 0, "t": 10, "b": 0})
    return figure


def paired_values(
    one: np.ndarray,
    other: np.ndarray,
    places: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    axis: str,
    other_axis: str,
) -> go.Figure:
    """Draw two measures of the images at `places`, by group; customdata is the place of
    an image.
    """
    figure = go.Figure()
    for name, tint in group_colours(sorted(set(groups.tolist()))).items():
        part = places[groups[places] == name]
        figure.add_trace(
            go.Scattergl(
                x=one[part],
                y=other[part],
                mode="markers",
                name=name,
                customdata=part,
                text=[names[place] for place in part],
                marker={"size": 6, "color": tint, "opacity": 0.65},
                hovertemplate="%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
            )
        )
    figure.update_xaxes(title=axis)
    figure.update_yaxes(title=other_axis)
    figure.update_layout(height=420, margin={"l": 0, "r": 0, "t": 40, "b": 0}, legend=LEGEND)
    return figure

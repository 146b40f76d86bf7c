"""The figures pages share. They draw what they are given; nothing is measured here."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from memlib.statistics import roc
from pages.figures.pictures import COLOUR_SCALE, SIGNED_SCALE, colour_range

GREY = "#8a8696"  # seen on light and dark
GROUP_COLOURS = ("#a63a8c", "#e0704f", "#4a8fa8", GREY, "#5a8f62", "#c9a13b")
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg"},
}


def group_colours(groups: list[str]) -> dict[str, str]:
    return {group: GROUP_COLOURS[place % len(GROUP_COLOURS)] for place, group in enumerate(groups)}


_SLIDER = {"x": 0, "len": 1, "ticklen": 0, "minorticklen": 0}


def add_band(figure: go.Figure, x: np.ndarray, curves: np.ndarray, name: str) -> None:
    """The middle 80% of many curves (N, len(x)), in grey behind the others."""
    low, high = np.quantile(curves, [0.1, 0.9], axis=0)
    figure.add_trace(
        go.Scatter(x=x, y=low, mode="lines", line={"width": 0}, hoverinfo="skip", showlegend=False)
    )
    figure.add_trace(
        go.Scatter(
            x=x,
            y=high,
            mode="lines",
            line={"width": 0},
            fill="tonexty",
            fillcolor="rgba(138,134,150,.3)",
            name=f"{name}, 10 to 90%",
            hoverinfo="skip",
        )
    )


def growth_curve(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    ceiling: int | None,
    band: tuple[str, np.ndarray, np.ndarray] | None = None,
) -> go.Figure:
    """Growth accumulated up to each noise level, for each named (noise levels (T + 1,), curve
    (T,)).

    `ceiling` is the dimension, for the line of an isolated point; `band` is (name, noise levels,
    curves (N, T)).
    """
    figure = go.Figure()
    if band is not None and len(band[2]):
        add_band(
            figure, band[1], np.concatenate([np.zeros((len(band[2]), 1)), band[2]], 1), band[0]
        )
    if ceiling is not None:
        sigmas = next(iter(curves.values()))[0]
        line = {"dash": "dot", "color": GREY}
        figure.add_trace(
            go.Scatter(
                x=sigmas,
                y=ceiling * np.log(sigmas / sigmas[0]),
                mode="lines",
                line=line,
                name="ceiling: an isolated point",
            )
        )
    for tint, (name, (sigmas, curve)) in zip(GROUP_COLOURS, curves.items(), strict=False):
        figure.add_trace(
            go.Scatter(
                x=sigmas,
                y=np.concatenate([[0.0], curve]),
                mode="lines+markers",
                name=name,
                line={"color": tint, "width": 3},
                marker={"size": 5},
            )
        )
    figure.update_xaxes(type="log", title="noise level σ")
    figure.update_yaxes(title="growth so far, nats")
    figure.update_layout(height=300, margin={"l": 0, "r": 0, "t": 48, "b": 0}, legend=LEGEND)
    return figure


def histogram(table: pd.DataFrame, group: str | None, marked: float, axis: str) -> go.Figure:
    """How the values are spread, by group, with the selected image marked."""
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


def counted(bins: pd.DataFrame, axis: str, selected: float | None = None) -> go.Figure:
    """A histogram that was counted elsewhere: columns low, high, count; with the selected image
    marked.
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
    """Every image's value against how often it stands in the training set, with the median of each
    count.
    """
    copies = np.sort(table["copies"].unique())
    place = {count: spot for spot, count in enumerate(copies)}
    figure = go.Figure()
    jitter = np.random.default_rng(0).uniform(
        -0.25, 0.25, len(table)
    )  # only so that dots do not hide each other
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


def return_curve(
    sigmas: np.ndarray, shares: np.ndarray, band: tuple[str, np.ndarray, np.ndarray] | None
) -> go.Figure:
    """Share of redraws that return to the image against the noise level; `band` as in
    `growth_curve`.
    """
    figure = go.Figure()
    if band is not None and len(band[2]):
        add_band(figure, band[1], band[2], band[0])
    line = {"color": GROUP_COLOURS[0], "width": 3}
    figure.add_trace(
        go.Scatter(x=sigmas, y=shares, mode="lines+markers", name="this image", line=line)
    )
    figure.update_xaxes(
        type="log",
        title="noise level σ it was redrawn from",
        tickvals=sigmas,
        ticktext=[f"{sigma:g}" for sigma in sigmas],
    )
    figure.update_yaxes(title="share that returns", range=[-0.03, 1.03], tickformat=".0%")
    figure.update_layout(height=280, margin={"l": 0, "r": 0, "t": 48, "b": 0}, legend=LEGEND)
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
    """An image's value (T,) and map (T, H, W) at every checkpoint, with a slider that acts in the
    browser.

    `band` (N, T) are the held-out images' values; `onset` is the checkpoint to mark.
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
                **_SLIDER,
            }
        ],
    )
    return figure


def maps_in_a_row(
    titled: Mapping[str, np.ndarray],
    limits: tuple[float, float],
    unit: str,
    signed: Sequence[str] = (),
) -> go.Figure:
    """Maps side by side in one range; those named in `signed` have one of their own, around 0."""
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


def against(
    table: pd.DataFrame, control: str, axis: str, control_axis: str, digits: str = ",.0f"
) -> go.Figure:
    """Every image's value against a control, by group."""
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


def frontier(table: pd.DataFrame) -> go.Figure:
    """Rank correlation with a long run against network forwards an image, a line for each number of
    probes.
    """
    figure = go.Figure()
    for tint, (probes, part) in zip(GROUP_COLOURS, table.groupby("probes"), strict=False):
        label = "1 probe" if probes == 1 else f"{probes!s} probes"
        figure.add_trace(
            go.Scatter(
                x=part["forwards"],
                y=part["rank correlation"],
                text=[f"{steps} steps" for steps in part["steps"]],
                mode="lines+markers",
                name=label,
                line={"color": tint},
                hovertemplate="%{text}, %{x} forwards: %{y:.3f}<extra>" + label + "</extra>",
            )
        )
    figure.add_vline(40, line_dash="dot", line_color=GREY)
    figure.update_xaxes(type="log", title="network forwards an image", tickvals=[10, 20, 40, 80])
    figure.update_yaxes(title="rank correlation with the long run")
    figure.update_layout(height=320, margin={"l": 0, "r": 0, "t": 10, "b": 0})
    return figure


def frame_curve(times: np.ndarray, lengths: np.ndarray, volume: np.ndarray) -> go.Figure:
    """Growth of a frame over the paper's time: the published sum and the true volume."""
    figure = go.Figure()
    for name, curve, tint in (
        ("sum of log lengths", lengths, GROUP_COLOURS[0]),
        ("log volume", volume, GROUP_COLOURS[2]),
    ):
        figure.add_trace(
            go.Scatter(x=times, y=curve, mode="lines", name=name, line={"color": tint, "width": 3})
        )
    figure.update_xaxes(title="time t")
    figure.update_yaxes(title="growth so far, nats")
    figure.update_layout(height=280, margin={"l": 0, "r": 0, "t": 48, "b": 0}, legend=LEGEND)
    return figure


def statistic_curves(
    sigmas: np.ndarray,
    curves: Mapping[str, Sequence[float]],
    marked: float,
    band: tuple[str, np.ndarray, np.ndarray] | None,
    axis: str,
) -> go.Figure:
    """A statistic against noise level, a line for each p; `band` as in `growth_curve`."""
    figure = go.Figure()
    if band is not None:
        add_band(figure, band[1], band[2], band[0])
    for tint, (name, values) in zip(GROUP_COLOURS, curves.items(), strict=False):
        figure.add_trace(
            go.Scatter(
                x=sigmas, y=list(values), mode="lines+markers", name=name, line={"color": tint}
            )
        )
    figure.add_vline(marked, line_dash="dot", line_color=GREY)
    figure.update_xaxes(type="log", title="noise level σ")
    figure.update_yaxes(title=axis)
    figure.update_layout(height=280, margin={"l": 0, "r": 0, "t": 48, "b": 0}, legend=LEGEND)
    return figure


def radius_curves(
    radii: np.ndarray, curves: Mapping[str, Sequence[float]], axis: str, log: bool
) -> go.Figure:
    """A number against the radius of the sphere in units of sigma sqrt(d), a line for each p."""
    figure = statistic_curves(radii, curves, 1.0, None, axis)
    figure.update_xaxes(title="radius of the sphere, in units of σ√d")
    figure.update_yaxes(type="log" if log else "linear")
    return figure


def roc_curves(curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> go.Figure:
    """A curve for each named (values, values of the others), bigger being positive."""
    figure = go.Figure()
    for tint, (name, sides) in zip(GROUP_COLOURS, curves.items(), strict=False):
        false, true = roc(*sides)
        figure.add_trace(
            go.Scatter(
                x=false,
                y=true,
                mode="lines",
                line={"color": tint, "width": 2, "shape": "hv"},
                name=name,
            )
        )
    figure.add_trace(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            line={"dash": "dot", "color": GREY},
            showlegend=False,
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(title="false positive rate", range=[-0.01, 1.01])
    figure.update_yaxes(title="true positive rate", range=[-0.01, 1.02])
    figure.update_layout(
        height=430,
        margin={"l": 0, "r": 0, "t": 10, "b": 0},
        legend={"x": 1, "y": 0.02, "xanchor": "right", "yanchor": "bottom"},
    )
    return figure


def cost(table: pd.DataFrame) -> go.Figure:
    """AUC with its interval against network forwards an image."""
    figure = go.Figure()
    spread = np.random.default_rng(0).uniform(0.93, 1.07, len(table))  # many cost the same
    figure.add_trace(
        go.Scatter(
            x=table["forwards"] * spread,
            y=table["AUC"],
            text=table["title"],
            customdata=table["forwards"],
            mode="markers",
            marker={"size": 9, "color": GROUP_COLOURS[0]},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": table["high"] - table["AUC"],
                "arrayminus": table["AUC"] - table["low"],
                "color": "rgba(138,134,150,.5)",
                "thickness": 1,
            },
            hovertemplate="%{text}<br>AUC %{y:.3f}, %{customdata:,} forwards<extra></extra>",
            showlegend=False,
        )
    )
    ticks = sorted(set(table["forwards"]))
    figure.update_xaxes(
        type="log",
        title="network forwards an image",
        tickvals=ticks,
        ticktext=[f"{one:,}" for one in ticks],
    )
    figure.update_yaxes(title="AUC")
    figure.update_layout(height=340, margin={"l": 0, "r": 0, "t": 10, "b": 0})
    return figure


def against_count(
    values: pd.Series, counts: np.ndarray, names: Sequence[str], trained: np.ndarray, axis: str
) -> go.Figure:
    """The value of every image that has one against how often it came back, with the median of each
    count's rung.
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
        title="times it came back", tickvals=found, ticktext=[labels[rung] for rung in found]
    )
    figure.update_yaxes(title=axis)
    figure.update_layout(height=300, margin={"l": 0, "r": 0, "t": 10, "b": 0})
    return figure


def correlations(matrix: np.ndarray, names: Sequence[str]) -> go.Figure:
    """A matrix of correlations, around 0."""
    figure = go.Figure(
        go.Heatmap(
            z=matrix,
            x=list(names),
            y=list(names),
            colorscale=SIGNED_SCALE,
            zmin=-1,
            zmax=1,
            text=np.round(matrix, 2),
            texttemplate="%{text:.2f}",
            textfont={"size": 9},
            colorbar={"thickness": 10},
            hovertemplate="%{y}<br>%{x}<br>%{z:.3f}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(height=120 + 24 * len(names), margin={"l": 0, "r": 0, "t": 10, "b": 0})
    return figure


def linked(
    one: np.ndarray,
    other: np.ndarray,
    places: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    axis: str,
    other_axis: str,
) -> go.Figure:
    """Two measures of the images at `places`, by group; a point's customdata is the image's place."""
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

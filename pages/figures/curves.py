"""Figures of a number along an axis: noise level, time, radius, cost."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from memlib.evidence.unseen import Estimate
from pages.figures.style import GREY, GROUP_COLOURS, LEGEND


def add_band(figure: go.Figure, x: np.ndarray, curves: np.ndarray, name: str) -> None:
    """Return the middle 80% of many curves (N, len(x)), drawn in grey behind the others."""
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
    """Draw growth accumulated up to each noise level, for each named pair (noise levels (T + 1,),
    curve (T,)).

    `ceiling` is the dimension d, for the line of an isolated point; `band` is (name, noise levels,
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


def return_curve(
    sigmas: np.ndarray, shares: np.ndarray, band: tuple[str, np.ndarray, np.ndarray] | None
) -> go.Figure:
    """Draw the share of redraws that return to the image against the noise level; `band` as in
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
        title="noise level σ of the redraw",
        tickvals=sigmas,
        ticktext=[f"{sigma:g}" for sigma in sigmas],
    )
    figure.update_yaxes(title="share that returns", range=[-0.03, 1.03], tickformat=".0%")
    figure.update_layout(height=280, margin={"l": 0, "r": 0, "t": 48, "b": 0}, legend=LEGEND)
    return figure


def frame_curve(times: np.ndarray, lengths: np.ndarray, volume: np.ndarray) -> go.Figure:
    """Draw the growth of a frame over the paper's time: the published sum and the true volume."""
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
    """Draw a statistic against noise level, one line per p; `band` as in `growth_curve`."""
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
    """Draw a number against the radius of the sphere in units of sigma sqrt(d), one line per p."""
    figure = statistic_curves(radii, curves, 1.0, None, axis)
    figure.update_xaxes(title="radius of the sphere, in units of σ√d")
    figure.update_yaxes(type="log" if log else "linear")
    return figure


def agreement_by_cost(table: pd.DataFrame) -> go.Figure:
    """Draw rank correlation with a long run against network forwards per image, one line per number
    of probes.
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
    figure.update_xaxes(type="log", title="network forwards per image", tickvals=[10, 20, 40, 80])
    figure.update_yaxes(title="rank correlation with the long run")
    figure.update_layout(height=320, margin={"l": 0, "r": 0, "t": 10, "b": 0})
    return figure


def images_against_draws(
    sizes: Sequence[int], estimates: Sequence[Estimate], draws: int
) -> go.Figure:
    """How many different images come back among so many pictures, with the band of the intervals:
    solid up to the `draws` made, of which the last point is marked, dashed beyond.
    """
    x = np.asarray(sizes)
    value, low, high = (
        np.array([getattr(one, name) for one in estimates]) for name in ("value", "low", "high")
    )
    figure = go.Figure()
    hidden = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    for part, showlegend in ((x <= draws, True), (x >= draws, False)):
        # two bands: the forecast's interval is wider from its first point
        figure.add_trace(go.Scatter(x=x[part], y=low[part], showlegend=False, **hidden))
        figure.add_trace(
            go.Scatter(
                x=x[part],
                y=high[part],
                fill="tonexty",
                fillcolor="rgba(138,134,150,.3)",
                name="95% interval",
                showlegend=showlegend,
                **hidden,
            )
        )
    for name, part, dash in (
        ("drawn", x <= draws, "solid"),
        ("expected in as many again", x >= draws, "dash"),
    ):
        figure.add_trace(
            go.Scatter(
                x=x[part],
                y=value[part],
                mode="lines",
                name=name,
                line={"color": GROUP_COLOURS[0], "width": 3, "dash": dash},
                hovertemplate="%{y:.1f} images among %{x:,} pictures<extra></extra>",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=[draws],
            y=value[x == draws],
            mode="markers",
            name="seen so far",
            marker={"color": GROUP_COLOURS[0], "size": 11},
            hovertemplate="%{y:.0f} images among %{x:,} pictures<extra></extra>",
        )
    )
    font = {"size": 13}
    figure.update_xaxes(title="pictures drawn", rangemode="tozero", tickfont=font, tickformat=",")
    figure.update_yaxes(title="different images", rangemode="tozero", tickfont=font)
    figure.update_layout(
        height=340,
        margin={"l": 0, "r": 0, "t": 48, "b": 0},
        legend=LEGEND | {"font": font, "traceorder": "reversed"},
    )
    return figure

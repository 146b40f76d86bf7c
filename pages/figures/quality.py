"""Figures of how well measures separate images, what they cost and how well they agree."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from memlib.statistics import roc
from pages.figures.pictures import SIGNED_SCALE
from pages.figures.style import GREY, GROUP_COLOURS

LEGEND_LINE = 20  # pixels


def roc_curves(curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> go.Figure:
    """Draw a ROC curve for each named pair (values, values of the others), bigger is positive; the
    names are below the curves.
    """
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
    below = LEGEND_LINE * len(curves)
    figure.update_layout(
        height=360 + below,
        margin={"l": 0, "r": 0, "t": 10, "b": 55 + below},
        legend={"x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
    )
    return figure


def auc_against_cost(table: pd.DataFrame) -> go.Figure:
    """Draw the AUC with its interval against network forwards per image."""
    figure = go.Figure()
    spread = np.random.default_rng(0).uniform(0.93, 1.07, len(table))  # of points with equal costs
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
        title="network forwards per image",
        tickvals=ticks,
        ticktext=[f"{one:,}" for one in ticks],
    )
    figure.update_yaxes(title="AUC")
    figure.update_layout(height=340, margin={"l": 0, "r": 0, "t": 10, "b": 0})
    return figure


def correlations(matrix: np.ndarray, names: Sequence[str]) -> go.Figure:
    """Draw a matrix of correlations with colours around 0."""
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

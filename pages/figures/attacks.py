"""Figures of attacks: what they find for what they cost."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages.figures.style import GROUP_COLOURS, LEGEND

AXES = {"different": "different images", "false hits": "false hits"}


def found_for_forwards(lines: pd.DataFrame) -> go.Figure:
    """Draw different images, and below them the share of false hits, against network forwards, a
    line for each method of `memlib.extraction.over_seeds`, with its intervals.
    """
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.07)
    methods = lines.groupby("method", sort=False)
    for tint, (method, part) in zip(GROUP_COLOURS, methods, strict=False):
        for row, (column, title) in enumerate(AXES.items(), 1):
            error = {
                "type": "data",
                "symmetric": False,
                "array": part[f"{column} to"] - part[column],
                "arrayminus": part[column] - part[f"{column} from"],
                "thickness": 1,
                "width": 3,
            }
            figure.add_trace(
                go.Scatter(
                    x=part["forwards"],
                    y=part[column],
                    error_y=error,
                    mode="lines+markers",
                    name=str(method),
                    legendgroup=str(method),
                    showlegend=row == 1,
                    line={"color": tint, "width": 3},
                    marker={"size": 5},
                    hovertemplate=f"%{{x:,}} forwards: {_number(row)} {title}"
                    f"<extra>{method}</extra>",
                ),
                row=row,
                col=1,
            )
    figure.update_yaxes(title=AXES["different"], rangemode="tozero", row=1, col=1)
    # the intervals of the first few images are far too wide to be seen beside the shares
    top = max(0.002, 3 * float(lines["false hits"].max()))
    figure.update_yaxes(title=AXES["false hits"], range=[0, top], tickformat=".1%", row=2, col=1)
    figure.update_xaxes(title="network forwards", row=2, col=1)
    figure.update_layout(height=460, margin={"l": 0, "r": 0, "t": 70, "b": 0}, legend=LEGEND)
    return figure


def _number(row: int) -> str:
    return "%{y:.0f}" if row == 1 else "%{y:.2%}"

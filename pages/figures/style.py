"""One style for every figure: colours, legend, tool bar, and text shown literally."""

import html
from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

GREY = "#8a8696"  # visible on light and dark backgrounds
GROUP_COLOURS = ("#a63a8c", "#e0704f", "#4a8fa8", GREY, "#5a8f62", "#c9a13b")
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg"},
}
TEXTS = {"name", "text", "hovertext", "ticktext", "title", "label", "prefix", "x", "y"}


def literal(figure: go.Figure | Callable[[], go.Figure], key: tuple = ()) -> Any:
    """Return a figure in which all text is shown as it is written, with its tool bar upright so
    that it does not cover the legend.

    Plotly reads <b>, <a href=...> and &amp; in names, labels and titles, and names come from
    outside. Every figure is drawn through here; only templates of the hover text are left as they
    are. If `figure` is a function, it is called once per process for each `key`, which names
    everything the figure depends on.
    """
    if not isinstance(figure, go.Figure):
        return _kept(key, figure)
    parts = {name: _literal(part, name) for name, part in figure.to_dict().items()}
    return parts | {"layout": parts.get("layout", {}) | {"modebar": {"orientation": "v"}}}


@st.cache_resource(max_entries=64, show_spinner=False)
def _kept(key: tuple, _make: Callable[[], go.Figure]) -> go.Figure:
    return go.Figure(literal(_make()))  # so that Streamlit does not check it again


def _literal(part: Any, name: str) -> Any:
    if isinstance(part, str):
        return html.escape(part, quote=False) if name in TEXTS else part
    if isinstance(part, dict):
        return {key: _literal(one, key if key != "template" else "") for key, one in part.items()}
    if isinstance(part, (list, tuple)):
        return [_literal(one, name) for one in part]
    if isinstance(part, np.ndarray) and part.dtype.kind in "OU":
        return [_literal(one, name) for one in part.tolist()]
    return part


def group_colours(groups: list[str]) -> dict[str, str]:
    return {group: GROUP_COLOURS[place % len(GROUP_COLOURS)] for place, group in enumerate(groups)}

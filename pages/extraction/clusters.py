"""The clusters that guided a run: how tight they are, how well the classifier recognises them under
noise, and what was drawn for each.
"""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from memlib.extraction import Generations
from memlib.workspace import Workspace
from pages.figures.pictures import enlarge, rgb
from pages.figures.style import CONFIG, GROUP_COLOURS, literal
from pages.session.messages import plain


def cluster_browser(
    loaded: Workspace, generations: Generations, table: pd.DataFrame, copy: np.ndarray
) -> None:
    """Draw the clusters of a run, and the generated images of one cluster; `copy` (N,) is True for
    copies.
    """
    surrogate = generations.manifest.get("surrogate")
    if surrogate is None:
        st.info("These images were drawn without guidance by clusters.", icon=":material/info:")
        return
    settings, cohesion = surrogate["settings"], np.array(surrogate["cohesion"])
    st.caption(
        f"{settings['generated']:,} model samples, with the features "
        f"{plain(settings['features'])}, in {settings['clusters']:,} clusters; "
        f"{len(surrogate['kept'])} have a cohesion of at least {settings['cohesion']:g} and are "
        f"kept, with {plain(surrogate['kind'])} labels."
    )
    left, right = st.columns(2, gap="medium")
    left.plotly_chart(
        literal(_cohesion(cohesion, settings["cohesion"])),
        key="cohesion-chart",
        config=CONFIG,
        alt="Histogram of the clusters' cohesion",
    )
    right.plotly_chart(
        literal(_accuracy(surrogate)),
        key="accuracy-chart",
        config=CONFIG,
        alt="Accuracy of the classifier by noise level",
    )
    known = sorted(
        float(level)
        for level, value in surrogate["accuracy"].items()
        if value > 2 * surrogate["chance"]
    )
    if known:
        right.caption(
            f"More than twice chance up to σ = {known[-1]:g}; above that, the guidance carries "
            "little information."
        )
    labels = np.array(surrogate["labels"])
    lines = pd.DataFrame(
        {
            "cluster": np.arange(len(surrogate["kept"])),
            "cohesion": cohesion[surrogate["kept"]],
            "model samples": np.bincount(labels, minlength=len(surrogate["kept"])),
            "guided images": table.groupby("cluster")
            .size()
            .reindex(range(len(surrogate["kept"])), fill_value=0)
            .to_numpy(),
            "copies": pd.Series(copy)
            .groupby(table["cluster"].to_numpy())
            .sum()
            .reindex(range(len(surrogate["kept"])), fill_value=0)
            .to_numpy(),
        }
    ).sort_values("cohesion", ascending=False)
    event = st.dataframe(
        lines,
        hide_index=True,
        height=260,
        on_select="rerun",
        selection_mode="single-row",
        key="cluster-table",
        alt="The kept clusters",
    )
    rows = event["selection"]["rows"]
    cluster = int(lines["cluster"].iloc[rows[0] if rows else 0])
    members = np.flatnonzero(table["cluster"].to_numpy() == cluster)
    st.text(
        f"Cluster {cluster}: images guided towards it"
        if len(members)
        else f"No image was guided towards cluster {cluster}."
    )
    if len(members):
        pictures = [enlarge(rgb(generations.images[int(place)]), 64) for place in members[:64]]
        st.image(pictures, width=64, output_format="PNG")


def _cohesion(cohesion: np.ndarray, threshold: float) -> go.Figure:
    figure = go.Figure(
        go.Histogram(x=cohesion, nbinsx=30, marker_color=GROUP_COLOURS[0], opacity=0.75)
    )
    figure.add_vline(threshold, line_dash="dot", annotation_text="threshold")
    figure.update_xaxes(title="mean cosine to the centre")
    figure.update_yaxes(title="clusters")
    figure.update_layout(height=260, margin={"l": 0, "r": 0, "t": 24, "b": 0})
    return figure


def _accuracy(surrogate: dict) -> go.Figure:
    levels = np.array([float(level) for level in surrogate["accuracy"]])
    line = {"color": GROUP_COLOURS[0], "width": 3}
    figure = go.Figure(
        go.Scatter(
            x=levels,
            y=list(surrogate["accuracy"].values()),
            mode="lines+markers",
            line=line,
            name="accuracy",
        )
    )
    figure.add_hline(surrogate["chance"], line_dash="dot", annotation_text="chance")
    figure.update_xaxes(type="log", title="noise level σ")
    figure.update_yaxes(
        title="accuracy on model samples left out", range=[0, 1.02], tickformat=".0%"
    )
    figure.update_layout(height=260, margin={"l": 0, "r": 0, "t": 24, "b": 0})
    return figure

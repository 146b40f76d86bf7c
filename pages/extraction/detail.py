"""One generated image enlarged: laid over its nearest training image, with all its numbers."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from memlib.extraction import CRITERIA, Generations
from memlib.measures import MEASURES
from memlib.workspace import Workspace
from pages.extraction.criterion import Copies
from pages.figures.pictures import rgb
from pages.ranking.facts import short
from pages.session import stored_runs
from pages.session.measured import measured
from pages.session.messages import plain
from pages.widgets.wipe import wipe


def detail(loaded: Workspace, generations: Generations, row: pd.Series, rule: Copies) -> None:
    """Draw the generated image of a row over its nearest training image, with its numbers."""
    one = generations.images[place_of(row)]
    other = loaded.images[int(row["nearest"])]
    st.text(f"Generated image {int(row['number'])} and {short(row['nearest_name'])}")
    if row["mirrored"]:
        st.caption("It matches the mirror image, which is shown here.")
        other = other.flip(2)
    wipe(
        rgb(one),
        rgb(other),
        ("generated", "nearest training image"),
        key="wipe",
        alt="The generated image laid over its nearest training image",
    )
    match_numbers(row, rule)
    numbers = st.columns(4)
    for column, (label, value) in zip(
        numbers, values_of(loaded, generations, row).items(), strict=False
    ):
        column.metric(
            "Growth" if label == "growth" else "K₁",
            f"{value:,.0f}" if label == "growth" else f"{value:.3f}",
            help=MEASURES[stored_runs.MEASURED[label]].definition,
        )
    if "cluster" in row:
        numbers[2].metric(
            "Guided towards cluster",
            f"{int(row['cluster'])}",
            help="Chosen uniformly; see Clusters.",
        )
    if "sscd" in row:
        numbers[3].metric("SSCD", f"{row['sscd']:.2f}", help=CRITERIA["sscd"].definition)
    known = [
        f"{name} {row[name]}"
        for name in ("group", "copies")
        if name in row and row[name] not in ("", None)
    ]
    if known:
        st.text("Nearest image: " + " · ".join(known))


def match_numbers(row: pd.Series, rule: Copies) -> None:
    """Draw the numbers of the match with the training images."""
    numbers = st.columns(4)
    numbers[0].metric("Verdict", plain(row["verdict"]), help=f"A copy: {rule.title}.")
    numbers[1].metric("Ratio", f"{row['ratio']:.3f}", help=CRITERIA["ratio"].definition)
    numbers[2].metric(
        "Distance",
        f"{row['distance']:.3f}",
        help=CRITERIA["distance"].definition
        + f" Distance to the second nearest: {row['second_distance']:.3f}.",
    )
    numbers[3].metric(
        "Adaptive",
        f"{row['adaptive']:.2f}",
        help=CRITERIA["adaptive"].definition
        + f" Centred on the generated image: {row['adaptive_query']:.2f}.",
    )


def values_of(loaded: Workspace, generations: Generations, row: pd.Series) -> dict[str, float]:
    """Draw growth and K_1 of one generated image; they are measured now if not known, which takes a
    few forwards.
    """
    values = {}
    for label, name in stored_runs.MEASURED.items():
        if not np.isnan(row[label]):
            values[label] = float(row[label])
            continue
        measure = MEASURES[name]
        found = measured(
            loaded.denoiser,
            generations.images[place_of(row)],
            row["id"],
            name,
            measure.defaults(loaded.denoiser),
        )
        values[label] = float(found[measure.column])
    return values


def place_of(row: pd.Series) -> int:
    """Return the position of a row's generated image in its run."""
    place: Any = row.name
    return int(place)

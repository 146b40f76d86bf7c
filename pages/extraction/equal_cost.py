"""How many different images each way of drawing finds for its forwards: the bundled comparison."""

import pandas as pd
import streamlit as st

from memlib.extraction import over_seeds
from memlib.workspace import Workspace
from pages.figures.attacks import found_for_forwards
from pages.figures.style import CONFIG, literal
from pages.session import stored_runs as attacks


def at_equal_cost(loaded: Workspace) -> None:
    """Draw different images and false hits against forwards, over several seeds, for the demo."""
    file = attacks.BUNDLED_RUNS / "attacks.csv"
    if loaded.sources.model != "demo" or not file.exists():
        return
    curves = pd.read_csv(file)
    st.subheader("Different images for the forwards spent")
    st.plotly_chart(
        literal(found_for_forwards(over_seeds(curves))),
        key="equal-cost",
        config=CONFIG,
        alt="Different training images, and the share of false hits, against network forwards",
    )
    st.caption(
        "Bundled: means over seeds with 95% intervals, none where there is one seed; every forward "
        "is counted. Copies by a ratio below 1/3, near-duplicates merged. False hits are generated "
        "images that the same test calls copies of images the model was not trained on."
    )

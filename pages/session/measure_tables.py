"""Every measure of every loaded image, as far as this session has values."""

import pandas as pd
import streamlit as st

from memlib.evidence import measure_table, ranks
from memlib.workspace import Workspace
from pages.session.results import results as computed


def measured(loaded: Workspace) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return values, standard errors and ranks of every measure with its default settings, each
    (N, measures).
    """
    results = computed()
    return _tables(
        loaded, loaded.denoiser.digest, loaded.images.digest, (len(results), results.bytes)
    )


@st.cache_data(max_entries=4, scope="session", show_spinner="Reading the measures")
def _tables(
    _loaded: Workspace, model: str, images: str, results: tuple[int, int]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    values, errors = measure_table(_loaded.denoiser, _loaded.images, computed())
    return values, errors, ranks(values)

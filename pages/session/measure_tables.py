"""Every measure of every loaded image, as far as this session has them, and how good they are."""

import hashlib

import numpy as np
import pandas as pd
import streamlit as st

from memlib.denoisers import Denoiser
from memlib.evidence import measure_table, quality, ranks
from memlib.workspace import Workspace
from pages.session.background import adopt_usual
from pages.session.results import results as computed


def measured(loaded: Workspace) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return values, standard errors and ranks of every measure with its default settings, each
    (N, measures).
    """
    adopt_usual(loaded)
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


def quality_of(
    denoiser: Denoiser,
    values: pd.DataFrame,
    above: np.ndarray,
    below: np.ndarray,
    labels: np.ndarray,
) -> pd.DataFrame:
    """How well each measure ranks images `above` over those `below`; computed once a process for
    equal values, masks and labels.
    """
    told = hashlib.sha256()
    for array in (values.to_numpy(), above, below, labels):
        told.update(np.ascontiguousarray(array).tobytes())
    return _quality(denoiser, values, above, below, labels, denoiser.digest, told.hexdigest())


@st.cache_data(max_entries=16, show_spinner="Areas under the curves, with intervals")
def _quality(
    _denoiser: Denoiser,
    _values: pd.DataFrame,
    _above: np.ndarray,
    _below: np.ndarray,
    _labels: np.ndarray,
    model: str,
    told: str,
) -> pd.DataFrame:
    return quality(_denoiser, _values, _above, _below, _labels)

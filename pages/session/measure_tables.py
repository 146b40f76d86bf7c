"""Every measure of every loaded image, as far as this session has them, and how good they are."""

import hashlib

import numpy as np
import pandas as pd
import streamlit as st

from memlib.denoisers import Denoiser
from memlib.evidence import measure_table, quality, ranks
from memlib.measures import MEASURES
from memlib.workspace import Workspace
from pages.session.background import adopt_usual
from pages.session.results import results as computed


def measured(loaded: Workspace) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return values, standard errors and ranks of every measure with its default settings, each
    (N, measures); made once a process for the same measured images.
    """
    adopt_usual(loaded)
    return _tables(loaded, loaded.denoiser.digest, loaded.images.digest, known(loaded))


def known(loaded: Workspace) -> tuple[int, ...]:
    """Return a key of which images this session has measured, by every measure with its default
    settings and by the reference.
    """
    models = [loaded.denoiser, *([loaded.reference] if loaded.reference else [])]
    return tuple(
        computed().mark(model.digest, one.run, one.defaults(loaded.denoiser))
        for model in models
        for one in MEASURES.values()
    )


@st.cache_data(max_entries=4, show_spinner="Reading the measures")
def _tables(
    _loaded: Workspace, model: str, images: str, known: tuple[int, ...]
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

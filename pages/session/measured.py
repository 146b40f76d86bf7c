"""Measurements of single images. They do not depend on the visitor, so sessions share them."""

import threading
from collections.abc import Mapping
from typing import Any

import streamlit as st
from torch import Tensor

from memlib.denoisers import NetworkDenoiser
from memlib.measures import MEASURES, Row
from memlib.progress import Progress
from memlib.runs import Results, measure_one
from pages.session import results as computed

LIMIT = 128 * 2**20  # bytes of rows, most of them maps


class Rows:
    """Return the rows of single images, of all sessions; the series unused for longest are dropped
    first.
    """

    def __init__(self) -> None:
        self._results, self._lock = Results(LIMIT), threading.Lock()

    def get(self, model: str, run: str, parameters: Mapping[str, Any], image: str) -> Row | None:
        with self._lock:
            return self._results.rows(model, run, parameters).get(image)

    def add(
        self, model: str, run: str, parameters: Mapping[str, Any], image: str, row: Row
    ) -> None:
        with self._lock:
            self._results.add(model, run, parameters, {image: row})


@st.cache_resource(show_spinner=False)
def _rows() -> Rows:
    return Rows()


def is_measured(
    denoiser: NetworkDenoiser, image: str, measure: str, parameters: Mapping[str, Any]
) -> bool:
    """Return whether `measured` would find the row of an image, in this session or another."""
    alike = (denoiser.digest, MEASURES[measure].run, parameters)
    return image in computed.results().rows(*alike) or _rows().get(*alike, image) is not None


def measured(
    denoiser: NetworkDenoiser,
    picture: Tensor,
    image: str,
    measure: str,
    parameters: Mapping[str, Any],
    progress: Progress | None = None,
) -> Row:
    """Return the row of one picture (C, H, W) with the id `image`, measured now if no session has
    it; afterwards it is among the results of this session.
    """
    alike, results = (denoiser.digest, MEASURES[measure].run, parameters), computed.results()
    known = None if image in results.rows(*alike) else _rows().get(*alike, image)
    if known is not None:
        results.add(*alike, {image: known})
    row = measure_one(denoiser, picture, image, measure, parameters, results, progress)
    _rows().add(*alike, image, row)
    return row

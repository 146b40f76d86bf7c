"""What this session has computed or loaded: results, image sizes, the speed of the model."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import streamlit as st

from memlib import ImageSet
from memlib.bundled import BENCHMARK, BUNDLED, DEMO
from memlib.denoisers import NetworkDenoiser
from memlib.evidence.simplicity import png_size
from memlib.measures import MEASURES
from memlib.runs import Results, Run, forward_seconds, provenance, read_run, series
from memlib.workspace import Workspace
from pages.session.state import Kept

T = TypeVar("T")
RESULTS: Kept[Results] = Kept("results", Results)  # with bounded memory
ADOPTED: Kept[dict[tuple, dict]] = Kept("adopted", dict)  # manifests, by series and image set


def results() -> Results:
    """Return this session's results."""
    return RESULTS.get()


def adopt_bundled(loaded: Workspace) -> None:
    """Put the precomputed results of the demo, of its checkpoints and of the benchmark into the
    session's results when a bundled model is loaded.
    """
    if loaded.sources.model not in BUNDLED:
        return
    manifests = [
        file for home in (DEMO, BENCHMARK) for file in sorted(home.glob("runs/*/manifest.json"))
    ]
    bundled, details = _bundled(tuple((str(one), one.stat().st_mtime) for one in manifests))
    results().update(bundled)
    ADOPTED.get().update(details)


def keep(run: Run) -> None:
    """Add the rows of a run to the session's results."""
    results().add(run.model, run.measure, run.parameters, run.rows())


def seconds(denoiser: NetworkDenoiser, forwards: int) -> float:
    """Return how many seconds a number of network forwards of one image takes here, from one trial
    of the model for all sessions.
    """
    return forwards * _forward_seconds(denoiser, denoiser.digest)


@st.cache_data(max_entries=16, show_spinner=False)
def _forward_seconds(_denoiser: NetworkDenoiser, digest: str) -> float:
    return forward_seconds(_denoiser)


def png_sizes(images: ImageSet, indices: Sequence[int]) -> np.ndarray:
    """Return the size in bytes of the chosen images as PNGs; sizes are remembered for all
    sessions.
    """
    known = _png_sizes(images.digest)
    missing = [index for index in indices if images.ids[index] not in known]
    if missing:
        with st.spinner("Sizes of the images as PNGs"):
            sizes = png_size(images[index] for index in missing).tolist()
        known.update(zip((images.ids[index] for index in missing), sizes, strict=True))
    return np.array([known[images.ids[index]] for index in indices])


@st.cache_resource(max_entries=4, show_spinner=False)
def _png_sizes(digest: str) -> dict[str, int]:
    return {}


def manifest(loaded: Workspace, measure: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance of the shown results: this session, and the precomputed run from which
    some were taken.
    """
    here = provenance(loaded.denoiser, loaded.images, measure, parameters)
    alike = series(loaded.denoiser.digest, MEASURES[measure].run, parameters)
    run = ADOPTED.get().get((alike, loaded.images.digest))
    if run is None:
        return here
    names = ("images", "date", "device", "threads", "versions")
    return {**here, "precomputed": {name: run[name] for name in names}}


@st.cache_resource(max_entries=1, show_spinner=False)
def _bundled(manifests: tuple[tuple[str, float], ...]) -> tuple[Results, dict[tuple, dict]]:
    """Return the rows of stored runs, and the runs' manifests by series and image set. They are
    read once a process, and every session begins with them.
    """
    found, told = Results(), {}
    for manifest, _ in manifests:
        details, rows = read_run(Path(manifest).parent)
        alike = (details["model"]["digest"], details["measure"], details["parameters"])
        found.add(*alike, rows)
        told[series(*alike), details["images"]["digest"]] = details
    return found, told


def once(key: tuple, make: Callable[[], T]) -> T:
    """Return what `make` returns, made once per process for each key and shared by all sessions, so
    it must not depend on the visitor. Callers must not change it.

    The key names everything it depends on: its kind, digests, settings, ids.
    """
    made: T = _made(key, make)
    return made


@st.cache_resource(max_entries=128, show_spinner=False)
def _made(key: tuple, _make: Callable[[], Any]) -> Any:
    return _make()

"""What is loaded in this session: a model, a reference model, images, and the results computed so far.

The sources stand in the URL (`model`, `reference`, `images`, `size`, `channels`), so that a reload or a link brings them back.
"""

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from memlib import ImageSet, load_denoiser, load_images
from memlib.denoisers import NetworkDenoiser
from memlib.denoisers.unet import BUNDLED, DEMO, model_digest
from memlib.measures.controls import png_size
from memlib.runs import Results, forward_seconds, provenance, read_run, result_key

NOTHING = "none"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
OF_A_MODEL = (
    "low",
    "high",
    "groups",
    "search",
    "page",
    "image",
    "sigma",
    "checkpoints",
)  # choices that mean nothing for another model or other images


@dataclass(frozen=True)
class Sources:
    """How to load a workspace again."""

    model: str = "demo"
    images: str = "demo"
    reference: str = "demo-reference"
    size: int | None = None
    channels: int | None = None

    @classmethod
    def of_url(cls) -> "Sources":
        url = st.query_params
        return cls(
            model=url.get("model", cls.model),
            images=url.get("images", cls.images),
            reference=url.get("reference", cls.reference if url.get("model", cls.model) == cls.model else "").replace(NOTHING, ""),
            size=_number(url.get("size", "")),
            channels=_number(url.get("channels", "")),
        )


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


@dataclass(frozen=True)
class Workspace:
    sources: Sources
    denoiser: NetworkDenoiser
    images: ImageSet
    reference: NetworkDenoiser | None


def roots() -> list[Path]:
    """Folders that paths typed into the page may point into: here, and those listed in AFTERIMAGE_ROOTS."""
    listed = [Path(part) for part in os.environ.get("AFTERIMAGE_ROOTS", "").split(os.pathsep) if part]
    return [folder.resolve() for folder in (Path.cwd(), *listed)]


def confine(source: str) -> str:
    """`source` with a path resolved and found below a root; names of bundled things and Hub ids pass."""
    if source in BUNDLED or (HUB_ID.fullmatch(source) and not Path(source).is_dir()):
        return source
    try:
        path = Path(source).expanduser().resolve()
        path.exists()  # raises what later use would
    except (OSError, RuntimeError, ValueError) as error:  # no such user, a name too long, a zero byte
        raise ValueError(f"{source[:200]!r} is no usable path.") from error
    if not any(path.is_relative_to(root) for root in roots()):
        raise ValueError(f"{source!r} is outside the folders this app may read. Start it with AFTERIMAGE_ROOTS set to a folder above it.")
    return str(path)


def stamped(source: str) -> tuple[str, str]:
    """A confined source and a hash of its files' names, sizes and times, so that what changed on disk is read again."""
    place = confine(source)
    files = [file for file in sorted(Path(place).rglob("*")) if file.is_file()] if Path(place).is_dir() else [Path(place)]
    total = hashlib.sha256()
    for file in files:
        if file.exists():
            details = file.stat()
            total.update(f"{file}{details.st_size}{details.st_mtime_ns}".encode(errors="replace"))
    return place, total.hexdigest()


@st.cache_resource(max_entries=3, show_spinner="Loading the model")
def _denoiser(source: str, stamp: str) -> NetworkDenoiser:
    return load_denoiser(source)


@st.cache_data(max_entries=256, show_spinner=False)
def _digest(source: str, stamp: str) -> str:
    return model_digest(source)


def checkpoint(source: str) -> tuple[str, Callable[[], NetworkDenoiser]]:
    """The digest of another state of the model, from its files, and how to load it."""
    place = stamped(source)
    return _digest(*place), lambda: _denoiser(*place)


@st.cache_resource(max_entries=4, show_spinner="Reading the images")
def _images(source: str, size: int | None, channels: int | None, stamp: str) -> ImageSet:
    return load_images(source, size=size, channels=channels)


def load(sources: Sources) -> Workspace:
    """Load everything, or raise ValueError and leave the session as it was."""
    denoiser = _denoiser(*stamped(sources.model))
    place, stamp = stamped(sources.images)
    images = _images(place, sources.size, sources.channels, stamp)
    if images.shape != denoiser.shape:
        raise ValueError(
            f"The images are {_describe(images.shape)}, the model draws {_describe(denoiser.shape)}. Set image size and colour to bring them together."
        )
    reference = _denoiser(*stamped(sources.reference)) if sources.reference else None
    if reference is not None and reference.shape != denoiser.shape:
        raise ValueError(f"The reference model draws images {_describe(reference.shape)}, the model {_describe(denoiser.shape)}.")
    return Workspace(sources, denoiser, images, reference)


def _describe(shape: tuple[int, int, int]) -> str:
    """8 x 8 in colour"""
    channels, height, width = shape
    return f"{width} x {height} in {'grey' if channels == 1 else 'colour' if channels == 3 else f'{channels} channels'}"


def open_workspace(sources: Sources) -> None:
    """Load and make it the session's workspace; the results of the demo's precomputed runs come along."""
    loaded = load(sources)
    adopt_runs(loaded)
    if "workspace" in st.session_state:  # not a fresh session, whose link may name them
        for name in OF_A_MODEL:
            st.session_state.pop(name, None)
            st.query_params.pop(name, None)
    st.session_state.workspace = loaded
    st.session_state.pop("problem", None)


def close_workspace() -> None:
    st.session_state.workspace = None
    st.session_state.pop("problem", None)


def restore() -> None:
    """Bring the session and the URL together: load what a fresh session's URL names, the demo where it names nothing."""
    if "workspace" not in st.session_state:
        sources = Sources.of_url()
        if sources.model != NOTHING:
            try:
                open_workspace(sources)
            except ValueError as error:
                st.session_state.problem = str(error)
        st.session_state.setdefault("workspace", None)
    if "problem" in st.session_state:
        return  # the link stays, so that a reload can try again
    loaded = current()
    wanted = {"model": NOTHING}
    if loaded is not None:
        sources = loaded.sources
        wanted = {
            "model": sources.model,
            "images": sources.images,
            "reference": sources.reference,
            "size": str(sources.size or ""),
            "channels": str(sources.channels or ""),
        }
    if (wanted.get("model"), wanted.get("images")) == ("demo", "demo"):
        usual = wanted["reference"] == Sources.reference
        wanted = {} if usual else {"reference": wanted["reference"] or NOTHING}  # a clean address for the demo
    for name in ("model", "images", "reference", "size", "channels"):
        if wanted.get(name):
            st.query_params[name] = wanted[name]
        else:
            st.query_params.pop(name, None)


def results() -> Results:
    """This session's computed results, bounded in memory."""
    if "results" not in st.session_state:
        st.session_state.results = Results()
    found: Results = st.session_state.results
    return found


def adopt_runs(loaded: Workspace) -> None:
    """Put the precomputed results of the demo and its checkpoints into the session's results when a bundled model is loaded."""
    if loaded.sources.model not in BUNDLED:
        return
    for manifest in sorted(DEMO.glob("runs/*/manifest.json")):
        details, rows = _run(str(manifest.parent), manifest.stat().st_mtime)
        digest = details["model"]["digest"]
        for image, row in rows.items():
            results().setdefault(result_key(digest, image, details["measure"], details["parameters"]), row)
        st.session_state.setdefault("adopted", {})[result_key(digest, "", details["measure"], details["parameters"])] = details


def seconds(denoiser: NetworkDenoiser, forwards: int) -> float:
    """How long so many network forwards of one image will take here, from a trial once a session and model."""
    times = st.session_state.setdefault("forward_seconds", {})
    if denoiser.digest not in times:
        times[denoiser.digest] = forward_seconds(denoiser)
    return forwards * float(times[denoiser.digest])


def png_sizes(images: ImageSet, indices: Sequence[int]) -> np.ndarray:
    """Bytes of the chosen images as PNGs; those that were asked for before are remembered."""
    known: dict[str, int] = st.session_state.setdefault("png_sizes", {})
    missing = [index for index in indices if images.ids[index] not in known]
    if missing:
        with st.spinner("Sizes of the images as PNGs"):
            sizes = png_size(images[index] for index in missing).tolist()
        known.update(zip((images.ids[index] for index in missing), sizes, strict=True))
    return np.array([known[images.ids[index]] for index in indices])


def manifest(loaded: Workspace, measure: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Where the shown results come from: this session, and the precomputed run some of them were taken from."""
    here = provenance(loaded.denoiser, loaded.images, measure, parameters)
    run = st.session_state.get("adopted", {}).get(result_key(loaded.denoiser.digest, "", measure, parameters))
    return (
        here if run is None else {**here, "precomputed": {name: run[name] for name in ("images", "date", "device", "threads", "versions")}}
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def _run(folder: str, _changed: float) -> tuple[dict, dict]:
    return read_run(Path(folder))


def enter() -> None:
    """The first line of every page: make sure that app.py ran before it.

    Streamlit takes a folder called `pages` for its older kind of multipage app until `st.navigation` has run once in the
    process, and then runs the page of a deep link by itself. That only happens to the server's first request.
    """
    if PagesManager.uses_pages_directory and "workspace" not in st.session_state:
        PagesManager.uses_pages_directory = False
        st.rerun()


def current() -> Workspace | None:
    loaded: Workspace | None = st.session_state.get("workspace")
    return loaded


def require() -> Workspace:
    """The loaded workspace; without one the page says so and ends."""
    enter()
    loaded = current()
    if loaded is None:
        show_problem()
        st.info("No model is loaded. Open the demo, or choose a model and images, on the workspace page.", icon=":material/folder_open:")
        st.page_link("pages/workspace.py", label="Go to the workspace", icon=":material/arrow_forward:")
        st.stop()
    return loaded


def show_problem() -> None:
    if "problem" in st.session_state:
        st.error(st.session_state.problem, icon=":material/error:")


def show_in_sidebar() -> None:
    """Which model and images are loaded, where it computes, how much is kept."""
    loaded = current()
    with st.sidebar:
        if loaded is None:
            st.caption("Nothing is loaded.")
            return
        st.text(loaded.denoiser.name)
        st.caption(f"{loaded.denoiser.parameters / 1e6:.1f} million parameters, {_place(loaded)}")
        st.text(f"{loaded.images.name} images")
        _, height, width = loaded.images.shape
        st.caption(f"{len(loaded.images):,} of {width} x {height}")
        if loaded.reference is not None:
            st.text(f"Reference: {loaded.reference.name}")
        st.caption(f"{len(results()):,} results kept, {results().bytes / 2**20:.0f} MB")


def _place(loaded: Workspace) -> str:
    kind = loaded.denoiser.device.type
    return "on the CPU" if kind == "cpu" else f"on {kind.upper()}"

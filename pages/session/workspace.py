"""What is loaded in this session: a model, a reference model, images, and the results computed so
far.

The sources stand in the URL, so that a reload or a link brings them back; a link never downloads
anything before it is said so.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

import memlib.workspace
from memlib import ImageSet, load_denoiser, load_images
from memlib.bundled import BUNDLED, DEMO
from memlib.denoisers import NetworkDenoiser
from memlib.denoisers.loading import model_digest
from memlib.images.transform import FITS
from memlib.measures import MEASURES
from memlib.measures.simplicity import png_size
from memlib.runs import Results, Run, forward_seconds, provenance, read_run, series
from memlib.workspace import Sources, Workspace
from pages.session import state
from pages.session.messages import plain, show_error
from pages.session.paths import (
    confine as confine,  # what is loaded and what may be read go together for the pages
)
from pages.session.paths import model_stamped, roots
from pages.session.paths import stamped as stamped

NOTHING = "none"
SETS = 4  # image sets kept in memory, as names and ids
OF_A_MODEL = (
    "low",
    "high",
    "groups",
    "search",
    "page",
    "image",
    "sigma",
    "checkpoints",
    "case",
    *(
        "run",
        "generation",
        "generated",
        "found_page",
        "found_groups",
        "found_search",
        "cluster",
        "band",
    ),  # of the extraction page
    *(f"threshold_{name}" for name in MEASURES),
)  # choices that mean nothing for another model or other images


def sources_of_url() -> Sources:
    """What the address names."""
    url, usual = st.query_params, Sources()
    return Sources(
        model=url.get("model", usual.model),
        images=url.get("images", usual.images),
        reference=_reference(url.get("model", usual.model), url.get("reference")),
        size=_number(url.get("size", "")),
        channels=_number(url.get("channels", "")),
        label=_number(url.get("label", "")),
        fit=url.get("fit", usual.fit) if url.get("fit") in FITS else usual.fit,
        mirror=url.get("mirror") == "yes",
        held_out=url.get("held_out", ""),
        group=url.get("group", ""),
    )


def for_url(sources: Sources) -> dict[str, str]:
    """What of the sources stands in the address; nothing for the demo."""
    usual = replace(Sources(), reference=_reference(sources.model, None))
    told = {field.name: getattr(sources, field.name) for field in fields(sources)}
    told = {
        name: "yes" if value is True else str(value)
        for name, value in told.items()
        if value not in (None, "") and value != getattr(usual, name)
    }
    if (sources.model, sources.images) != (usual.model, usual.images):
        told |= {"model": sources.model, "images": sources.images}
    if usual.reference and not sources.reference:
        told["reference"] = NOTHING
    return told


def _reference(model: str, told: str | None) -> str:
    """The reference an address names; the demo's model has one that goes without saying."""
    if told is None:
        return Sources().reference if model == Sources().model else ""
    return "" if told == NOTHING else told


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


@st.cache_resource(max_entries=3, show_spinner="Loading the model")
def _denoiser(source: str, stamp: str, label: int | None) -> NetworkDenoiser:
    return load_denoiser(source, label=label, token=_token(), roots=roots())


@st.cache_data(max_entries=256, show_spinner=False)
def _digest(source: str, stamp: str, label: int | None) -> str:
    return model_digest(source, label, roots=roots())


def checkpoint(source: str) -> tuple[str, Callable[[], NetworkDenoiser]]:
    """The digest of another state of the model, from its files, and how to load it."""
    loaded = current()
    place = (*model_stamped(source), loaded.sources.label if loaded else None)
    return _digest(*place), lambda: _denoiser(*place)


@st.cache_resource
def _kept() -> OrderedDict[tuple, ImageSet]:
    """Image sets that were read; no `cache_resource` of their own, since reading them draws
    progress.
    """
    return OrderedDict()


def read_images(sources: Sources, source: str, limit: int | None = None) -> ImageSet:
    """The images of a source, transformed as the sources say; where that takes long, with progress
    and a button to stop.
    """
    place, stamp = stamped(source)
    key = (place, stamp, sources.size, sources.channels, sources.fit, sources.mirror, limit)
    kept = _kept()
    if key in kept:
        return kept[key]
    slot = st.empty()
    bar: list[Any] = []
    started = time.monotonic()

    def report(done: int, total: int) -> None:
        if time.monotonic() - started < 1:
            return
        if not bar:
            with slot.container():
                bar.append(st.progress(0.0))
                st.button(
                    "Stop",
                    icon=":material/stop:",
                    key="stop-reading",
                    help="What was read of a large set is kept.",
                )
        bar[0].progress(done / total, f"{done:,} of {total:,} pictures read")

    found = load_images(
        place,
        sources.size,
        sources.channels,
        limit,
        fit=sources.fit,
        mirror=sources.mirror,
        token=_token(),
        callback=report,
    )
    slot.empty()
    kept[key] = found
    while len(kept) > SETS:
        kept.popitem(last=False)
    return found


def _token() -> str | None:
    """The Hub token of .streamlit/secrets.toml; without one the Hub's own library looks into the
    environment.
    """
    return (
        str(st.secrets["HF_TOKEN"])
        if st.secrets.load_if_toml_exists() and "HF_TOKEN" in st.secrets
        else None
    )


def load(sources: Sources) -> Workspace:
    """Load everything, or raise ValueError and leave the session as it was."""
    try:
        return memlib.workspace.open_workspace(
            sources, lambda source, label: _denoiser(*model_stamped(source), label), read_images
        )
    except ValueError as error:
        raise ValueError(_without_roots(str(error))) from error


def _without_roots(message: str) -> str:
    """A message that says where below the allowed folders a file is, and not where those are."""
    for root in sorted(roots(), key=lambda folder: -len(str(folder))):
        message = message.replace(f"{root}/", "")
    return message


def open_workspace(sources: Sources, by_link: bool = False) -> None:
    """Load and make it the session's workspace; the results of the demo's precomputed runs come
    along.
    """
    loaded = load(sources)
    adopt_runs(loaded)
    if not by_link:  # which may name them
        state.end_of_model()
        for name in OF_A_MODEL:
            st.session_state.pop(name, None)
            st.query_params.pop(name, None)
    st.session_state.workspace = loaded
    for name in ("problem", "asking"):
        st.session_state.pop(name, None)


def close_workspace() -> None:
    st.session_state.workspace = None
    for name in ("problem", "asking"):
        st.session_state.pop(name, None)


def restore() -> None:
    """Bring the session and the URL together: load what a fresh session's URL names, the demo where
    it names nothing.
    """
    if "workspace" not in st.session_state:
        sources = sources_of_url()
        st.session_state.workspace = None
        if sources.on_hub:
            st.session_state.asking = sources
        elif sources.model != NOTHING:
            # stays where a click ends the script
            st.session_state.problem = "Opening this link was stopped. Reload the page to go on."
            try:
                open_workspace(sources, by_link=True)
            except ValueError as error:
                st.session_state.problem = str(error)
    if "problem" in st.session_state or "asking" in st.session_state:
        return  # the link stays, so that a reload can try again
    loaded = current()
    wanted = {"model": NOTHING} if loaded is None else for_url(loaded.sources)
    for field in fields(Sources):
        if wanted.get(field.name):
            st.query_params[field.name] = wanted[field.name]
        else:
            st.query_params.pop(field.name, None)


def results() -> Results:
    """This session's computed results, bounded in memory."""
    if "results" not in st.session_state:
        st.session_state.results = Results()
    found: Results = st.session_state.results
    return found


def adopt_runs(loaded: Workspace) -> None:
    """Put the precomputed results of the demo and its checkpoints into the session's results when a
    bundled model is loaded.
    """
    if loaded.sources.model not in BUNDLED:
        return
    for manifest in sorted(DEMO.glob("runs/*/manifest.json")):
        details, rows = _run(str(manifest.parent), manifest.stat().st_mtime)
        alike = (details["model"]["digest"], details["measure"], details["parameters"])
        results().add(*alike, rows)
        st.session_state.setdefault("adopted", {})[series(*alike), details["images"]["digest"]] = (
            details
        )


def keep(run: Run) -> None:
    """Put the rows of a run into the session's results."""
    results().add(run.model, run.measure, run.parameters, run.rows())


def seconds(denoiser: NetworkDenoiser, forwards: int) -> float:
    """How long so many network forwards of one image will take here, from one trial of the model
    for all sessions.
    """
    return forwards * _forward_seconds(denoiser, denoiser.digest)


@st.cache_data(max_entries=16, show_spinner=False)
def _forward_seconds(_denoiser: NetworkDenoiser, digest: str) -> float:
    return forward_seconds(_denoiser)


def png_sizes(images: ImageSet, indices: Sequence[int]) -> np.ndarray:
    """Bytes of the chosen images as PNGs; what any session asked for is remembered."""
    known = _png_sizes(images.digest)
    missing = [index for index in indices if images.ids[index] not in known]
    if missing:
        with st.spinner("Sizes of the images as PNGs"):
            sizes = png_size(images[index] for index in missing).tolist()
        known.update(zip((images.ids[index] for index in missing), sizes, strict=True))
    return np.array([known[images.ids[index]] for index in indices])


@st.cache_resource(max_entries=SETS, show_spinner=False)
def _png_sizes(digest: str) -> dict[str, int]:
    return {}


def manifest(loaded: Workspace, measure: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Where the shown results come from: this session, and the precomputed run some of them were
    taken from.
    """
    here = provenance(loaded.denoiser, loaded.images, measure, parameters)
    alike = series(loaded.denoiser.digest, MEASURES[measure].run, parameters)
    run = st.session_state.get("adopted", {}).get((alike, loaded.images.digest))
    return (
        here
        if run is None
        else {
            **here,
            "precomputed": {
                name: run[name] for name in ("images", "date", "device", "threads", "versions")
            },
        }
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def _run(folder: str, changed: float) -> tuple[dict, dict]:
    return read_run(Path(folder))


def enter() -> None:
    """The first line of every page: make sure that app.py ran before it.

    Streamlit takes a folder called `pages` for its older kind of multipage app until
    `st.navigation` has run once in the process, and then runs the page of a deep link by itself.
    That only happens to the server's first request.
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
        st.info(
            "No model is loaded. Open the demo, or choose a model and images, on the workspace "
            "page.",
            icon=":material/folder_open:",
        )
        st.page_link(
            "pages/workspace/page.py", label="Go to the workspace", icon=":material/arrow_forward:"
        )
        st.stop()
    return loaded


def show_problem() -> None:
    """What kept a link from being opened, or what it would download, with the button that lets it."""
    if "problem" in st.session_state:
        show_error(st.session_state.problem)
    if "asking" in st.session_state:
        sources: Sources = st.session_state.asking
        names = " and ".join(plain(name) for name in sources.on_hub)
        st.info(
            f"This link asks for **{names}** of the Hugging Face Hub. Nothing is downloaded "
            "before you say so.",
            icon=":material/cloud_download:",
        )
        if st.button("Download and open", type="primary", icon=":material/download:"):
            try:
                with st.spinner("Downloading"):
                    open_workspace(sources, by_link=True)
            except ValueError as error:
                show_error(error)
            else:
                st.rerun()


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
        if loaded.denoiser.shape != loaded.images.shape:
            st.caption(
                f"Measured as latents of {loaded.denoiser.shape[2]} x {loaded.denoiser.shape[1]}; "
                "maps are enlarged over the image."
            )
        if loaded.reference is not None:
            st.text(f"Reference: {loaded.reference.name}")
        st.caption(f"{len(results()):,} results kept, {results().bytes / 2**20:.0f} MB")


def _place(loaded: Workspace) -> str:
    kind = loaded.denoiser.device.type
    return "on the CPU" if kind == "cpu" else f"on {kind.upper()}"

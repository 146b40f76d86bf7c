"""What is loaded in this session: a model, a reference model and images; how they are opened,
closed and restored.

The sources stand in the address, so that a reload or a link restores them. A link downloads nothing
before the visitor agrees.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import streamlit as st

import memlib.workspace
from memlib import ImageSet, load_denoiser, load_images
from memlib.denoisers import NetworkDenoiser
from memlib.denoisers.loading import model_digest
from memlib.workspace import Sources, Workspace
from pages.session import address, state
from pages.session.messages import plain, show_error
from pages.session.paths import model_stamped, roots, stamped
from pages.session.results import adopt_bundled
from pages.session.state import Kept

WORKSPACE: Kept[Workspace | None] = Kept("workspace", lambda: None)
PROBLEM = Kept("problem", str)  # why a link could not be opened
ASKING: Kept[Sources | None] = Kept("asking", lambda: None)  # what a link would download
SETS = 4  # image sets kept in memory, as names and ids
OF_A_MODEL = (
    "low",
    "high",
    "groups",
    "search",
    "page",
    "sigma",
    "checkpoints",
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
)  # choices that belong to the model and images


@st.cache_resource(max_entries=3, show_spinner="Loading the model")
def _denoiser(source: str, stamp: str, label: int | None) -> NetworkDenoiser:
    return load_denoiser(source, label=label, token=_token(), roots=roots(), tick=state.give_way)


@st.cache_data(max_entries=256, show_spinner=False)
def _digest(source: str, stamp: str, label: int | None) -> str:
    return model_digest(source, label, roots=roots())


def checkpoint(source: str) -> tuple[str, Callable[[], NetworkDenoiser]]:
    """Return the digest of another state of the model, from its files, and a function that loads
    it.
    """
    loaded = current()
    place = (*model_stamped(source), loaded.sources.label if loaded else None)
    return _digest(*place), lambda: _denoiser(*place)


def model_of(source: str) -> NetworkDenoiser:
    """Return a model beside that of the session, such as one of text. Raises ValueError if it
    cannot be loaded.
    """
    try:
        return _denoiser(*model_stamped(source), None)
    except ValueError as error:
        raise ValueError(_without_roots(str(error))) from error


@st.cache_resource
def _kept() -> OrderedDict[tuple, ImageSet]:
    """Return the cache of image sets; `cache_resource` does not fit, since reading a set draws
    progress.
    """
    return OrderedDict()


def read_images(sources: Sources, source: str, limit: int | None = None) -> ImageSet:
    """Return the images of a source, transformed as the sources say, with progress and a button to
    stop if that takes long.
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
                    help="Of a large set, what was read so far is kept.",
                )
        bar[0].progress(done / total, f"{done:,} of {total:,} pictures read" if done else "Opening")

    found = load_images(
        place,
        sources.size,
        sources.channels,
        limit,
        fit=sources.fit,
        mirror=sources.mirror,
        token=_token(),
        roots=roots(),
        callback=report,
    )
    slot.empty()
    kept[key] = found
    while len(kept) > SETS:
        kept.popitem(last=False)
    return found


def _token() -> str | None:
    """Return the Hub token of .streamlit/secrets.toml; without one the Hub's library uses the
    environment.
    """
    return (
        str(st.secrets["HF_TOKEN"])
        if st.secrets.load_if_toml_exists() and "HF_TOKEN" in st.secrets
        else None
    )


def load(sources: Sources) -> Workspace:
    """Load everything. Raises ValueError and leaves the session as it was if something cannot be
    loaded.
    """
    try:
        return memlib.workspace.open_workspace(
            sources, lambda source, label: _denoiser(*model_stamped(source), label), read_images
        )
    except ValueError as error:
        raise ValueError(_without_roots(str(error))) from error


def _without_roots(message: str) -> str:
    """Return a message with paths relative to the allowed folders, which hides where those are."""
    for root in sorted(roots(), key=lambda folder: -len(str(folder))):
        message = message.replace(f"{root}/", "")
    return message


def open_workspace(sources: Sources, by_link: bool = False) -> None:
    """Load the sources as the session's workspace, with the precomputed results of the demo."""
    loaded = load(sources)
    adopt_bundled(loaded)
    if not by_link:  # which may name them
        state.end_of_model()
        for name in OF_A_MODEL:
            st.session_state.pop(name, None)
            st.query_params.pop(name, None)
    _settle(loaded)


def close_workspace() -> None:
    """Unload the model and the images."""
    _settle(None)


def _settle(loaded: Workspace | None) -> None:
    WORKSPACE.set(loaded)
    PROBLEM.pop()
    ASKING.pop()


def restore() -> None:
    """Load what the address of a new session names, or the demo if it names nothing."""
    if WORKSPACE.is_new():
        sources = address.sources_of_url()
        WORKSPACE.set(None)
        if sources.on_hub:
            ASKING.set(sources)
        elif sources.model != address.NOTHING:
            # stays if a click ends the script
            PROBLEM.set("Opening this link was stopped. Reload the page to go on.")
            try:
                open_workspace(sources, by_link=True)
            except ValueError as error:
                PROBLEM.set(str(error))
    if is_waiting():
        return  # the link stays, so that a reload can try again
    loaded = current()
    address.show(loaded.sources if loaded else None)


def current() -> Workspace | None:
    """Return the loaded workspace, None if nothing is loaded."""
    return WORKSPACE.get()


def require() -> Workspace:
    """Return the loaded workspace; without one, show a message and end the page."""
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


def is_waiting() -> bool:
    """Return whether the address names something that could not be opened or waits for a
    download.
    """
    return bool(PROBLEM) or bool(ASKING)


def ask(sources: Sources) -> None:
    """Make the workspace page ask before it downloads what the sources name."""
    ASKING.set(sources)


def show_problem() -> None:
    """Show why a link could not be opened, or what it would download, with a button to agree."""
    if PROBLEM:
        show_error(PROBLEM.get())
    sources = ASKING.get()
    if sources is not None:
        names = " and ".join(plain(name) for name in sources.on_hub)
        st.info(
            f"This link asks for **{names}** of the Hugging Face Hub. Nothing is downloaded "
            "before you agree.",
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

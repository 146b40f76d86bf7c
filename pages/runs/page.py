"""Runs of any size and origin, browsed page by page without loading them whole."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from memlib.bundled import DEMO
from memlib.runs import FOLDER, Run
from pages.ranking.browser import Seen
from pages.runs.about import about, comes_from, missing
from pages.runs.detail import detail, spread
from pages.runs.downloads import downloads
from pages.runs.run_view import PAGE, Look, has_maps, look, ranks
from pages.session import background, selection
from pages.session.messages import guarded, show_error
from pages.session.paths import readable, roots
from pages.session.state import Kept

# seconds in which the browser draws the gallery: what follows would be drawn together with it, and
# later
PAUSE = 0.08
PLACE = PAGE.text("run_folder", of_model=False)
RUN = PAGE.maybe_one_of("run", list[str](), linked=False)
OPENED = "opened"  # the run's name in the address
DRAWN: Kept[Any] = Kept("runs drawn", lambda: None)  # the query of the gallery on the screen
ROWS, ORIGIN, DOWNLOAD = "run_rows", "run_origin", "run_download"


def main() -> None:
    """Draw the page of runs."""
    st.caption(
        "Runs measured in the background, on the command line or on a cluster, of any size. They "
        "are filtered and ordered without loading them whole."
    )
    everything()


@st.fragment
@guarded()
def everything() -> None:
    """Draw the open run. A fragment, since nothing here takes long: a click does not rerun the
    whole app.
    """
    if background.begun():
        st.rerun()
    DRAWN.set(None)
    run = view = None
    try:
        run = choose(known())
        view = look(run) if run and run.done else None
    except (ValueError, OSError) as error:  # a file can be removed while it is read
        unreadable(run, error)
        return
    if run is None:
        st.info(
            "No run is stored yet. The pages that measure start one with *Run in background*; so "
            "does the command line: `python -m memlib measure`.",
            icon=":material/hourglass_empty:",
        )
    elif view is None:
        about(run)
        st.info("No image is measured yet.", icon=":material/hourglass_empty:")
    else:
        with reading(run):
            browse(view)
    name = RUN.value()
    if name and st.query_params.get(OPENED) != name:
        st.query_params[OPENED] = name  # last, because the browser then redraws the whole app


def known() -> dict[str, Path]:
    """Return runs by name: those below the working directory, the latest first, then the demo's."""
    own = sorted(
        FOLDER.glob("*/manifest.json"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    found = {file.parent.name: file.parent for file in own}
    for file in sorted(DEMO.glob("runs/*/manifest.json")):
        found.setdefault(file.parent.name, file.parent)
    return found


def choose(found: dict[str, Path]) -> Run | None:
    """Draw the choice of a run, by name or by its folder. Raises ValueError or OSError if it cannot
    be read, after the controls are drawn.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    popover = row.popover("Another folder", icon=":material/folder_open:")
    typed = popover.text_input(
        "Run folder",
        key=PLACE.key(),
        help="A run made elsewhere, inside a folder this app may read.",
    ).strip()
    if typed:
        return Run(Path(typed), roots=roots())
    if not found:
        return None
    asked = st.query_params.get(OPENED)
    choice = RUN.among(list(found), asked if asked in found else next(iter(found)))
    if choice.id not in st.session_state and asked in found:
        choice.set(asked)  # a link
    row.selectbox(
        "Run",
        choice.options,
        key=choice.key(),
        format_func=lambda name: f"{name}{', bundled' if found[name].is_relative_to(DEMO) else ''}",
        width=420,
    )
    return Run(found[str(choice.value())], roots=readable(FOLDER))


def browse(view: Look) -> None:
    """Draw the gallery and the selected image, or only rows if the images are not loaded."""
    above, seen, run = st.container(), view.seen, view.run
    right = None
    if seen is not None and view.images is not None:
        left, right = st.columns([5, 6], gap="medium")
        with left:
            view.browser.gallery(
                seen,
                view.pictures,
                lambda value: f"{value:,.5g}",
                ranks(view, seen),
                height=700,
                on_select=_choose,
            )
        time.sleep(PAUSE)
    with above:
        about(run)
        view.browser.controls(has_maps(run) and right is not None)
        if seen is None:
            st.info("No image passes these filters.", icon=":material/filter_alt_off:")
            return
        turn(view, seen)
    if right is None:
        missing(run)
        spread(view)
    else:
        with right:
            details(view, seen)
        DRAWN.set(wished())
    alone = right is None
    with st.expander(
        "Rows",
        alone,
        key=f"{ROWS}_alone" if alone else ROWS,
        icon=":material/table_rows:",
        on_change="rerun",
    ) as rows:
        if rows.open:
            st.dataframe(
                seen.table.drop(columns="position"),
                hide_index=True,
                height=280,
                alt="The images of this page with their numbers",
            )
    with st.expander(
        "Provenance", key=ORIGIN, icon=":material/function:", on_change="rerun"
    ) as origin:
        if origin.open:
            comes_from(run)


def turn(view: Look, seen: Seen) -> None:
    """Draw the control that turns the pages, the position of this page, and the downloads."""
    row = st.container(horizontal=True, vertical_alignment="center")
    with row:
        view.browser.turn(seen)
    first, last = seen.first + 1, seen.first + len(seen.table)
    rest = f" that pass the filters, of {seen.total:,}" if seen.passing < seen.total else ""
    row.caption(f"{first:,} to {last:,} of {seen.passing:,}{rest}.")
    with row.popover(
        "Download", icon=":material/download:", key=DOWNLOAD, on_change="rerun"
    ) as popover:
        if popover.open:
            downloads(view)


def wished() -> list[tuple[str, Any]]:
    """Return the choices that decide which page of which run is seen."""
    own = f"{PAGE.name}."
    return sorted(
        (str(name), value)
        for name, value in st.session_state.items()
        if str(name).startswith(own) and str(name) != f"{own}gallery"
    )


def _choose(image: str) -> None:
    selection.choose(image)
    if DRAWN.get() == wished():  # the gallery is up to date and has already marked the image
        st.rerun("details")


@st.fragment(key="details")
@guarded()
def details(view: Look, seen: Seen) -> None:
    """Draw the selected image of the page. A fragment: choosing another image redraws only this."""
    chosen = selection.chosen()
    if chosen in set(seen.table["id"]):
        seen = replace(seen, selected=str(chosen))
    with reading(view.run):
        detail(view, seen)


@contextmanager
def reading(run: Run) -> Iterator[None]:
    """Turn errors of the run inside the block into a sentence."""
    try:
        yield
    except (ValueError, OSError) as error:
        unreadable(run, error)


def unreadable(run: Run | None, error: Exception) -> None:
    """Show the error; if files were merged meanwhile, read them again instead."""
    try:
        if run is not None and run.again().stamp != run.stamp:
            st.rerun()
    except (ValueError, OSError) as gone:
        error = gone
    show_error(error)


main()

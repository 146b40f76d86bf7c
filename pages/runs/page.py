"""Runs of any size: looked at where they lie, page by page, whoever made them."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from memlib.bundled import DEMO
from memlib.runs import FOLDER, Filter, Run
from memlib.workspace import Sources
from pages.figures import charts
from pages.figures.pictures import enlarge, rgb
from pages.runs.run_view import (
    IMAGES,
    LEAST,
    MAPS,
    MOST,
    PER_PAGE,
    Look,
    direction_of,
    grouping,
    has_maps,
    histogram_of,
    limits_of,
    look,
    measure_of,
    options_of,
    title_of,
)
from pages.session import background, workspace
from pages.session.messages import plain, show_error
from pages.widgets.gallery import Card, gallery
from pages.widgets.player import Kind, player

# seconds in which the browser draws the gallery: what follows would be drawn together with it, and
# later
PAUSE = 0.08

st.caption(
    "Runs measured in the background, on the command line or on a cluster, of any size: "
    "sorted and filtered where they lie, a page of rows at a time."
)


def known() -> dict[str, Path]:
    """Runs by name: those below the working directory, the latest first, then the demo's."""
    own = sorted(
        FOLDER.glob("*/manifest.json"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    found = {file.parent.name: file.parent for file in own}
    for file in sorted(DEMO.glob("runs/*/manifest.json")):
        found.setdefault(file.parent.name, file.parent)
    return found


def choose(found: dict[str, Path]) -> Run | None:
    """The run to look at, by name or by its folder; ValueError or OSError where it cannot be read,
    once the widgets are drawn.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    popover = row.popover("Another folder", icon=":material/folder_open:")
    typed = popover.text_input(
        "Run folder",
        key="run_folder",
        bind="query-params",
        on_change=first_page,
        help="A run made elsewhere, below the folders this app may read.",
    ).strip()
    if typed:
        return Run(Path(workspace.stamped(typed)[0]))
    if st.session_state.get("opened_run") not in found:
        asked = st.query_params.get("opened")
        st.session_state.opened_run = asked if asked in found else next(iter(found), None)
    name = st.session_state.opened_run
    if name is None:
        return None
    row.selectbox(
        "Run",
        list(found),
        key="opened_run",
        on_change=first_page,
        format_func=lambda name: f"{name}{', bundled' if found[name].is_relative_to(DEMO) else ''}",
        width=420,
    )
    return Run(found[name])


def first_page() -> None:
    st.session_state.run_page = 1


def about(run: Run) -> None:
    """What was measured, how far, and going on with it."""
    manifest, done = run.manifest, run.done
    settings = ", ".join(f"{name} {json.dumps(value)}" for name, value in run.parameters.items())
    st.markdown(
        f"**{plain(run.measures[0].title.split(' at ')[0]) if run.measures else plain(run.measure)}** of {plain(manifest['model']['name'])} on {plain(manifest['images']['name'])}: "
        f"{done:,} of {run.count:,} images measured. {plain(settings)}."
    )
    if done == run.count:
        return
    at_work = background.of_run(run.folder)
    st.progress(done / run.count)
    if (
        at_work is None
        and manifest.get("sources")
        and run.folder.resolve().parent == FOLDER.resolve()
    ):
        background.button(
            "Go on in the background",
            False,
            background.begin,
            ["measure", "--resume", str(run.folder)],
            run.folder.name,
            "runs",
        )
    elif at_work is not None:
        st.button(
            "See what is new", icon=":material/refresh:", help="The sidebar shows how far it is."
        )


def filters(seen: Look) -> None:
    numbers, run = seen.numbers, seen.run
    row = st.container(horizontal=True, vertical_alignment="bottom")
    row.selectbox(
        "Sort by",
        numbers.names,
        index=numbers.names.index(run.main[0]),
        format_func=lambda name: title_of(run, name),
        key=f"by-{run.measure}",
        width=180,
        on_change=first_page,
    )
    words = (
        {MOST: MOST, LEAST: LEAST}
        if direction_of(run, seen.by)
        else {MOST: "Largest first", LEAST: "Smallest first"}
    )
    row.segmented_control(
        "Order",
        [MOST, LEAST],
        format_func=words.__getitem__,
        default=MOST,
        required=True,
        key="run_order",
        on_change=first_page,
    )
    row.text_input("Search names", key="run_search", width=150, on_change=first_page)
    column = grouping(numbers)
    if len(numbers.metadata) > 1:
        column = row.selectbox(
            "Column",
            numbers.metadata,
            index=numbers.metadata.index(column),
            key="run_column",
            width=110,
            on_change=first_page,
        )
    options = options_of(*seen.key, column, numbers)
    if options:
        row.multiselect(
            f"Values of {plain(column)}",
            options,
            key=f"values-{column}",
            width=200,
            on_change=first_page,
        )


def browse(seen: Look) -> None:
    """The gallery and the selected image, or rows alone where the pictures are not loaded."""
    above, run = st.container(), seen.run
    first = (seen.page - 1) * PER_PAGE + 1
    if seen.images is not None:
        left, right = st.columns([5, 6], gap="medium")
        cards = [
            _card(first + place, row, seen.by)
            for place, row in enumerate(seen.table.to_dict("records"))
        ]
        with left:
            if has_maps(run):
                st.segmented_control(
                    "Show", [IMAGES, MAPS], default=IMAGES, required=True, key="run_show"
                )
            with st.container(height=700, border=False):
                gallery(
                    seen.pictures,
                    cards,
                    str(seen.selected["id"]),
                    key="run_gallery",
                    on_select=_choose,
                )
    with above:
        about(run)
        filters(seen)
        if not seen.total:
            st.info("No image passes these filters.", icon=":material/filter_alt_off:")
            return
        row = st.container(horizontal=True, vertical_alignment="center")
        if seen.pages > 1:
            with row:
                if st.session_state.get("run_page", 1) > seen.pages:
                    st.session_state.run_page = seen.pages
                st.pagination(seen.pages, key="run_page")
        row.caption(
            f"{first:,} to {first + len(seen.table) - 1:,} of "
            f"{seen.total:,}{' that pass the filters' if seen.where != Filter() else ''}."
        )
        with row.popover(
            "Download", icon=":material/download:", key="run_download", on_change="rerun"
        ) as popover:
            if popover.open:
                downloads(seen)
    alone = seen.images is None
    if alone:
        missing(run)
        spread(seen)
    else:
        time.sleep(PAUSE)
        with right:
            details(seen)
        st.session_state.run_drawn = wished()
    with st.expander(
        "Rows",
        alone,
        key="run_rows_alone" if alone else "run_rows",
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
        "Where this comes from", key="run_origin", icon=":material/function:", on_change="rerun"
    ) as origin:
        if origin.open:
            comes_from(run)


def wished() -> list[tuple[str, Any]]:
    """What the widgets say that decide which page of which run is seen."""
    names = (
        "run_folder",
        "opened_run",
        "run_order",
        "run_search",
        "run_column",
        "run_page",
        "run_show",
    )
    return sorted(
        (str(name), value)
        for name, value in st.session_state.items()
        if name in names or str(name).startswith(("by-", "values-"))
    )


def _choose(image: str) -> None:
    st.query_params["image"] = image
    if (
        st.session_state.get("run_drawn") == wished()
    ):  # the gallery is up to date, and has marked the image already
        st.rerun("details")


@st.fragment(key="details")
def details(seen: Look) -> None:
    """The selected image of the page, and where its number stands among all."""
    if seen.images is None:
        return
    with reading(seen.run):
        line = seen.selected
        detail(seen, line, rgb(seen.images[seen.places[list(seen.table["id"]).index(line["id"])]]))
        spread(seen, float(line[seen.by]))


def _card(number: int, row: dict[Any, Any], by: str) -> Card:
    value, name = f"{row[by]:.5g}", str(row["name"])
    note = str(row.get("group") or name.rsplit("/", 1)[-1])
    return Card(str(row["id"]), f"{number:,}. {value}", note, f"{number}: {name}, {value}")


def detail(seen: Look, line: pd.Series, picture: np.ndarray) -> None:
    """The selected image: its picture and map, its rank, every number."""
    run, by = seen.run, seen.by
    st.text(str(line["name"]))
    unit = run.measures[0].unit if run.measures else ""
    if has_maps(run):
        heat = run.arrays([int(line["position"])], "map")[0]
        player(
            picture,
            [Kind("Map", heat, limits_of(*seen.key, run), unit)],
            [],
            key="run_map",
            alt=str(line["name"]),
        )
    else:
        st.image(enlarge(picture, 256), alt=str(line["name"]))
    columns, measure = st.columns(3), measure_of(run, by)
    columns[0].metric(
        plain(title_of(run, by)), f"{line[by]:,.5g}", help=measure.definition if measure else None
    )
    error = measure.error if measure else "stderr" if by == "value" else ""
    if error in line:
        columns[1].metric(
            "Standard error", "unknown" if pd.isna(line[error]) else f"± {line[error]:,.3g}"
        )
    if not pd.isna(line[by]):
        columns[2].metric(
            "Place",
            f"{seen.numbers.rank(by, seen.descending, float(line[by])):,} of {run.done:,}",
            help="In this order, among all images of the run.",
        )
    told = [
        f"{name} {line[name]}"
        for name in seen.numbers.metadata
        if name in line and line[name] not in ("", None)
    ]
    st.text(" · ".join(told))


def spread(seen: Look, at: float | None = None) -> None:
    """How the number is spread over what passes the filters."""
    title = title_of(seen.run, seen.by)
    figure = charts.counted(histogram_of(*seen.key, seen.by, seen.where, seen.numbers), title, at)
    st.plotly_chart(figure, key="run_histogram", config=charts.CONFIG, alt=f"Histogram of {title}")


def missing(run: Run) -> None:
    """The pictures of the run are not those that are loaded: say so, and offer to load them."""
    sources = run.manifest.get("sources")
    st.info(
        "The loaded images are not those of this run, so its rows are shown without pictures.",
        icon=":material/hide_image:",
    )
    if not sources:
        return
    try:
        wanted = Sources.read(sources)
    except ValueError as error:
        show_error(error)
        return
    if wanted.on_hub:  # a manifest is not trusted: it can name anything
        names = " and ".join(plain(name) for name in wanted.on_hub)
        st.info(
            f"Opening them downloads **{names}** from the Hugging Face Hub.",
            icon=":material/cloud_download:",
        )
    label = "Download and open" if wanted.on_hub else "Open its model and images"
    if st.button(label, type="primary", icon=":material/folder_open:"):
        try:
            with st.spinner("Loading"):
                workspace.open_workspace(wanted, by_link=True)
        except ValueError as error:
            show_error(error)
        else:
            st.rerun()


def downloads(seen: Look) -> None:
    """Everything that passes the filters, in this order, with where it comes from."""
    run, numbers = seen.run, seen.numbers

    def parquet() -> bytes:
        return numbers.export(seen.by, seen.descending, seen.where, json.dumps(run.manifest))

    def csv() -> bytes:
        stream = io.StringIO()
        for offset in range(0, seen.total, 100_000):
            numbers.page(seen.by, seen.descending, offset, 100_000, seen.where).to_csv(
                stream, index=False, header=not offset
            )
        return stream.getvalue().encode()

    st.download_button(
        "CSV",
        csv,
        f"{run.folder.name}.csv",
        "text/csv",
        on_click="ignore",
        width="stretch",
        help="Every row that passes the filters.",
    )
    st.download_button(
        "Parquet",
        parquet,
        f"{run.folder.name}.parquet",
        on_click="ignore",
        width="stretch",
        help="The same, with where it comes from in the file's metadata.",
    )


def comes_from(run: Run) -> None:
    for measure in run.measures[:1]:
        st.latex(measure.formula)
        st.markdown(
            f"{measure.definition}\n\n**Limits:** {measure.limits}\n\n**Source:** "
            f"{measure.citation}."
        )
    st.json(
        json.dumps({name: value for name, value in run.manifest.items() if name != "selection"}),
        expanded=False,
    )


@contextmanager
def reading(run: Run) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        unreadable(run, error)


def unreadable(run: Run | None, error: Exception) -> None:
    """Say what cannot be read, but for files that were merged meanwhile: those are read anew."""
    try:
        if run is not None and run.again().stamp != run.stamp:
            st.rerun()
    except (ValueError, OSError) as gone:
        error = gone
    show_error(error)


@st.fragment
def everything() -> None:
    """A fragment, since nothing here takes long: a click need not run the rest of the app."""
    if background.begun():
        st.rerun()
    st.session_state.pop("run_drawn", None)
    run = seen = None
    try:
        run = choose(known())
        seen = look(run) if run and run.done else None
    except (ValueError, OSError) as error:  # a file can go while it is looked at
        unreadable(run, error)
        return
    if run is None:
        st.info(
            "No run is stored yet. Measuring pages start one with *Run in background*; so "
            "does the command line: `python -m memlib "
            "measure`.",
            icon=":material/hourglass_empty:",
        )
    elif seen is None:
        about(run)
        st.info("Nothing is measured yet.", icon=":material/hourglass_empty:")
    else:
        with reading(run):
            browse(seen)
    name = st.session_state.get("opened_run")
    if name and st.query_params.get("opened") != name:
        st.query_params["opened"] = name  # last: the browser draws the whole app again


everything()

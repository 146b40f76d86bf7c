"""Runs of any size: looked at where they lie, page by page, whoever made them."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from memlib.denoisers.unet import DEMO
from memlib.measures import MEASURES, Measure
from memlib.runs import FOLDER, Filter, Numbers, Run
from memlib.workspace import Sources
from pages.shared import background, charts, workspace
from pages.shared.errors import plain, show_error
from pages.shared.gallery import Card, gallery
from pages.shared.pictures import colour, colour_range, rgb
from pages.shared.player import Kind, player

PER_PAGE = 48
SAMPLE = 256  # maps that set the colour limits of all

workspace.enter()
st.caption("Runs measured in the background, on the command line or on a cluster, of any size: sorted and filtered where they lie, a page of rows at a time.")  # fmt: skip


def known() -> dict[str, Path]:
    """Runs by name: those below the working directory, the latest first, then the demo's."""
    own = sorted(FOLDER.glob("*/manifest.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    found = {file.parent.name: file.parent for file in own}
    for file in sorted(DEMO.glob("runs/*/manifest.json")):
        found.setdefault(file.parent.name, file.parent)
    return found


def chosen_run() -> Run | None:
    """The run to look at, by name or by its folder."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row.popover("Another folder", icon=":material/folder_open:"):
        typed = st.text_input("Run folder", key="run_folder", bind="query-params", help="A run made elsewhere, below the folders this app may read.").strip()  # fmt: skip
    try:
        found = known()
        if typed:
            return Run(Path(workspace.stamped(typed)[0]))
        asked = st.query_params.get("opened")
        if "opened_run" not in st.session_state and asked in found:
            st.session_state.opened_run = asked
        if st.session_state.get("opened_run") not in found:
            st.session_state.pop("opened_run", None)
        name = row.selectbox("Run", list(found), key="opened_run", on_change=first_page, format_func=lambda name: f"{name}{', bundled' if found[name].is_relative_to(DEMO) else ''}", width=420)  # fmt: skip
        if name is None:
            return None
        st.query_params["opened"] = name
        return Run(found[name])
    except (ValueError, OSError) as error:  # a file can go while it is looked at
        show_error(error)
        st.stop()


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
    if at_work is None and manifest.get("sources") and run.folder.resolve().parent == FOLDER.resolve():
        background.button(
            "Go on in the background", False, background.begin, ["measure", "--resume", str(run.folder)], run.folder.name, "runs"
        )
    elif at_work is not None:
        st.button("See what is new", icon=":material/refresh:", help="The sidebar shows how far it is.")


@st.cache_resource(max_entries=4, show_spinner=False)
def numbers_of(folder: str, stamp: str) -> Numbers:
    return Numbers(Run(Path(folder)))


@st.cache_data(max_entries=64, show_spinner=False)
def choices_of(folder: str, stamp: str, column: str, _numbers: Numbers) -> list[str]:
    return _numbers.choices(column)


@st.cache_data(max_entries=64, show_spinner=False)
def histogram_of(folder: str, stamp: str, number: str, where: Filter, _numbers: Numbers) -> pd.DataFrame:
    return _numbers.histogram(number, where)


@st.cache_data(max_entries=64, show_spinner=False)
def count_of(folder: str, stamp: str, where: Filter, _numbers: Numbers) -> int:
    return _numbers.count(where)


@st.cache_data(max_entries=16, show_spinner=False)
def limits_of(folder: str, stamp: str, array: str, _run: Run) -> tuple[float, float]:
    """Colour limits from the maps of images spread over the run."""
    return colour_range(_run.arrays(_run.spread(SAMPLE), array))


@st.cache_resource(max_entries=2, show_spinner=False)
def places_of(digest: str, _ids: list[str]) -> dict[str, int]:
    """Where each image stands in an image set."""
    return {image: place for place, image in enumerate(_ids)}


MOST, LEAST = "Most memorised first", "Least first"


def wanted(numbers: Numbers, run: Run) -> tuple[str, bool, Filter]:
    """The number to sort by, whether the largest come first, and the filter, as the widgets of `filters` say.

    They are drawn after the gallery, which then appears as soon as it is known.
    """
    state = st.session_state
    by = state.get(f"by-{run.measure}")
    by = by if by in numbers.names else run.main[0]
    column = str(state.get("run_column", ""))
    column = column if column in numbers.metadata else _grouping(numbers)
    values = tuple(state.get(f"values-{column}", ())) if column else ()
    descending = (_direction(run, by) > 0) == (state.get("run_order", MOST) == MOST)
    return by, descending, Filter(text=state.get("run_search", ""), column=column if values else "", values=values)


def filters(numbers: Numbers, run: Run, key: tuple[str, str]) -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    row.selectbox("Sort by", numbers.names, index=numbers.names.index(run.main[0]), format_func=lambda name: _title(run, name), key=f"by-{run.measure}", width=180, on_change=first_page)  # fmt: skip
    row.segmented_control("Order", [MOST, LEAST], default=MOST, required=True, key="run_order", on_change=first_page)
    row.text_input("Search names", key="run_search", width=150, on_change=first_page)
    column = _grouping(numbers)
    if len(numbers.metadata) > 1:
        column = row.selectbox("Column", numbers.metadata, index=numbers.metadata.index(column), key="run_column", width=110, on_change=first_page)  # fmt: skip
    options = choices_of(*key, column, numbers) if column else []
    if len(options) > 1:
        row.multiselect(f"Values of {plain(column)}", options, key=f"values-{column}", width=200, on_change=first_page)


def first_page() -> None:
    st.session_state.run_page = 1


def _grouping(numbers: Numbers) -> str:
    return "group" if "group" in numbers.metadata else next(iter(numbers.metadata), "")


def _of(run: Run, name: str) -> Measure | None:
    return next((measure for measure in run.measures if measure.column == name), None)


def _direction(run: Run, name: str) -> int:
    measure = _of(run, name)
    return measure.direction if measure else 1


def _title(run: Run, name: str) -> str:
    measure = _of(run, name)
    return name.replace("_", " ") if measure is None else measure.title.split(" at ")[0]


def browse(numbers: Numbers, key: tuple[str, str]) -> None:
    """The gallery and the selected image, or rows alone where the pictures are not loaded."""
    above, run = st.container(), numbers.run
    by, descending, where = wanted(numbers, run)
    total = count_of(*key, where, numbers)
    pages = -(-total // PER_PAGE)
    page = max(1, min(int(st.session_state.get("run_page", 1)), pages))
    table = numbers.page(by, descending, (page - 1) * PER_PAGE, PER_PAGE, where)
    loaded = workspace.current()
    places = places_of(loaded.images.digest, loaded.images.ids) if loaded else {}
    there = [places.get(image, -1) for image in table["id"]]
    line = None
    if loaded is not None and min(there, default=-1) >= 0:
        left, right = st.columns([5, 6], gap="medium")
        maps = run.columns().get("map") is not None
        with left:
            shown = st.segmented_control("Show", ["Images", "Maps"], default="Images", required=True, key="run_show") if maps else "Images"
            if shown == "Maps":
                pictures = colour(run.arrays(table["position"].tolist(), "map"), *limits_of(*key, "map", run))
            else:
                pictures = loaded.images.thumbnails(there)
            asked = st.query_params.get("image")
            line = table[table["id"] == (asked if asked in set(table["id"]) else table["id"].iloc[0])].iloc[0]
            first = (page - 1) * PER_PAGE + 1
            cards = [_card(first + place, row, by) for place, row in enumerate(table.to_dict("records"))]
            with st.container(height=700, border=False):
                gallery(pictures, cards, str(line["id"]), key="run_gallery", width=64, on_select=_choose)
    with above:
        about(run)
        filters(numbers, run, key)
        if not total:
            st.info("No image passes these filters.", icon=":material/filter_alt_off:")
            return
        row = st.container(horizontal=True, vertical_alignment="center")
        if pages > 1:
            with row:
                if st.session_state.get("run_page", 1) > pages:
                    st.session_state.run_page = pages
                st.pagination(pages, key="run_page")
        row.caption(f"{(page - 1) * PER_PAGE + 1:,} to {(page - 1) * PER_PAGE + len(table):,} of {total:,}{' that pass the filters' if where != Filter() else ''}.")  # fmt: skip
    if line is not None and loaded is not None:
        with right:
            detail(run, numbers, line, by, descending, rgb(loaded.images[places[line["id"]]]), key)
            spread(run, numbers, by, where, key, float(line[by]))
    else:
        missing(run)
        spread(run, numbers, by, where, key)
    st.subheader("Rows")
    st.dataframe(table.drop(columns="position"), hide_index=True, height=280, alt="The images of this page with their numbers")
    downloads(run, numbers, by, descending, where, total)


def _choose() -> None:
    st.query_params["image"] = st.session_state.run_gallery["selected"]


def _card(number: int, row: dict[Any, Any], by: str) -> Card:
    value, name = f"{row[by]:.5g}", str(row["name"])
    note = str(row.get("group") or name.rsplit("/", 1)[-1])
    return Card(str(row["id"]), f"{number:,}. {value}", note, f"{number}: {name}, {value}")


def detail(run: Run, numbers: Numbers, line: pd.Series, by: str, descending: bool, picture: np.ndarray, key: tuple[str, str]) -> None:
    """The selected image: its picture and map, its rank, every number."""
    st.text(str(line["name"]))
    unit = run.measures[0].unit if run.measures else ""
    if run.columns().get("map") is not None:
        heat = run.arrays([int(line["position"])], "map")[0]
        player(picture, [Kind("Map", heat, limits_of(*key, "map", run), unit)], [], key="run_map", alt=str(line["name"]))
    else:
        st.image(np.kron(picture, np.ones((max(1, 256 // picture.shape[0]),) * 2 + (1,), np.uint8)), alt=str(line["name"]))
    columns = st.columns(3)
    columns[0].metric(
        plain(_title(run, by)), f"{line[by]:,.5g}", help=(_of(run, by) or MEASURES["volume_growth"]).definition if _of(run, by) else None
    )
    if "stderr" in line:
        columns[1].metric("Standard error", "unknown" if pd.isna(line["stderr"]) else f"± {line['stderr']:,.3g}")
    if not pd.isna(line[by]):
        columns[2].metric(
            "Place",
            f"{numbers.rank(by, descending, float(line[by])):,} of {run.done:,}",
            help="In this order, among all images of the run.",
        )
    known = [f"{name} {line[name]}" for name in numbers.metadata if name in line and line[name] not in ("", None)]
    st.text(" · ".join(known))


def spread(run: Run, numbers: Numbers, by: str, where: Filter, key: tuple[str, str], selected: float | None = None) -> None:
    """How the number is spread over what passes the filters."""
    figure = charts.counted(histogram_of(*key, by, where, numbers), _title(run, by), selected)
    st.plotly_chart(figure, key="run_histogram", config=charts.CONFIG, alt=f"Histogram of {_title(run, by)}")


def missing(run: Run) -> None:
    """The pictures of the run are not those that are loaded: say so, and offer to load them."""
    sources = run.manifest.get("sources")
    st.info("The loaded images are not those of this run, so its rows are shown without pictures.", icon=":material/hide_image:")
    if sources and st.button("Open its model and images", type="primary", icon=":material/folder_open:"):
        try:
            names = {field.name for field in dataclasses.fields(Sources)}
            with st.spinner("Loading"):
                workspace.open_workspace(Sources(**{name: value for name, value in sources.items() if name in names}), by_link=True)
        except ValueError as error:
            show_error(error)
        else:
            st.rerun()


def downloads(run: Run, numbers: Numbers, by: str, descending: bool, where: Filter, total: int) -> None:
    """Everything that passes the filters, in this order, with where it comes from."""

    def parquet() -> bytes:
        return numbers.export(by, descending, where, json.dumps(run.manifest))

    def csv() -> bytes:
        stream = io.StringIO()
        for offset in range(0, total, 100_000):
            numbers.page(by, descending, offset, 100_000, where).to_csv(stream, index=False, header=not offset)
        return stream.getvalue().encode()

    row = st.container(horizontal=True)
    row.download_button("CSV", csv, f"{run.folder.name}.csv", "text/csv", icon=":material/download:", on_click="ignore", help="Every row that passes the filters.")  # fmt: skip
    row.download_button("Parquet", parquet, f"{run.folder.name}.parquet", icon=":material/download:", on_click="ignore", help="The same, with where it comes from in the file's metadata.")  # fmt: skip
    with st.expander("Where this comes from", icon=":material/function:"):
        for measure in run.measures[:1]:
            st.latex(measure.formula)
            st.markdown(f"{measure.definition}\n\n**Limits:** {measure.limits}\n\n**Source:** {measure.citation}.")
        st.json(json.dumps({name: value for name, value in run.manifest.items() if name != "selection"}), expanded=False)


@st.fragment
def everything() -> None:
    """A fragment, since nothing here takes long: a click need not run the rest of the app."""
    if background.begun():
        st.rerun()
    run = chosen_run()
    if run is None:
        st.info("No run is stored yet. Measuring pages start one with *Run in background*; so does the command line: `python -m memlib measure`.", icon=":material/hourglass_empty:")  # fmt: skip
        return
    try:
        if run.done:
            key = (str(run.folder.resolve()), run.stamp)
            browse(numbers_of(*key), key)
        else:
            about(run)
            st.info("Nothing is measured yet.", icon=":material/hourglass_empty:")
    except (ValueError, OSError) as error:
        if run.again().stamp != run.stamp:  # files were merged while they were read
            st.rerun()
        show_error(error)


everything()

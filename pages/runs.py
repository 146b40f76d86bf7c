"""Runs of any size: looked at where they lie, page by page, whoever made them."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
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
PAUSE = 0.08  # seconds in which the browser draws the gallery: what follows would be drawn together with it, and later

workspace.enter()
st.caption("Runs measured in the background, on the command line or on a cluster, of any size: sorted and filtered where they lie, a page of rows at a time.")  # fmt: skip


def known() -> dict[str, Path]:
    """Runs by name: those below the working directory, the latest first, then the demo's."""
    own = sorted(FOLDER.glob("*/manifest.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    found = {file.parent.name: file.parent for file in own}
    for file in sorted(DEMO.glob("runs/*/manifest.json")):
        found.setdefault(file.parent.name, file.parent)
    return found


def asked(found: dict[str, Path]) -> Run | None:
    """The run to look at, as the widgets of `choose` or the link say."""
    typed = str(st.session_state.get("run_folder", st.query_params.get("run_folder", ""))).strip()
    if typed:
        return Run(Path(workspace.stamped(typed)[0]))
    if st.session_state.get("opened_run") not in found:
        st.session_state.opened_run = st.query_params.get("opened") if st.query_params.get("opened") in found else next(iter(found), None)
    name = st.session_state.opened_run
    if name is None:
        return None
    if st.query_params.get("opened") != name:
        st.query_params["opened"] = name
    return Run(found[name])


def choose(found: dict[str, Path]) -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    row.popover("Another folder", icon=":material/folder_open:").text_input("Run folder", key="run_folder", bind="query-params", help="A run made elsewhere, below the folders this app may read.")  # fmt: skip
    if found and not st.session_state.get("run_folder"):
        row.selectbox("Run", list(found), key="opened_run", on_change=first_page, format_func=lambda name: f"{name}{', bundled' if found[name].is_relative_to(DEMO) else ''}", width=420)  # fmt: skip


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
IMAGES, MAPS = "Images", "Maps"


@dataclass(frozen=True)
class Look:
    """What is seen of a run. It is computed before anything is drawn, so that the gallery reaches the browser at once."""

    run: Run
    numbers: Numbers
    key: tuple[str, str]  # of the run as it is now, for caches
    by: str  # the number the rows are sorted by
    descending: bool
    where: Filter
    total: int  # rows that pass the filters
    page: int
    table: pd.DataFrame  # the rows of the page
    places: list[int] | None  # of its images in the loaded set, if they all are there
    pictures: np.ndarray  # theirs, or their maps

    @property
    def pages(self) -> int:
        return -(-self.total // PER_PAGE)

    @property
    def selected(self) -> pd.Series:
        """The row of the image in the link, or the first."""
        asked = self.table["id"] == st.query_params.get("image")
        return self.table[asked].iloc[0] if asked.any() else self.table.iloc[0]

    @property
    def limits(self) -> tuple[float, float]:
        """Colour limits of the maps."""
        return limits_of(*self.key, "map", self.run)


def look(run: Run) -> Look:
    """A page of the run, sorted and filtered as the widgets of `filters` say."""
    state, key = st.session_state, (str(run.folder.resolve()), run.stamp)
    numbers = numbers_of(*key)
    by = state.get(f"by-{run.measure}")
    by = by if by in numbers.names else run.main[0]
    column = str(state.get("run_column", ""))
    column = column if column in numbers.metadata else _grouping(numbers)
    values = tuple(state.get(f"values-{column}", ())) if column else ()
    descending = (_direction(run, by) > 0) == (state.get("run_order", MOST) == MOST)
    where = Filter(text=state.get("run_search", ""), column=column if values else "", values=values)
    total = count_of(*key, where, numbers)
    page = max(1, min(int(state.get("run_page", 1)), -(-total // PER_PAGE)))
    table = numbers.page(by, descending, (page - 1) * PER_PAGE, PER_PAGE, where)
    loaded, places, pictures = workspace.current(), None, np.empty(0)
    if loaded is not None and total:
        known = places_of(loaded.images.digest, loaded.images.ids)
        found = [known.get(image, -1) for image in table["id"]]
        if min(found) >= 0:
            places = found
            if run.columns().get("map") is not None and state.get("run_show") == MAPS:
                pictures = colour(run.arrays(table["position"].tolist(), "map"), *limits_of(*key, "map", run))
            else:
                pictures = loaded.images.thumbnails(places)
    return Look(run, numbers, key, by, descending, where, total, page, table, places, pictures)


def filters(seen: Look) -> None:
    numbers, run = seen.numbers, seen.run
    row = st.container(horizontal=True, vertical_alignment="bottom")
    row.selectbox("Sort by", numbers.names, index=numbers.names.index(run.main[0]), format_func=lambda name: _title(run, name), key=f"by-{run.measure}", width=180, on_change=first_page)  # fmt: skip
    row.segmented_control("Order", [MOST, LEAST], default=MOST, required=True, key="run_order", on_change=first_page)
    row.text_input("Search names", key="run_search", width=150, on_change=first_page)
    column = _grouping(numbers)
    if len(numbers.metadata) > 1:
        column = row.selectbox("Column", numbers.metadata, index=numbers.metadata.index(column), key="run_column", width=110, on_change=first_page)  # fmt: skip
    options = choices_of(*seen.key, column, numbers) if column else []
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


def browse(seen: Look) -> None:
    """The gallery and the selected image, or rows alone where the pictures are not loaded."""
    above, run = st.container(), seen.run
    first = (seen.page - 1) * PER_PAGE + 1
    if seen.places is not None:
        left, right = st.columns([5, 6], gap="medium")
        cards = [_card(first + place, row, seen.by) for place, row in enumerate(seen.table.to_dict("records"))]
        with left:
            if run.columns().get("map") is not None:
                st.segmented_control("Show", [IMAGES, MAPS], default=IMAGES, required=True, key="run_show")
            with st.container(height=700, border=False):
                gallery(seen.pictures, cards, str(seen.selected["id"]), key="run_gallery", width=64, on_select=_choose)
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
        row.caption(f"{first:,} to {first + len(seen.table) - 1:,} of {seen.total:,}{' that pass the filters' if seen.where != Filter() else ''}.")  # fmt: skip
        with row.popover("Download", icon=":material/download:", key="run_download", on_change="rerun") as popover:
            if popover.open:
                downloads(seen)
    alone = seen.places is None
    if alone:
        missing(run)
        spread(seen)
    else:
        time.sleep(PAUSE)
        with right:
            selected(seen)
    with st.expander("Rows", alone, key="run_rows_alone" if alone else "run_rows", icon=":material/table_rows:", on_change="rerun") as rows:
        if rows.open:
            st.dataframe(seen.table.drop(columns="position"), hide_index=True, height=280, alt="The images of this page with their numbers")
    with st.expander("Where this comes from", key="run_origin", icon=":material/function:", on_change="rerun") as origin:
        if origin.open:
            comes_from(run)


def _choose() -> None:
    st.query_params["image"] = st.session_state.run_gallery["selected"]
    st.rerun("selected")  # the gallery has marked it already


@st.fragment(key="selected")
def selected(seen: Look) -> None:
    """The selected image of the page, and where its number stands among all."""
    loaded = workspace.current()
    if loaded is None or seen.places is None:
        return
    with reading(seen.run):
        line = seen.selected
        detail(seen, line, rgb(loaded.images[seen.places[list(seen.table["id"]).index(line["id"])]]))
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
    if run.columns().get("map") is not None:
        heat = run.arrays([int(line["position"])], "map")[0]
        player(picture, [Kind("Map", heat, seen.limits, unit)], [], key="run_map", alt=str(line["name"]))
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
            f"{seen.numbers.rank(by, seen.descending, float(line[by])):,} of {run.done:,}",
            help="In this order, among all images of the run.",
        )
    known = [f"{name} {line[name]}" for name in seen.numbers.metadata if name in line and line[name] not in ("", None)]
    st.text(" · ".join(known))


def spread(seen: Look, at: float | None = None) -> None:
    """How the number is spread over what passes the filters."""
    title = _title(seen.run, seen.by)
    figure = charts.counted(histogram_of(*seen.key, seen.by, seen.where, seen.numbers), title, at)
    st.plotly_chart(figure, key="run_histogram", config=charts.CONFIG, alt=f"Histogram of {title}")


def missing(run: Run) -> None:
    """The pictures of the run are not those that are loaded: say so, and offer to load them."""
    sources = run.manifest.get("sources")
    st.info("The loaded images are not those of this run, so its rows are shown without pictures.", icon=":material/hide_image:")
    if sources and st.button("Open its model and images", type="primary", icon=":material/folder_open:"):
        try:
            names = {field.name for field in fields(Sources)}
            with st.spinner("Loading"):
                workspace.open_workspace(Sources(**{name: value for name, value in sources.items() if name in names}), by_link=True)
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
            numbers.page(seen.by, seen.descending, offset, 100_000, seen.where).to_csv(stream, index=False, header=not offset)
        return stream.getvalue().encode()

    st.download_button("CSV", csv, f"{run.folder.name}.csv", "text/csv", on_click="ignore", width="stretch", help="Every row that passes the filters.")  # fmt: skip
    st.download_button("Parquet", parquet, f"{run.folder.name}.parquet", on_click="ignore", width="stretch", help="The same, with where it comes from in the file's metadata.")  # fmt: skip


def comes_from(run: Run) -> None:
    for measure in run.measures[:1]:
        st.latex(measure.formula)
        st.markdown(f"{measure.definition}\n\n**Limits:** {measure.limits}\n\n**Source:** {measure.citation}.")
    st.json(json.dumps({name: value for name, value in run.manifest.items() if name != "selection"}), expanded=False)


@contextmanager
def reading(run: Run) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        unreadable(run, error)


def unreadable(run: Run | None, error: Exception) -> None:
    """Say what cannot be read, but for files that were merged meanwhile: those are read anew."""
    if run is not None and run.again().stamp != run.stamp:
        st.rerun()
    show_error(error)


@st.fragment
def everything() -> None:
    """A fragment, since nothing here takes long: a click need not run the rest of the app."""
    if background.begun():
        st.rerun()
    found, top, run, seen = known(), st.container(), None, None
    try:
        run = asked(found)
        with top:
            choose(found)
        seen = look(run) if run and run.done else None
    except (ValueError, OSError) as error:
        if run is None:
            with top:
                choose(found)
        unreadable(run, error)
        return
    if run is None:
        st.info("No run is stored yet. Measuring pages start one with *Run in background*; so does the command line: `python -m memlib measure`.", icon=":material/hourglass_empty:")  # fmt: skip
    elif seen is None:
        about(run)
        st.info("Nothing is measured yet.", icon=":material/hourglass_empty:")
    else:
        with reading(run):
            browse(seen)


everything()

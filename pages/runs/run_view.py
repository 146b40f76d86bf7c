"""What is seen of a run: a page of its rows, sorted and filtered as the widgets say, and the
pictures of its images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from memlib.images import ImageSet
from memlib.measures import Measure
from memlib.runs import Filter, Numbers, Run
from pages.figures.pictures import colour, colour_range
from pages.session import workspace

PER_PAGE = 48
SAMPLE = 256  # maps that set the colour limits of all
MOST, LEAST = "Most memorised first", "Least first"
IMAGES, MAPS = "Images", "Maps"


@st.cache_resource(max_entries=4, show_spinner=False)
def numbers_of(folder: str, stamp: str) -> Numbers:
    return Numbers(Run(Path(folder)))


@st.cache_data(max_entries=64, show_spinner=False)
def options_of(folder: str, stamp: str, column: str, _numbers: Numbers) -> list[str]:
    """What a filter by this column can choose from, if that is a choice."""
    found = _numbers.choices(column) if column else []
    return found if len(found) > 1 else []


@st.cache_data(max_entries=64, show_spinner=False)
def histogram_of(
    folder: str, stamp: str, number: str, where: Filter, _numbers: Numbers
) -> pd.DataFrame:
    return _numbers.histogram(number, where)


@st.cache_data(max_entries=64, show_spinner=False)
def count_of(folder: str, stamp: str, where: Filter, _numbers: Numbers) -> int:
    return _numbers.count(where)


@st.cache_data(max_entries=16, show_spinner=False)
def limits_of(folder: str, stamp: str, _run: Run) -> tuple[float, float]:
    """Colour limits of the maps, from those of images spread over the run."""
    return colour_range(_run.arrays(_run.spread(SAMPLE), "map"))


@st.cache_resource(max_entries=2, show_spinner=False)
def places_of(digest: str, _ids: list[str]) -> dict[str, int]:
    """Where each image stands in an image set."""
    return {image: place for place, image in enumerate(_ids)}


@dataclass(frozen=True)
class Look:
    """What is seen of a run.

    It is computed before the gallery is drawn, which then reaches the browser in one piece.
    """

    run: Run
    numbers: Numbers
    key: tuple[str, str]  # of the run as it is now, for caches
    by: str  # the number the rows are sorted by
    descending: bool
    where: Filter
    total: int  # rows that pass the filters
    page: int
    pages: int
    table: pd.DataFrame  # the rows of the page
    images: ImageSet | None  # the loaded set, if all images of the page are in it
    places: list[int]  # where
    pictures: np.ndarray  # they themselves, or their maps

    @property
    def selected(self) -> pd.Series:
        """The row of the image in the link, or the first."""
        linked = self.table["id"] == st.query_params.get("image")
        return self.table[linked].iloc[0] if linked.any() else self.table.iloc[0]


def look(run: Run) -> Look:
    """A page of the run, sorted and filtered as the widgets of `filters` say."""
    state, key = st.session_state, (str(run.folder.resolve()), run.stamp)
    numbers = numbers_of(*key)
    by = state.get(f"by-{run.measure}")
    by = by if by in numbers.names else run.main[0]
    column = str(state.get("run_column", ""))
    column = column if column in numbers.metadata else grouping(numbers)
    options = options_of(*key, column, numbers)
    values = tuple(
        value for value in state.get(f"values-{column}", ()) if value in options
    )  # another run may have others
    descending = (direction_of(run, by) >= 0) == (state.get("run_order", MOST) == MOST)
    where = Filter(text=state.get("run_search", ""), column=column if values else "", values=values)
    total = count_of(*key, where, numbers)
    pages = -(-total // PER_PAGE)
    page = max(1, min(int(state.get("run_page", 1)), pages))
    table = numbers.page(by, descending, (page - 1) * PER_PAGE, PER_PAGE, where)
    loaded, images, places, pictures = workspace.current(), None, list[int](), np.empty(0)
    if loaded is not None and total:
        there = places_of(loaded.images.digest, loaded.images.ids)
        places = [there.get(image, -1) for image in table["id"]]
        if min(places) >= 0:
            images = loaded.images
            if has_maps(run) and state.get("run_show") == MAPS:
                pictures = colour(
                    run.arrays(table["position"].tolist(), "map"), *limits_of(*key, run)
                )
            else:
                pictures = images.thumbnails(places)
    return Look(
        run,
        numbers,
        key,
        by,
        descending,
        where,
        total,
        page,
        pages,
        table,
        images,
        places,
        pictures,
    )


def grouping(numbers: Numbers) -> str:
    return "group" if "group" in numbers.metadata else next(iter(numbers.metadata), "")


def has_maps(run: Run) -> bool:
    return run.columns().get("map") is not None


def measure_of(run: Run, name: str) -> Measure | None:
    return next((measure for measure in run.measures if measure.column == name), None)


def direction_of(run: Run, name: str) -> int:
    """+1 where bigger means more memorised, -1 where smaller does, 0 where neither is known."""
    measure = measure_of(run, name)
    if measure is None and name.startswith(
        ("flux_", "divergence_")
    ):  # outward, and K turns their sign
        return -1
    return measure.direction if measure else 0


def title_of(run: Run, name: str) -> str:
    measure = measure_of(run, name)
    return name.replace("_", " ") if measure is None else measure.title.split(" at ")[0]

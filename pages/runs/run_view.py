"""The visible part of a run: a page of its rows, filtered and ordered as the browser asks, and the
pictures of its images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from memlib.evidence import maps
from memlib.images import ImageSet
from memlib.measures import Measure
from memlib.runs import FOLDER, Filter, Numbers, Run
from pages.figures.pictures import colour, colour_range
from pages.ranking.browser import Browser, Query, Seen, Sort
from pages.ranking.view import SMOOTHING
from pages.session import selection, workspace
from pages.session.paths import readable
from pages.session.state import Page

PAGE = Page("runs")
SAMPLE = 256  # maps from which the colour limits are computed
EVERYTHING = Filter()


@st.cache_resource(max_entries=4, show_spinner=False)
def numbers_of(folder: str, stamp: str) -> Numbers:
    """Return queries on the run's numbers in its current state."""
    return Numbers(Run(Path(folder), roots=readable(FOLDER)))


@st.cache_data(max_entries=64, show_spinner=False)
def _choices(folder: str, stamp: str, column: str, most: int, _numbers: Numbers) -> list[str]:
    return _numbers.choices(column, most)


@st.cache_data(max_entries=64, show_spinner=False)
def _count(folder: str, stamp: str, where: Filter, _numbers: Numbers) -> int:
    return _numbers.count(where)


@st.cache_data(max_entries=64, show_spinner=False)
def _row(folder: str, stamp: str, image: str, where: Filter, _numbers: Numbers) -> pd.Series | None:
    return _numbers.row(image, where)


@st.cache_data(max_entries=64, show_spinner=False)
def histogram_of(
    folder: str, stamp: str, number: str, where: Filter, _numbers: Numbers
) -> pd.DataFrame:
    """Return counts of the rows that pass, over the whole range of a number."""
    return _numbers.histogram(number, where)


@st.cache_data(max_entries=16, show_spinner=False)
def limits_of(folder: str, stamp: str, _run: Run) -> tuple[float, float]:
    """Return colour limits of the smoothed maps, from images spread over the run."""
    return colour_range(maps_of(_run, _run.spread(SAMPLE)))


@st.cache_resource(max_entries=2, show_spinner=False)
def places_of(digest: str, _ids: list[str]) -> dict[str, int]:
    """Return the position of each image in an image set, by id."""
    return {image: place for place, image in enumerate(_ids)}


def maps_of(run: Run, positions: list[int]) -> np.ndarray:
    """Return maps (N, H, W) of some images, smoothed like those of every page."""
    return maps.smooth(run.arrays(positions, "map"), SMOOTHING)


class RunRows:
    """The rows of a run for the image browser: queries whose answers are cached."""

    def __init__(self, numbers: Numbers, key: tuple[str, str]) -> None:
        self.numbers, self.key = numbers, key
        self.names, self.metadata = numbers.names, numbers.metadata

    def count(self, where: Filter = EVERYTHING) -> int:
        return _count(*self.key, where, self.numbers)

    def page(
        self, by: str, descending: bool, offset: int, limit: int, where: Filter = EVERYTHING
    ) -> pd.DataFrame:
        return self.numbers.page(by, descending, offset, limit, where)

    def row(self, image: str, where: Filter = EVERYTHING) -> pd.Series | None:
        return _row(*self.key, image, where, self.numbers)

    def place(
        self, image: str, by: str, descending: bool, where: Filter = EVERYTHING
    ) -> int | None:
        return self.numbers.place(image, by, descending, where)

    def choices(self, column: str, most: int = 100) -> list[str]:
        return _choices(*self.key, column, most, self.numbers)


@dataclass(frozen=True)
class Look:
    """The visible part of a run.

    It is computed before the gallery is drawn, so that the gallery reaches the browser in one
    piece.
    """

    run: Run
    numbers: Numbers
    key: tuple[str, str]  # changes when the run grows: a key for caches
    browser: Browser
    query: Query
    seen: Seen | None  # None if no image passes the filters
    images: ImageSet | None  # the loaded set, if all images of the page are in it
    places: list[int]  # of the page's images in it
    pictures: np.ndarray  # of the page's images, or of their maps


def look(run: Run) -> Look:
    """Return a page of the run, filtered and ordered as the browser's controls ask."""
    key = (str(run.folder.resolve()), run.stamp)
    numbers = numbers_of(*key)
    names = sorted(numbers.names, key=lambda name: name != run.main[0])  # the main one first
    sorts = [Sort(name, title_of(run, name), direction_of(run, name)) for name in names]
    browser = Browser(PAGE, RunRows(numbers, key), sorts)
    query = browser.query()
    seen = browser.look(query, selection.chosen())
    loaded, images, places, pictures = workspace.current(), None, list[int](), np.empty(0)
    if loaded is not None and seen is not None:
        there = places_of(loaded.images.digest, loaded.images.ids)
        places = [there.get(image, -1) for image in seen.table["id"]]
        if min(places) >= 0:
            images = loaded.images
            if has_maps(run) and query.maps:
                heat = maps_of(run, seen.table["position"].tolist())
                pictures = colour(heat, *limits_of(*key, run))
            else:
                pictures = images.thumbnails(places)
    return Look(run, numbers, key, browser, query, seen, images, places, pictures)


def ranks(view: Look, seen: Seen) -> list[int] | None:
    """Return the ranks of the page's images among all images of the run; None if the filters or the
    order do not tell them.
    """
    query, count = view.query, len(seen.table)
    if seen.passing < seen.total or not query.sort.direction:
        return None
    known = seen.table[query.sort.column].notna().all()
    most_first = query.descending == (query.sort.direction > 0)
    if not known or not (most_first or view.numbers.known == seen.total):
        return None
    first = seen.first if most_first else seen.total - 1 - seen.first
    return [first + 1 + (place if most_first else -place) for place in range(count)]


def has_maps(run: Run) -> bool:
    """Return whether the run has a map of each image."""
    return run.columns().get("map") is not None


def measure_of(run: Run, name: str) -> Measure | None:
    """Return the measure whose number a column of the run contains."""
    return next((measure for measure in run.measures if measure.column == name), None)


def direction_of(run: Run, name: str) -> int:
    """Return +1 if bigger means more memorised, -1 if smaller does, 0 if neither is known."""
    measure = measure_of(run, name)
    if measure is None and name.startswith(("flux_", "divergence_")):
        return -1  # both point outward; K has the opposite sign
    return measure.direction if measure else 0


def title_of(run: Run, name: str) -> str:
    """Return the title of a column of the run."""
    measure = measure_of(run, name)
    return name.replace("_", " ") if measure is None else measure.title.split(" at ")[0]

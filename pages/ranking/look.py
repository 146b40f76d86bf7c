"""What a ranked page shows about its images in the explorer: numbers, maps, curves, histogram."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from memlib.images import ImageSet
from memlib.measures import Row
from pages.figures.style import group_colours
from pages.ranking.facts import facts
from pages.ranking.view import Picture, View
from pages.session import results as computed
from pages.widgets.explorer import Bars, Detail, Entry, Lines, Number, details_of
from pages.widgets.player import Axis, Kind

BINS = 40


@dataclass(frozen=True)
class Look(ABC):
    """The measured images of a view: their `table`, most memorised first, and their rows by id."""

    view: View
    table: pd.DataFrame
    rows: Mapping[str, Row]

    missing = "The map of this image is not computed yet."

    @property
    def key(self) -> tuple:
        """A key: two with the same key show the same."""
        return (self.view.token, measured_key(self.view.loaded.images, self.rows), self.shown)

    @property
    def shown(self) -> tuple:
        """What is shown, beyond the settings of the view."""
        return ()

    @property
    @abstractmethod
    def axis(self) -> str:
        """The name of the values, with their unit."""

    @abstractmethod
    def line(self, value: float) -> str:
        """Write a value for a card."""

    @abstractmethod
    def numbers(self) -> Sequence[Number]:
        """Return the names of an image's numbers."""

    @abstractmethod
    def entry(self, row: pd.Series) -> Entry:
        """Return what is known about one image, from its line of the table."""

    @abstractmethod
    def curve(self) -> Lines:
        """Return the chart of an image's curves."""

    def map(self, ids: Sequence[str]) -> Kind | None:
        """Return one map of each image, None if they are not known."""
        return None

    @abstractmethod
    def axes(self) -> Sequence[Axis]:
        """Return the sliders of the maps."""

    @abstractmethod
    def is_mapped(self, picture: Picture) -> bool:
        """Return whether the maps of one image along the sliders are computed."""

    @abstractmethod
    def detail(self, picture: Picture) -> Detail:
        """Return the maps of one image along the sliders, computed before."""

    def details(self, picture: Picture) -> dict[str, dict[str, Any]]:
        """Return the same by id, in the explorer's format, made once per process."""
        if not self.is_mapped(picture):
            return {}
        key = ("detail", self.view.token, self.shown, picture.id)
        return {picture.id: computed.once(key, lambda: details_of(self.detail(picture)))}

    def told(self, row: pd.Series) -> str:
        """Return the metadata of an image as text."""
        return facts(row, self.view.loaded)


def measured_key(images: ImageSet, rows: Mapping[str, Row]) -> tuple:
    """Return a key of which images of which set are measured, and of what is known about them."""
    told = hash((tuple(images.names), *((k, tuple(v)) for k, v in images.metadata.items())))
    return (images.digest, told, len(rows), hash(frozenset(rows)))


def spread(table: pd.DataFrame, axis: str, said: str) -> Bars | None:
    """Return the histogram of the values in a table by group, in percent of each group."""
    values = table["value"].to_numpy(float)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    edges = np.histogram_bin_edges(values, BINS)
    groups = table["group"].astype(str) if "group" in table else pd.Series("all", table.index)
    bars = []
    for name, tint in group_colours(sorted(set(groups))).items():
        counts = np.histogram(table.loc[groups == name, "value"], edges)[0]
        bars.append((name, tint, (100 * counts / max(1, counts.sum())).round(2).tolist()))
    return Bars(f"Histogram of {axis} by group, {said}", (axis, "% of group"), edges.tolist(), bars)


def band(curves: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the 10% and the 90% quantile of curves (N, T) at each of the T places."""
    low, high = np.quantile(curves, [0.1, 0.9], axis=0)
    return low.tolist(), high.tolist()

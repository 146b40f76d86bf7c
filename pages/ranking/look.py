"""What a ranked page says of its images in the explorer: numbers, maps, curves, their spread."""

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
class Look:
    """The measured images of a view: their `table`, most memorised first, and their rows by id."""

    view: View
    table: pd.DataFrame
    rows: Mapping[str, Row]

    missing = "The map of this image is not computed yet."

    @property
    def key(self) -> tuple:
        """Tells it apart from every other: two with one key show the same."""
        return (self.view.token, measured_key(self.view.loaded.images, self.rows), self.shown)

    @property
    def shown(self) -> tuple:
        """What of the view is shown, beyond its settings."""
        return ()

    @property
    def axis(self) -> str:
        """What the values are, with their unit."""
        raise NotImplementedError

    def line(self, value: float) -> str:
        """A value on a card."""
        raise NotImplementedError

    def numbers(self) -> Sequence[Number]:
        """What the numbers of an image are called."""
        raise NotImplementedError

    def entry(self, row: pd.Series) -> Entry:
        """What is known of one image, from its line of the table."""
        raise NotImplementedError

    def curve(self) -> Lines:
        """The chart of an image's curves."""
        raise NotImplementedError

    def map(self, ids: Sequence[str]) -> Kind | None:
        """One map of each image, where these are known."""
        return None

    def axes(self) -> Sequence[Axis]:
        """The sliders of the maps."""
        raise NotImplementedError

    def is_mapped(self, picture: Picture) -> bool:
        """Whether the maps of one image along the sliders are computed."""
        raise NotImplementedError

    def detail(self, picture: Picture) -> Detail:
        """The maps of one image along the sliders, computed before."""
        raise NotImplementedError

    def details(self, picture: Picture) -> dict[str, dict[str, Any]]:
        """The same by id, as the explorer takes it, made once a process."""
        if not self.is_mapped(picture):
            return {}
        key = ("detail", self.view.token, self.shown, picture.id)
        return {picture.id: computed.once(key, lambda: details_of(self.detail(picture)))}

    def told(self, row: pd.Series) -> str:
        """What the image set's metadata says of an image."""
        return facts(row, self.view.loaded)


def measured_key(images: ImageSet, rows: Mapping[str, Row]) -> tuple:
    """Tells apart which images of which set are measured, and what is known of them."""
    told = hash((tuple(images.names), *((k, tuple(v)) for k, v in images.metadata.items())))
    return (images.digest, told, len(rows), hash(frozenset(rows)))


def spread(table: pd.DataFrame, axis: str, said: str) -> Bars | None:
    """The histogram of the values in a table by group, in percent of each group."""
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
    """The 10% and the 90% quantile of curves (N, T) at each place."""
    low, high = np.quantile(curves, [0.1, 0.9], axis=0)
    return low.tolist(), high.tolist()

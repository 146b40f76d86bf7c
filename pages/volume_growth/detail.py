"""The selected image: its map, its numbers, and its growth over the noise levels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from memlib.images import HELD_OUT
from memlib.measures.result import interval
from pages.figures.pictures import colour_range
from pages.figures.style import GROUP_COLOURS
from pages.ranking.look import Look, band
from pages.ranking.ranked import large
from pages.ranking.view import Picture
from pages.session import results as computed
from pages.volume_growth.growth_view import MEASURE, MINUS, RAW, WITHOUT, Growth
from pages.widgets.explorer import Detail, Entry, Line, Lines, Number
from pages.widgets.player import Axis, Kind

TITLES = {RAW: "Log growth", MINUS: "Minus reference", WITHOUT: "Beyond PNG size"}


@dataclass(frozen=True)
class GrowthLook(Look):
    """The numbers, maps and curves of measured images; their rows have the last map and the
    curve.
    """

    view: Growth

    @property
    def shown(self) -> tuple:
        return (self.view.shown, self.view.smoothing)

    @property
    def axis(self) -> str:
        return self.view.axis

    @property
    def limits(self) -> tuple[float, float]:
        """Return the colour range of the maps, from the first images of the set."""

        def make() -> tuple[float, float]:
            some = np.stack([row["map"] for row in list(self.rows.values())[:256]])
            return colour_range(self.view.smooth(some), self.view.minus_reference)

        return computed.once(("limits", *self.key), make)

    def line(self, value: float) -> str:
        return f"{value:,.0f}"

    def numbers(self) -> Sequence[Number]:
        view = self.view
        sums = "is that of the growth itself" if view.shown == WITHOUT else "sums to it"
        told = [
            Number(TITLES[view.shown], f"{MEASURE.definition} In nats; the map {sums}."),
            Number(
                "Standard error",
                "Of the estimate, from the spread between probes; unknown with one probe. "
                "Probes are shared by all images, so ranks are more precise than single values.",
            ),
            Number(
                "Rank",
                "Among all measured images, regardless of the filters; 1 is the most memorised.",
            ),
        ]
        if view.shown != RAW:
            about = "From the model's log likelihood at the lowest noise level."
            return [*told, Number("Bits per dimension", about)]
        about = (
            f"An isolated point grows by {self.ceiling:,.0f} nats = d ln(σ max / σ min), more than "
            "any image in an exact model. A trained network can exceed it: it corrects the noise "
            "more steeply than any distribution of images allows."
        )
        return [*told, Number("Isolated point = 1", about)]

    @property
    def ceiling(self) -> float:
        """The growth of an isolated point over the whole range of noise levels."""
        asked = self.view.parameters
        levels = asked["sigma_max"] / asked["sigma_min"]
        return float(self.view.loaded.denoiser.dimension * np.log(levels))

    def entry(self, row: pd.Series) -> Entry:
        found, value, error = self.rows[row["id"]], float(row["value"]), float(row["stderr"])
        told = {"value": value, "stderr": error, "draws": found["draws"]}
        low, high = interval(told, MEASURE.read(self.view.parameters).degrees)
        last = (
            f"{value / self.ceiling:.2f}"
            if self.view.shown == RAW
            else f"{row['bits_per_dimension']:.2f}"
        )
        return Entry(
            id=str(row["id"]),
            name=str(row["name"]),
            facts=self.told(row),
            value=value,
            numbers=[
                (f"{value:,.0f}", ""),
                (
                    "unknown" if np.isnan(error) else f"± {error:,.0f}",
                    "" if np.isnan(low) else f"95% interval: {low:,.0f} to {high:,.0f}.",
                ),
                (f"{row['rank']:,} of {len(self.table):,}", ""),
                (last, ""),
            ],
            curves=[[0.0, *found["curve"].tolist()]],
            texts=self.view.texts(found),
        )

    def curve(self) -> Lines:
        view, sigmas = self.view, self.view.sigmas
        curves = np.stack([row["curve"] for row in self.rows.values()])
        behind = None
        if "group" in self.table and (self.table["group"] == HELD_OUT).any():
            held_out = self.table.loc[self.table["group"] == HELD_OUT, "id"]
            held = np.stack([self.rows[image]["curve"] for image in held_out])
            low, high = band(np.concatenate([np.zeros((len(held), 1)), held], 1))
            behind = Line("held-out images, 10 to 90%", sigmas.tolist(), high, low)
        rule = None
        if not view.minus_reference:
            ceiling = view.loaded.denoiser.dimension * np.log(sigmas / sigmas[0])
            rule = Line("ceiling: an isolated point", sigmas.tolist(), ceiling.tolist())
        return Lines(
            alt="Growth accumulated over the noise levels",
            titles=("noise level σ", "growth so far, nats"),
            series=[("this image", GROUP_COLOURS[0])],
            x=sigmas.tolist(),
            reach=(float(curves.min()), float(curves.max())),
            band=behind,
            rule=rule,
        )

    def map(self, ids: Sequence[str]) -> Kind | None:
        view = self.view
        heat = view.smooth(np.stack([self.rows[image]["map"] for image in ids]))
        return Kind(view.what, heat, self.limits, MEASURE.unit, view.minus_reference)

    def axes(self) -> Sequence[Axis]:
        return [self.view.levels]

    def is_mapped(self, picture: Picture) -> bool:
        return self.view.has(picture, keep_maps=True)

    def detail(self, picture: Picture) -> Detail:
        kinds = self.view.kinds(self.view.detailed(picture), self.limits)
        return Detail(kinds, picture=large(picture))

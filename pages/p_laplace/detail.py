"""The selected image: its maps over p and noise level, its numbers, K against noise level."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from memlib.images import HELD_OUT
from memlib.measures import LEVELS
from memlib.measures.result import interval
from pages.figures.style import GROUP_COLOURS
from pages.p_laplace.sphere_view import CURVES, MEASURE, Sphere
from pages.ranking.look import Look, band
from pages.ranking.ranked import large
from pages.ranking.view import Picture
from pages.session.messages import plus_minus
from pages.widgets.explorer import Detail, Entry, Line, Lines, Number
from pages.widgets.player import Axis

LOSS = (
    "|noise - n|² per dimension, from the same forwards. At the default radius this is the "
    "denoising loss, and K at p = 1 is nearly the same in another form."
)


@dataclass(frozen=True)
class SphereLook(Look):
    """The numbers, curves and maps of measured images; maps are computed only for the selected
    image.
    """

    view: Sphere

    @property
    def key(self) -> tuple:
        return (*super().key, *(hash(frozenset(rows)) for rows in self.levels.values()))

    @property
    def shown(self) -> tuple:
        return (self.view.p, self.view.fine, self.view.radius)

    @property
    def axis(self) -> str:
        return self.view.title

    @property
    def levels(self) -> dict[float, dict[str, dict]]:
        """Return the measured rows at each ranked noise level, by id."""
        found = {level: self.view.at(level).stored() for level in LEVELS}
        return {level: rows for level, rows in found.items() if rows}

    def line(self, value: float) -> str:
        return f"{value:.4f}"

    def numbers(self) -> Sequence[Number]:
        view = self.view
        bound = (
            "; for the difference from paired terms, or an upper bound if a run lacks them"
            if view.minus_reference
            else ""
        )
        return [
            Number(
                "Minus reference" if view.minus_reference else f"K, p = {view.p:g}",
                MEASURE.definition,
            ),
            Number("Standard error", f"From the spread between pairs of directions{bound}."),
            Number(
                "Rank",
                "Among all measured images, regardless of the filters; 1 is the most memorised.",
            ),
            Number(f"Loss{view.minus}", LOSS),
        ]

    def entry(self, row: pd.Series) -> Entry:
        value, error = float(row["value"]), float(row["stderr"])
        degrees = MEASURE.read(self.view.parameters).degrees
        low, high = interval({"value": value, "stderr": error}, degrees)
        image = str(row["id"])
        known = {level: rows[image] for level, rows in self.levels.items() if image in rows}
        return Entry(
            id=image,
            name=str(row["name"]),
            facts=self.told(row),
            value=value,
            numbers=[
                (f"{value:.4f}", ""),
                (
                    plus_minus(error) or "unknown",
                    "" if np.isnan(low) else f"95% interval: {low:.4f} to {high:.4f}.",
                ),
                (f"{row['rank']:,} of {len(self.table):,}", ""),
                (f"{row['loss']:.4f}", ""),
            ],
            x=list(known),
            curves=[[float(one[f"K_{power:g}"]) for one in known.values()] for power in CURVES],
        )

    def curve(self) -> Lines:
        view, levels = self.view, self.levels
        values = [
            row[f"K_{power:g}"]
            for rows in levels.values()
            for row in rows.values()
            for power in CURVES
        ]
        series = [f"p = {power:g}" for power in CURVES]
        return Lines(
            alt="K against noise level for several p",
            titles=("noise level σ", f"K{view.minus}"),
            series=list(zip(series, GROUP_COLOURS, strict=False)),
            x=list(levels),
            reach=(float(np.min(values)), float(np.max(values))),
            band=self._held_out(),
            at=view.sigma,
        )

    def _held_out(self) -> Line | None:
        """Return K at p = 1 of the held-out images at the levels where all of them are measured."""
        if "group" not in self.table or not (self.table["group"] == HELD_OUT).any():
            return None
        held_out = self.table.loc[self.table["group"] == HELD_OUT, "id"]
        columns = {
            level: [rows[image]["K_1"] for image in held_out]
            for level, rows in self.levels.items()
            if all(image in rows for image in held_out)
        }
        if len(columns) < 2:
            return None
        low, high = band(np.array(list(columns.values())).T)
        return Line("held-out images, p = 1, 10 to 90%", list(columns), high, low)

    def axes(self) -> Sequence[Axis]:
        return self.view.axes()

    def is_mapped(self, picture: Picture) -> bool:
        return not self.view.unmapped(picture)

    def detail(self, picture: Picture) -> Detail:
        asked = self.view.with_maps
        found = {level: one.row(picture, **asked) for level, one in self.view.mapped.items()}
        curves = [[row[f"K_{power:g}"] for row in found.values()] for power in CURVES]
        return Detail(self.view.kinds(found), curves, list(found), large(picture))

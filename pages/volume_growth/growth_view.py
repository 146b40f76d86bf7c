"""Volume growth as its page shows it."""

from dataclasses import dataclass

import numpy as np

from memlib.evidence import maps
from memlib.measures import MEASURES, GrowthSettings, Row
from memlib.progress import Progress
from pages.figures.pictures import colour_range, rgb
from pages.ranking.view import SMOOTHING, Picture, View
from pages.session import results as computed
from pages.session.state import Page
from pages.widgets.player import Axis, Kind, player

PAGE = Page("volume_growth")
MEASURE = MEASURES["volume_growth"]
SLIDER_LEVELS = 24  # most positions of the noise-level slider
RAW, MINUS, WITHOUT = "Growth", "Minus reference", "Size of the PNG taken out"


@dataclass(frozen=True)
class Growth(View):
    """A view of volume growth: which value is `shown`, and the side of the boxes over which its
    maps are averaged.
    """

    shown: str = RAW
    smoothing: int = SMOOTHING

    @property
    def axis(self) -> str:
        """The name of the shown values, with their unit."""
        return f"{self.shown.lower() if self.shown != RAW else 'log growth'}, {MEASURE.unit}"

    def detailed(self, picture: Picture, progress: Progress | None = None) -> Row:
        """Return one image's row with the maps at every level."""
        return self.row(picture, progress, keep_maps=True)

    @property
    def seconds(self) -> float:
        """Return how many seconds one image takes here."""
        return computed.seconds(self.loaded.denoiser, self.forwards)

    @property
    def sigmas(self) -> np.ndarray:
        """Return the ladder's noise levels (T + 1,)."""
        return GrowthSettings.read(self.parameters).sigmas(self.loaded.denoiser).numpy()

    def smooth(self, heat: np.ndarray) -> np.ndarray:
        """Return maps (..., H, W) averaged as the page asks."""
        return maps.smooth(heat, self.smoothing)

    @property
    def what(self) -> str:
        """The name of the maps."""
        return "Growth minus the reference's" if self.minus_reference else "Growth"

    @property
    def places(self) -> list[int]:
        """Return the levels of the ladder at which the noise-level slider stops."""
        last = len(self.sigmas) - 2
        stops = np.linspace(0, last, SLIDER_LEVELS).round().astype(int)
        return [int(place) for place in np.unique(stops)]

    @property
    def levels(self) -> Axis:
        """Return the noise-level slider; it starts at the highest level."""
        return Axis(
            "Counted up to noise level σ",
            [f"{self.sigmas[place + 1]:.3g}" for place in self.places],
        )

    def texts(self, row: Row) -> list[str]:
        """Return the caption of the map at each position of the slider."""
        return [
            f"{row['curve'][place]:,.0f} {MEASURE.unit} up to σ = {name}"
            for place, name in zip(self.places, self.levels.names, strict=True)
        ]

    def kinds(self, row: Row, limits: tuple[float, float] | None = None) -> list[Kind]:
        """Return the maps of one image at every position of the slider, and their standard
        error.
        """
        heat = self.smooth(row["maps"][self.places])
        limits = limits or colour_range(heat[-1], self.minus_reference)
        kinds = [Kind(self.what, heat, limits, MEASURE.unit, self.minus_reference, self.texts(row))]
        if np.isfinite(row["map_stderr"]).all():
            bound = "; for the difference it is an upper bound" if self.minus_reference else ""
            note = (
                f"Of the unsmoothed map over all levels, from the spread between the probes{bound}."
            )
            kinds.append(
                Kind(
                    "Its standard error",
                    row["map_stderr"],
                    colour_range(row["map_stderr"]),
                    MEASURE.unit,
                    note=note,
                )
            )
        return kinds

    def player(
        self, picture: Picture, row: Row, key: str, limits: tuple[float, float] | None = None
    ) -> None:
        """Draw one image, its map and overlay, with a slider over the noise levels, and the map's
        standard error.
        """
        kinds = self.kinds(row, limits)
        player(rgb(picture.image), kinds, [self.levels], key=key, alt=picture.name)

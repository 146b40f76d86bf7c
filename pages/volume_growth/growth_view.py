"""Volume growth as the pages show it."""

from dataclasses import dataclass

import numpy as np

from memlib.measures import MEASURES, GrowthSettings, Row, maps
from memlib.progress import Progress
from pages.figures.pictures import colour_range, rgb
from pages.ranking.view import SMOOTHING, Picture, View
from pages.session import workspace
from pages.session.state import Page
from pages.widgets.player import Axis, Kind, player

PAGE = Page("volume_growth")
MEASURE = MEASURES["volume_growth"]
SLIDER_LEVELS = 24  # as many positions as the noise-level slider has at most
RAW, MINUS, WITHOUT = "Growth", "Minus reference", "Size of the PNG taken out"


@dataclass(frozen=True)
class Growth(View):
    """A view of volume growth: what of it is `shown`, and the side of the boxes its maps are
    averaged over.
    """

    shown: str = RAW
    smoothing: int = SMOOTHING

    @property
    def axis(self) -> str:
        """What the shown values are, with their unit."""
        return f"{self.shown.lower() if self.shown != RAW else 'log growth'}, {MEASURE.unit}"

    def detailed(self, picture: Picture, progress: Progress | None = None) -> Row:
        """One image's row with the maps at every level."""
        return self.row(picture, progress, keep_maps=True)

    @property
    def seconds(self) -> float:
        """How long one image takes here."""
        return workspace.seconds(self.loaded.denoiser, self.forwards)

    @property
    def sigmas(self) -> np.ndarray:
        """The ladder's noise levels (T + 1,)."""
        return GrowthSettings.read(self.parameters).sigmas(self.loaded.denoiser).numpy()

    def smooth(self, heat: np.ndarray) -> np.ndarray:
        """Maps (..., H, W) averaged as the page asks."""
        return maps.smooth(heat, self.smoothing)

    def player(
        self, picture: Picture, row: Row, key: str, limits: tuple[float, float] | None = None
    ) -> None:
        """Draw image, map and overlay of one picture, with a slider over the noise levels and the
        map's standard error.
        """
        places = np.unique(
            np.linspace(0, len(row["maps"]) - 1, SLIDER_LEVELS).round().astype(int)
        ).tolist()
        names = [f"{self.sigmas[place + 1]:.3g}" for place in places]
        heat = self.smooth(row["maps"][places])
        texts = [
            f"{row['curve'][place]:,.0f} {MEASURE.unit} up to σ = {name}"
            for place, name in zip(places, names, strict=True)
        ]
        what = "Growth minus the reference's" if self.minus_reference else "Growth"
        limits = limits or colour_range(heat[-1], self.minus_reference)
        kinds = [Kind(what, heat, limits, MEASURE.unit, self.minus_reference, texts)]
        if np.isfinite(row["map_stderr"]).all():
            bound = "; for the difference an upper bound" if self.minus_reference else ""
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
        player(
            rgb(picture.image),
            kinds,
            [Axis("Counted up to noise level σ", names)],
            key=key,
            alt=picture.name,
        )

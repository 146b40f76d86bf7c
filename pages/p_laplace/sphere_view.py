"""p-Laplace as the page shows it: spheres around one image at several noise levels, and its
maps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from memlib.evidence import maps as map_tools
from memlib.measures import MEASURES, PLaplaceSettings, Row
from memlib.progress import Progress
from pages.figures.pictures import colour_range, rgb
from pages.ranking.view import SMOOTHED, SMOOTHING, Picture, View
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.session.messages import plus_minus
from pages.session.state import Page
from pages.widgets.player import Axis, Kind, player

PAGE = Page("p_laplace")
MEASURE = MEASURES["k_1_at_0.5"]
FINE = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)  # the positions of the slider over p
CURVES = (1.0, 1.5, 2.0, 3.0)
STEPS = 8  # noise levels of one image's maps


@dataclass(frozen=True)
class Sphere(View):
    """A view of the p-Laplace at the noise level and radius chosen by `at`; `fine` directions are
    used for the maps and curves of one image, `radius` is in units of sigma sqrt(d).
    """

    p: float
    fine: int
    radius: float = 1.0

    def at(self, sigma: float, radius: float | None = None) -> Self:
        """Return the view at this noise level, with another radius if one is given."""
        radius = self.radius if radius is None else radius
        settings = PLaplaceSettings.read(self.parameters)
        on_sphere = settings.on_sphere(sigma, radius, self.loaded.denoiser)
        return replace(self, parameters=on_sphere.parameters, radius=radius)

    @property
    def sigma(self) -> float:
        """The ranked noise level."""
        return float(self.parameters["sigma"])

    @property
    def minus(self) -> str:
        """The ending of the names of all numbers."""
        return ", minus reference" if self.minus_reference else ""

    @property
    def title(self) -> str:
        """The name of the ranked number."""
        return f"K, p = {self.p:g}, σ = {self.sigma:g}{self.minus}"

    def measured(
        self, picture: Picture, spheres: dict[float, Self], what: str, keeps: str, **changes: Any
    ) -> dict[float, Row] | None:
        """Return the image's rows on some spheres, by the key of each; None if not all were
        measured.
        """
        missing = [view for view in spheres.values() if not view.has(picture, **changes)]
        if missing and not long_work(
            what.format(len(missing)),
            computed.seconds(self.loaded.denoiser, self.map_forwards(len(missing))),
            lambda progress: self.take(picture, missing, progress, **changes),
            keeps=f"Finished {keeps} are kept if you stop.",
        ):
            return None
        return {place: view.row(picture, **changes) for place, view in spheres.items()}

    def take(
        self,
        picture: Picture,
        spheres: Sequence[Self],
        progress: Progress,
        **changes: Any,
    ) -> None:
        """Measure the image on some spheres."""
        for place, view in enumerate(spheres):
            progress(place, len(spheres))
            view.row(picture, **changes)

    def map_forwards(self, spheres: int) -> int:
        """Return the network forwards of an image on `count` spheres, with the directions of its
        maps.
        """
        return spheres * self.fine * len(self.models)

    @property
    def map_levels(self) -> list[float]:
        """Return the noise levels of one image's maps: the ranked one and others around it, within
        the model's range.
        """
        denoiser = self.loaded.denoiser
        low, high = max(0.1, denoiser.sigma_floor * 1.01), min(5.0, denoiser.sigma_max * 0.99)
        around = np.geomspace(low, high, STEPS - 1) if low < high else np.array([])
        return sorted({float(f"{level:.3g}") for level in around} | {self.sigma})

    @property
    def mapped(self) -> dict[float, Self]:
        """Return the spheres of one image's maps, by noise level."""
        return {level: self.at(level) for level in self.map_levels}

    @property
    def with_maps(self) -> dict[str, Any]:
        """The settings of one image's maps beyond those of the ranking."""
        return {"p": list(FINE), "directions": self.fine, "keep_maps": True}

    def unmapped(self, picture: Picture) -> list[Self]:
        """List the spheres on which the image's maps are not measured yet."""
        return [view for view in self.mapped.values() if not view.has(picture, **self.with_maps)]

    def maps(self, picture: Picture) -> dict[float, Row] | None:
        """Return the image's rows with maps for all p, by noise level, measured now if needed; None
        if the visitor stopped it.
        """
        what = "Maps at {} noise levels"
        return self.measured(picture, self.mapped, what, "noise levels", **self.with_maps)

    def kinds(self, found: dict[float, Row]) -> list[Kind]:
        """Return the maps over p and noise level, of two kinds: the flux and the local cosine."""
        rows, minus = list(found.values()), self.minus_reference
        flux = map_tools.smooth(
            np.stack([row["maps"] for row in rows], 1), SMOOTHING
        )  # (p, level, H, W)
        local = np.stack([row["local"] for row in rows])[None]  # the same for every p
        texts = [
            f"K = {row[f'K_{power:g}']:.4f} {plus_minus(row[f'stderr_{power:g}'])} at p = "
            f"{power:g}, σ = {level:g}"
            for power in FINE
            for level, row in found.items()
        ]
        return [
            Kind(
                "Flux",
                flux,
                colour_range(flux, minus),
                "",
                minus,
                texts,
                f"Each pixel's part of the inward flux; the sum is K. {SMOOTHED}",
            ),
            Kind(
                "Local cosine",
                local,
                colour_range(local, True) if minus else (0.0, 1.0),
                "",
                minus,
                texts,
                "Cosine between predicted and added noise in 3 x 3 patches, each normalised "
                "separately: a different operator, the same for every p. It does not sum to K. "
                "1 means that the model is certain here, because the patch is remembered or "
                "plain.",
            ),
        ]

    def axes(self) -> list[Axis]:
        """Return the sliders over p and noise level, starting at the ranked values."""
        levels = self.map_levels
        return [
            Axis("p", [f"{power:g}" for power in FINE], FINE.index(self.p)),
            Axis("Noise level σ", [f"{level:g}" for level in levels], levels.index(self.sigma)),
        ]

    def player(self, picture: Picture, found: dict[float, Row], key: str) -> None:
        """Draw the image's maps, with sliders over p and noise level."""
        player(rgb(picture.image), self.kinds(found), self.axes(), key=key, alt=picture.name)

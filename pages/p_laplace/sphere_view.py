"""p-Laplace as its page shows it: spheres around one image at several noise levels and radii, its
maps, a closer look at it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
import streamlit as st

from memlib.measures import MEASURES, Row
from memlib.measures import maps as map_tools
from pages.figures import charts
from pages.figures.pictures import coarse, colour_range, rgb
from pages.ranking.redraw_panel import redraw_panel
from pages.ranking.view import Picture, View, panel_and_picture
from pages.session import workspace
from pages.session.long_work import long_work
from pages.session.state import Page
from pages.widgets.player import Axis, Kind, player

PAGE = Page("p_laplace")
MEASURE = MEASURES["k_1_at_0.5"]
SECOND = 256  # forwards of each estimator where two are compared
FINE = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)  # the positions of the slider over p
CURVES = (1.0, 1.5, 2.0, 3.0)
STEPS = 8  # noise levels of one image's maps
RADII = (0.03, 0.1, 0.2, 0.4, 0.7, 1.0, 1.4, 2.0)  # in units of sigma sqrt(d)


@dataclass(frozen=True)
class Sphere(View):
    """A view of the p-Laplace on the sphere that `at` chooses; `fine` directions are taken for one
    image's maps and curves.
    """

    p: float
    fine: int

    def at(self, sigma: float, radius: float = 1.0) -> Self:
        """The view on the sphere of this radius, in units of sigma sqrt(d), at this noise level."""
        alike = {
            name: value
            for name, value in self.parameters.items()
            if name not in ("sigma", "radius")
        }
        own = (
            {}
            if radius == 1
            else {"radius": float(f"{radius * sigma * self.loaded.denoiser.dimension**0.5:.6g}")}
        )
        return replace(self, parameters={"sigma": sigma, **alike, **own})

    @property
    def sigma(self) -> float:
        return float(self.parameters["sigma"])

    @property
    def title(self) -> str:
        return f"K, p = {self.p:g}, σ = {self.sigma:g}" + (
            ", minus reference" if self.minus_reference else ""
        )

    def measured(
        self, picture: Picture, spheres: dict[float, Self], what: str, keeps: str, **changes: Any
    ) -> dict[float, Row] | None:
        """The picture's rows on some spheres, by what tells them apart; None where they were not
        all measured.
        """
        missing = [view for view in spheres.values() if not view.has(picture, **changes)]

        def measure(progress: Callable[[float], object]) -> None:
            for place, view in enumerate(missing):
                progress(place / len(missing))
                view.row(picture, **changes)

        forwards = len(missing) * self.fine * len(self.models)
        seconds = workspace.seconds(self.loaded.denoiser, forwards) if missing else 0.0
        if missing and not long_work(
            what.format(len(missing)),
            seconds,
            measure,
            keeps=f"Stopping keeps the finished {keeps}.",
        ):
            return None
        return {place: view.row(picture, **changes) for place, view in spheres.items()}

    def maps(self, picture: Picture, radius: float) -> dict[float, Row] | None:
        """The picture's rows with maps for all p, by noise level: the ranked one and others around
        it, inside the model's range.
        """
        denoiser = self.loaded.denoiser
        low, high = max(0.1, denoiser.sigma_floor * 1.01), min(5.0, denoiser.sigma_max * 0.99)
        around = np.geomspace(low, high, STEPS - 1) if low < high else np.array([])
        levels = sorted({float(f"{level:.3g}") for level in around} | {self.sigma})
        spheres = {level: self.at(level, radius) for level in levels}
        asked = {"p": list(FINE), "directions": self.fine, "keep_maps": True}
        return self.measured(picture, spheres, "Maps at {} noise levels", "noise levels", **asked)

    def player(self, picture: Picture, found: dict[float, Row], key: str) -> None:
        """The picture's maps, with sliders over p and noise level."""
        levels, rows, minus = list(found), list(found.values()), self.minus_reference
        flux = map_tools.smooth(np.stack([row["maps"] for row in rows], 1), 3)  # (p, level, H, W)
        local = np.stack([row["local"] for row in rows])[None]  # the same for every p
        texts = [
            f"K = {row[f'K_{power:g}']:.4f} ± {row[f'stderr_{power:g}']:.4f} at p = {power:g}, σ "
            f"= {level:g}"
            for power in FINE
            for level, row in found.items()
        ]
        kinds = [
            Kind(
                "Flux",
                flux,
                colour_range(flux, minus),
                "",
                minus,
                texts,
                "Each pixel's part of the inward flux, averaged over 3 x 3. It sums to K.",
            ),
            Kind(
                "Local cosine",
                local,
                colour_range(local, True) if minus else (0.0, 1.0),
                "",
                minus,
                texts,
                "Cosine between predicted and added noise in 3 x 3 patches, each normalised by "
                "itself: another operator, the same for every p. It does not sum to K. 1: nothing "
                "is left open here, be it remembered or plain.",
            ),
        ]
        axes = [
            Axis("p", [f"{power:g}" for power in FINE], FINE.index(self.p)),
            Axis("Noise level σ", [f"{level:g}" for level in levels], levels.index(self.sigma)),
        ]
        player(rgb(picture.image), kinds, axes, key=key, alt=picture.name)


def closer_look(view: Sphere, picture: Picture, radius: float, table: pd.DataFrame) -> None:
    """One panel at a time, so that only what is looked at is computed; of the selected picture or
    of one's own.
    """
    panels: dict[str, Callable[[Sphere, Picture], None]] = {
        "Radius": radius_panel,
        "Low-noise map": volume_panel,
        "Redraw": lambda view, picture: redraw_panel(view.loaded, picture),
    }
    chosen, own = panel_and_picture(view.loaded, PAGE.maybe_one_of("look", list(panels)))
    if own is not None:
        picture = own
        found = view.maps(picture, radius)
        if not found:
            return
        st.text(picture.name)
        view.player(picture, found, "own-p-map")
        value = view.row(picture)[f"K_{view.p:g}"]
        columns = st.columns(2)
        columns[0].metric(view.title, f"{value:.4f}", help=MEASURE.definition)
        columns[1].metric(
            "Would rank",
            f"{int((table['value'] > value).sum()) + 1:,} of {len(table) + 1:,}",
            help="Among the measured images.",
        )
    if chosen:
        panels[chosen](view, picture)


def radius_panel(view: Sphere, picture: Picture) -> None:
    """K and flux against radius at the ranked noise level."""
    spheres = {radius: view.at(view.sigma, radius) for radius in RADII}
    found = view.measured(
        picture, spheres, "Spheres of other radii", "radii", p=list(CURVES), directions=view.fine
    )
    if found is None:
        return
    shown = st.segmented_control(
        "Plot", ["K", "Flux"], default="K", required=True, key="radius-plot"
    )
    sign, name = (1, "K") if shown == "K" else (-1, "flux")
    axis = ("K" if shown == "K" else "inward flux") + (
        ", minus reference" if view.minus_reference else ""
    )
    curves = {
        f"p = {power:g}": [sign * row[f"{name}_{power:g}"] for row in found.values()]
        for power in CURVES
    }
    st.plotly_chart(
        charts.radius_curves(
            np.array(RADII), curves, axis, log=shown != "K" and not view.minus_reference
        ),
        key="radii",
        config=charts.CONFIG,
        alt=f"{shown} against the radius of the sphere",
    )
    st.markdown(
        "An isolated point has K = 1 at every radius. At a small radius the sphere sees the slope "
        "at the image more than the peak around it, and K at p = 1 falls to 0; at σ√d it holds "
        "the noised copies "
        "that the network was trained on. **Each radius is a measurement of its own**; the "
        "ranking uses one."
    )
    with st.expander(f"Flux and divergence at p = {view.p:g}"):
        columns = {
            "K": f"K_{view.p:g}",
            "standard error": f"stderr_{view.p:g}",
            "flux": f"flux_{view.p:g}",
            "p-Laplacian, averaged over the ball": f"divergence_{view.p:g}",
        }
        lines = [
            {"radius / σ√d": radius, **{name: row[column] for name, column in columns.items()}}
            for radius, row in found.items()
        ]
        st.dataframe(lines, hide_index=True, height="content", alt="Flux and divergence by radius")


def volume_panel(view: Sphere, picture: Picture) -> None:
    """The divergence itself inside the ball: the same map a second way, with less noise."""
    st.markdown(
        "The flux through the sphere is the average of the p-Laplacian inside the ball. Here that "
        "average is taken directly, by finite differences along random signs at points inside "
        "(Hutchinson's diagonal): "
        "the same quantity a second way, with less noise a pixel."
    )
    ways: list[dict[str, Any]] = [
        {"p": [view.p], "directions": SECOND, "keep_maps": True, **way}
        for way in ({}, {"method": "volume"})
    ]
    missing = [way for way in ways if not view.has(picture, **way)]

    def measure(progress: Callable[[float], object]) -> None:
        for place, way in enumerate(missing):

            def part(share: float, place: int = place) -> None:
                progress((place + share) / len(missing))

            view.row(picture, part, **way)

    forwards = len(missing) * SECOND * len(view.models)
    if missing and not long_work(
        "Compute it both ways",
        workspace.seconds(view.loaded.denoiser, forwards),
        measure,
        icon=":material/grid_on:",
    ):
        return
    surface, inside = (view.row(picture, **way) for way in ways)
    shown = {
        f"Flux, {SECOND} directions": surface["maps"][0],
        f"Divergence, {SECOND // 2} points": inside["maps"][0],
    }
    shown = {name: map_tools.smooth(heat, 3) for name, heat in shown.items()}
    st.plotly_chart(
        charts.maps_in_a_row(
            {name: coarse(heat) for name, heat in shown.items()},
            colour_range(np.stack(list(shown.values())), view.minus_reference),
            "",
            list(shown) if view.minus_reference else (),
        ),
        key="volume",
        config=charts.CONFIG,
        alt="Maps of the boundary and the volume estimator",
    )
    columns = st.columns(3)
    columns[0].metric(
        "Boundary",
        f"{surface['value']:.4f} ± {surface['stderr']:.4f}",
        help=f"K at p = {view.p:g} by the flux.",
    )
    columns[1].metric(
        "Volume",
        f"{inside['value']:.4f} ± {inside['stderr']:.4f}",
        help=f"K at p = {view.p:g} by the divergence inside.",
    )
    correlation = np.corrcoef(*(heat.ravel() for heat in shown.values()))[0, 1]
    columns[2].metric(
        "Correlation of the maps",
        f"{correlation:.3f}",
        help="Over the pixels, averaged over 3 x 3.",
    )

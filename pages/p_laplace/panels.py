"""More about one image on the p-Laplace page: spheres of other radii, the low-noise map,
redraws.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from memlib.evidence import maps as map_tools
from memlib.progress import Progress, part
from pages.figures.curves import radius_curves
from pages.figures.maps import maps_in_a_row
from pages.figures.pictures import coarse, colour_range
from pages.figures.style import CONFIG, literal
from pages.p_laplace.sphere_view import CURVES, MEASURE, PAGE, Sphere
from pages.ranking.rate_panel import rate_panel
from pages.ranking.redraw_panel import redraw_panel
from pages.ranking.view import SMOOTHED, SMOOTHING, Picture, panel_and_picture
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.session.messages import plain, plus_minus

SECOND = 256  # forwards of each estimator where two are compared
RADII = (0.03, 0.1, 0.2, 0.4, 0.7, 1.0, 1.4, 2.0)  # in units of sigma sqrt(d)


def closer_look(view: Sphere, picture: Picture, values: np.ndarray) -> None:
    """Draw one panel at a time, so that only what is shown is computed, for the selected image or
    the visitor's own. `values` are those of all measured images.
    """
    chosen, own = panel_and_picture(view.loaded, CLOSER)
    if own is not None:
        picture = own
        found = view.maps(picture)
        if not found:
            return
        st.text(picture.name)
        view.player(picture, found, "own-p-map")
        value = view.row(picture)[f"K_{view.p:g}"]
        columns = st.columns(2)
        columns[0].metric(plain(view.title), f"{value:.4f}", help=MEASURE.definition)
        columns[1].metric(
            "Would rank",
            f"{int((values > value).sum()) + 1:,} of {len(values) + 1:,}",
            help="Among the measured images.",
        )
    if chosen:
        PANELS[chosen](view, picture)


def radius_panel(view: Sphere, picture: Picture) -> None:
    """Draw K and flux against the radius at the ranked noise level."""
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
    axis = ("K" if shown == "K" else "inward flux") + view.minus
    curves = {
        f"p = {power:g}": [sign * row[f"{name}_{power:g}"] for row in found.values()]
        for power in CURVES
    }
    st.plotly_chart(
        literal(
            radius_curves(
                np.array(RADII), curves, axis, log=shown != "K" and not view.minus_reference
            )
        ),
        key="radii",
        config=CONFIG,
        alt=f"{shown} against the radius of the sphere",
    )
    st.markdown(
        "An isolated point has K = 1 at every radius. At a small radius the sphere shows the "
        "slope at the image more than the peak around it, and K at p = 1 falls to 0; at σ√d "
        "noised copies of the image lie on it, as in training. **Values of different radii "
        "cannot be compared**; the ranking uses one radius."
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
    """Draw the divergence inside the ball: the same map computed in a second way, with less
    noise.
    """
    st.markdown(
        "The flux through the sphere is the average of the p-Laplacian inside the ball. Here "
        "that average is computed directly, by finite differences along random signs at points "
        "inside (Hutchinson's diagonal): the same quantity in a second way, with less noise per "
        "pixel."
    )
    ways: list[dict[str, Any]] = [
        {"p": [view.p], "directions": SECOND, "keep_maps": True, **way}
        for way in ({}, {"method": "volume"})
    ]
    missing = [way for way in ways if not view.has(picture, **way)]

    def measure(progress: Progress) -> None:
        for place, way in enumerate(missing):
            view.row(picture, part(progress, place, 1, len(missing)), **way)

    forwards = len(missing) * SECOND * len(view.models)
    if missing and not long_work(
        "Compute it both ways",
        computed.seconds(view.loaded.denoiser, forwards),
        measure,
        icon=":material/grid_on:",
    ):
        return
    surface, inside = (view.row(picture, **way) for way in ways)
    shown = {
        f"Flux, {SECOND} directions": surface["maps"][0],
        f"Divergence, {SECOND // 2} points": inside["maps"][0],
    }
    shown = {name: map_tools.smooth(heat, SMOOTHING) for name, heat in shown.items()}
    st.plotly_chart(
        literal(
            maps_in_a_row(
                {name: coarse(heat) for name, heat in shown.items()},
                colour_range(np.stack(list(shown.values())), view.minus_reference),
                "",
                list(shown) if view.minus_reference else (),
            )
        ),
        key="volume",
        config=CONFIG,
        alt="Maps of the boundary and volume estimators",
    )
    columns = st.columns(3)
    columns[0].metric(
        "Boundary",
        f"{surface['value']:.4f} {plus_minus(surface['stderr'])}",
        help=f"K at p = {view.p:g} by the flux.",
    )
    columns[1].metric(
        "Volume",
        f"{inside['value']:.4f} {plus_minus(inside['stderr'])}",
        help=f"K at p = {view.p:g} by the divergence inside.",
    )
    correlation = np.corrcoef(*(heat.ravel() for heat in shown.values()))[0, 1]
    columns[2].metric(
        "Correlation of the maps",
        f"{correlation:.3f}",
        help=f"Over the pixels. {SMOOTHED}",
    )


PANELS: dict[str, Callable[[Sphere, Picture], None]] = {
    "Radius": radius_panel,
    "Low-noise map": volume_panel,
    "Redraw": lambda view, picture: redraw_panel(view.loaded, picture),
    "How often": lambda view, picture: rate_panel(view.loaded, picture),
}
CLOSER = PAGE.maybe_one_of("look", list(PANELS))

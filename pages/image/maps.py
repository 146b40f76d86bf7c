"""The chosen image with the maps of its growth and of its p-Laplace, each on the scale that all
images of the set share.
"""

from dataclasses import replace

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib.evidence.maps import smooth
from memlib.measures import MEASURES, PLaplaceSettings
from memlib.workspace import Workspace
from pages.figures.maps import maps_in_a_row
from pages.figures.pictures import coarse, colour_range, enlarged, rgb
from pages.figures.style import CONFIG, literal
from pages.ranking.view import SMOOTHING, Picture, View
from pages.session import results as computed
from pages.session.long_work import long_work

GROWTH, SPHERE = MEASURES["volume_growth"], MEASURES["k_1_at_0.5"]
SIDE, HEIGHT = 256, 240  # pixels of the picture, and of a map with its title
OF_RANGE = 256  # maps from which the colour range is taken


def picture_and_growth(loaded: Workspace, picture: Picture) -> DeltaGenerator:
    """Draw the image and its map of growth; return the place for the map of K_1."""
    own, left, right = st.columns([3, 4, 4], gap="small", vertical_alignment="center")
    own.image(enlarged(rgb(picture.image), SIDE), alt=picture.name)
    with left:
        growth_map(loaded, picture)
    return right


def growth_map(loaded: Workspace, picture: Picture) -> None:
    """Draw the stored map of growth, or say that there is none."""
    view = View(loaded, GROWTH.name, GROWTH.defaults(loaded.denoiser), False)
    if not view.has(picture):
        st.caption("No map of growth: this image is not measured yet.")
        return
    rows = view.stored()

    def limits() -> tuple[float, float]:
        some = [row["map"] for row in list(rows.values())[:OF_RANGE]]
        return colour_range(smooth(np.stack(some), SMOOTHING))

    key = ("growth limits", view.token, loaded.images.digest, len(rows))
    own = view.row(picture)["map"]
    drawn(
        "Growth",
        smooth(own, SMOOTHING),
        computed.once(key, limits) if rows else colour_range(own),
        GROWTH.unit,
    )


def sphere_map(loaded: Workspace, picture: Picture) -> None:
    """Draw the map of K_1; it is computed at once if that takes little time."""
    refusal = SPHERE.refusal(loaded.denoiser)
    if refusal:
        st.caption(f"No map of the p-Laplace. {refusal}")
        return
    usual = PLaplaceSettings.read(SPHERE.defaults(loaded.denoiser))
    asked = replace(usual, p=(1.0,), directions=PLaplaceSettings.directions, keep_maps=True)
    view = View(loaded, SPHERE.name, asked.parameters, False)
    if not view.has(picture) and not long_work(
        "Map of the p-Laplace",
        computed.seconds(loaded.denoiser, view.forwards),
        lambda progress: view.row(picture, progress),
        icon=":material/target:",
    ):
        return
    (heat,) = view.row(picture)["maps"]
    drawn(f"K_1 at σ = {asked.sigma:g}", smooth(heat, SMOOTHING), (0.0, 1 / heat.size), "")


def drawn(title: str, heat: np.ndarray, limits: tuple[float, float], unit: str) -> None:
    """Draw one map with its colour bar."""
    figure = maps_in_a_row({title: coarse(heat)}, limits, unit)
    st.plotly_chart(
        literal(figure.update_layout(height=HEIGHT)),
        key=f"map {title}",
        config=CONFIG,
        alt=f"{title}: map over the pixels",
    )

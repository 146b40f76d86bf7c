"""The chosen image with the maps of its growth and of its p-Laplace, each on the scale that all
images of the set share.
"""

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib.evidence.maps import smooth
from memlib.measures import MEASURES, PLaplaceSettings
from memlib.workspace import Workspace
from pages.figures.pictures import enlarged, rgb
from pages.ranking.pictures import draw_map, growth_map
from pages.ranking.ranked import AT_ONCE
from pages.ranking.view import SMOOTHING, Picture, View
from pages.session import results as computed
from pages.session.long_work import long_work

SPHERE = MEASURES["k_1_at_0.5"]
SIDE = 256  # pixels of the picture
EVEN = 0.95  # share from which a map is even to the eye


def picture_and_growth(
    loaded: Workspace, picture: Picture
) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Draw the image and its map of growth; return the places for the map of K₁ and for what is
    said of it.
    """
    own, left, right = st.columns([3, 4, 4], gap="small", vertical_alignment="center")
    own.image(enlarged(rgb(picture.image), SIDE), alt=picture.name)
    with left:
        growth_map(loaded, picture)
    return right, st.container()


def sphere_map(loaded: Workspace, picture: Picture, below: DeltaGenerator) -> None:
    """Draw the map of K₁, and what it shows `below`; as on the ranked pages, it is computed at
    once if it is little work.
    """
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
        ask=view.forwards > AT_ONCE,
    ):
        return
    (heat,) = view.row(picture)["maps"]
    shares = smooth(heat, SMOOTHING) * heat.size  # 1 everywhere for an isolated point
    low, high = float(shares.min()), float(shares.max())
    even = " Even, as for an isolated point." if low > EVEN else ""
    draw_map(f"p-Laplace K₁ at σ = {asked.sigma:g}", shares, (0.0, 1.0), "share")
    below.caption(
        f"K₁ has {low:.1%} to {high:.1%} of what an isolated point has at each pixel.{even}",
        help="An isolated point pulls back at every pixel alike, so the map of a memorised image "
        "is an even square. The page of p-Laplace shows the small differences on their own scale.",
    )

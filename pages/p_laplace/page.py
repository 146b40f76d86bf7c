"""Images ranked by the p-Laplace of the learned score; maps over p and noise level; what the number
owes to simpler ones.
"""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from memlib.measures import LEVELS, POWERS
from memlib.runs import result_table
from memlib.workspace import Workspace
from pages.p_laplace.detail import detail
from pages.p_laplace.panels import closer_look
from pages.p_laplace.separation import against_loss, separation
from pages.p_laplace.sphere_view import MEASURE, Sphere
from pages.ranking.measuring import measuring
from pages.ranking.overview import overview
from pages.ranking.ranked import Ranked, ranked_images
from pages.ranking.table import table_and_source
from pages.session import workspace


def main() -> None:
    """Draw the page of the p-Laplace."""
    loaded = workspace.require()
    st.caption(
        "Where the model has memorised an image, its score points back to the image from all "
        "around. The p-Laplace adds up how much flows inward through a sphere around it: 1 for a "
        "perfectly memorised image, 0 where the model sees nothing there."
    )
    view = settings(loaded)
    measuring(view, len(view.models) * view.parameters["directions"])
    rows = {
        image: {**row, "value": row[f"K_{view.p:g}"], "stderr": row[f"stderr_{view.p:g}"]}
        for image, row in view.stored().items()
    }
    if not rows:
        st.info(
            "Nothing has been measured with these settings yet. Choose images above and measure "
            "them.",
            icon=":material/hourglass_empty:",
        )
        return
    ranked = browse(view, result_table(loaded.images, rows, MEASURE.direction))
    if ranked is not None:
        overview(ranked, view.title, f"K, p = {view.p:g},")
        against_loss(view, ranked)
        separation(view, ranked)
        table_and_source(view, ranked, view.title, "p-laplace")


def settings(loaded: Workspace) -> Sphere:
    """What is ranked, and how it is measured; it stands in the address."""
    denoiser = loaded.denoiser
    levels = [sigma for sigma in LEVELS if denoiser.sigma_floor <= sigma <= denoiser.sigma_max] or [
        denoiser.sigma_max
    ]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    p = row.segmented_control(
        "p",
        POWERS,
        default=1.0,
        required=True,
        key="p",
        bind="query-params",
        format_func=lambda one: f"{one:g}",
        help="p = 1 looks at the direction of the score alone, p = 2 is the Laplacian, larger p "
        "weigh strong scores more. All are measured at once.",
    )
    sigma = row.segmented_control(
        "Noise level σ",
        levels,
        default=levels[min(1, len(levels) - 1)],
        required=True,
        key="sigma",
        bind="query-params",
        format_func=lambda one: f"{one:g}",
    )
    with st.expander("Settings", icon=":material/tune:"):
        columns = st.columns(5)
        directions = columns[0].number_input(
            "Directions",
            2,
            1024,
            16,
            step=2,
            key="directions",
            bind="query-params",
            help="Points on the sphere for each image, in opposite pairs; as many forwards.",
        )
        fine = columns[1].number_input(
            "Directions for maps",
            2,
            1024,
            32,
            step=2,
            key="fine",
            bind="query-params",
            help="For the selected image, at each of its noise levels.",
        )
        radius = columns[2].number_input(
            "Radius, in units of σ√d",
            0.001,
            10.0,
            1.0,
            format="%.3g",
            key="radius",
            bind="query-params",
            help="1 is where noised copies of the image lie. Other radii are other measurements: "
            "nothing is compared across them.",
        )
        center = columns[3].selectbox(
            "Centre",
            ["clean", "noised"],
            key="center",
            bind="query-params",
            help="Around the image itself, or around one noised copy of it.",
        )
        seed = columns[4].number_input(
            "Seed",
            0,
            2**31 - 1,
            0,
            key="seed",
            bind="query-params",
            help="The same seed draws the same directions for all images.",
        )
    parameters: dict[str, Any] = {
        "p": list(POWERS),
        "directions": int(directions) // 2 * 2,
        "seed": int(seed),
    }
    if center != "clean":
        parameters["center"] = center
    return Sphere(
        loaded, MEASURE.name, parameters, minus_reference(loaded), float(p), int(fine) // 2 * 2
    ).at(float(sigma), float(radius))


def minus_reference(loaded: Workspace) -> bool:
    """Whether the reference's value is subtracted."""
    if loaded.reference is None:
        return False
    choice = st.segmented_control(
        "Show",
        ["K", "Minus reference"],
        default="K",
        required=True,
        key="of",
        bind="query-params",
        help="A model trained less or without the images sees how simple a picture is, but does "
        "not remember it. Its value can be taken away.",
    )
    return bool(choice == "Minus reference")


def browse(view: Sphere, table: pd.DataFrame) -> Ranked | None:
    """Draw the gallery, the selected image and a closer look at it; None where no image passes.

    No fragment: a click in one would not end the work going on in it.
    """
    ranked = ranked_images("p_laplace", view, table, lambda value: f"{value:.4f}")
    if ranked is None:
        return None
    with ranked.side:
        found = view.maps(ranked.picture)
        if found:
            detail(view, ranked.picture, ranked.row, table, found)
    closer_look(view, ranked.picture, np.asarray(table["value"]))
    return ranked


main()

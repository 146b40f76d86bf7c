"""Images ranked by the p-Laplace of the learned score; maps over p and noise level; comparison with
simpler measures.
"""

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib.measures import LEVELS, POWERS, Row
from memlib.measures.plaplace import RANKED
from memlib.runs import result_table
from memlib.workspace import Workspace
from pages.p_laplace.detail import SphereLook
from pages.p_laplace.panels import CLOSER, closer_look
from pages.p_laplace.separation import against_loss, separation
from pages.p_laplace.sphere_view import MEASURE, PAGE, Sphere
from pages.ranking.facts import everything_about
from pages.ranking.look import measured_key
from pages.ranking.measuring import measuring, nothing_measured
from pages.ranking.overview import overview
from pages.ranking.ranked import ranked_images
from pages.ranking.settings import settings_controls
from pages.ranking.table import table_and_source
from pages.session import results as computed
from pages.session import workspace
from pages.widgets.waiting import in_sight

POWER = PAGE.one_of("p", POWERS, 1.0, words=lambda p: f"{p:g}")
LEVEL = PAGE.one_of("sigma", LEVELS, LEVELS[1], words=lambda sigma: f"{sigma:g}", of_model=True)
FINE_DIRECTIONS = PAGE.number("fine", 32, 2, 1024)
RADIUS = PAGE.number("radius", 1.0, 0.001, 10.0)
MINUS = "Minus reference"
SHOWN = PAGE.one_of("of", ("K", MINUS), "K")


def main() -> None:
    """Draw the page of the p-Laplace."""
    loaded = workspace.require()
    st.caption(
        "Where the model has memorised an image, its score points back to the image from all "
        "around. The p-Laplace adds up the inward flux through a sphere around the image: 1 for "
        "a perfectly memorised image, 0 where the model sees nothing."
    )
    left, right = st.columns(2)
    view = settings(loaded, left)
    with right:
        measuring(view)
    rows = ranked_rows(view)
    if not rows:
        nothing_measured()
        return
    key = ("table", view.token, view.p, measured_key(loaded.images, rows))
    table = computed.once(key, lambda: result_table(loaded.images, rows, MEASURE.direction))
    look = SphereLook(view, table, rows)
    ranked = ranked_images(PAGE, look, CLOSER)
    if ranked is None:
        return
    picture = ranked.picture
    missing = view.unmapped(picture)
    ranked.finish(
        look,
        f"Maps at {len(missing)} noise levels",
        view.map_forwards(len(missing)),
        lambda progress: view.take(picture, missing, progress, **view.with_maps),
        "Finished noise levels are kept if you stop.",
    )
    everything_about(picture.id)
    closer_look(view, picture, np.asarray(table["value"]))
    overview(look, ranked, f"K, p = {view.p:g},")
    in_sight("Against the denoising loss", 420, lambda: against_loss(view, ranked))
    in_sight("What each p and noise level separates", 520, lambda: separation(view, ranked))
    in_sight("Table", 480, lambda: table_and_source(view, ranked, view.title, "p-laplace"))


def ranked_rows(view: Sphere) -> dict[str, Row]:
    """Return the measured rows by id, with K at the ranked p as their value."""
    rows = view.stored()

    def make() -> dict[str, Row]:
        return {
            image: {**row, "value": row[f"K_{view.p:g}"], "stderr": row[f"stderr_{view.p:g}"]}
            for image, row in rows.items()
        }

    key = ("ranked", view.token, view.p, measured_key(view.loaded.images, rows))
    return computed.once(key, make)


def settings(loaded: Workspace, room: DeltaGenerator) -> Sphere:
    """Draw the settings of the ranking and, in `room`, those of the measurement. Raises ValueError
    if values do not fit together.
    """
    denoiser = loaded.denoiser
    levels = [sigma for sigma in LEVELS if denoiser.sigma_floor <= sigma <= denoiser.sigma_max] or [
        denoiser.sigma_max
    ]
    sigma = LEVEL.among(levels, levels[min(1, len(levels) - 1)])
    row = st.container(horizontal=True, vertical_alignment="bottom")
    row.segmented_control(
        "p",
        POWER.options,
        required=True,
        key=POWER.key(),
        format_func=POWER.words,
        help="p = 1 uses only the direction of the score, p = 2 is the Laplacian, larger p give "
        "more weight to strong scores. All are measured at once.",
    )
    row.segmented_control(
        "Noise level σ", sigma.options, required=True, key=sigma.key(), format_func=sigma.words
    )
    with room.expander("Settings", icon=":material/tune:"):
        columns = [*st.columns(3), *st.columns(2)]
        chosen = settings_controls(PAGE, RANKED, ("directions", "center", "seed"), columns)
        fine = columns[3].number_input(
            "Directions for maps",
            2,
            1024,
            step=2,
            key=FINE_DIRECTIONS.key(),
            help="For the selected image, at each of its noise levels.",
        )
        radius = columns[4].number_input(
            "Radius, in units of σ√d",
            0.001,
            10.0,
            format="%.3g",
            key=RADIUS.key(),
            help="1 is where noised copies of the image lie. Values of different radii cannot "
            "be compared.",
        )
    view = Sphere(
        loaded,
        MEASURE.name,
        chosen.parameters,
        minus_reference(loaded, row),
        POWER.value(),
        int(fine) // 2 * 2,
    )
    return view.at(sigma.value(), float(radius))


def minus_reference(loaded: Workspace, row: DeltaGenerator) -> bool:
    """Draw the choice whether the reference's value is subtracted; return it."""
    if loaded.reference is None:
        return False
    row.segmented_control(
        "Value shown",
        SHOWN.options,
        required=True,
        key=SHOWN.key(),
        help="A model that was trained less, or without the images, responds to how simple an "
        "image is but does not remember it. Its value can be subtracted.",
    )
    return SHOWN.value() == MINUS


main()

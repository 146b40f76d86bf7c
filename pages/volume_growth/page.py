"""Images ranked by volume growth; the selected one enlarged, with its map and its curve; measuring,
and the table.
"""

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib.evidence.simplicity import without
from memlib.measures import GrowthSettings, Row
from memlib.workspace import Workspace
from pages.ranking.facts import everything_about
from pages.ranking.look import measured_key
from pages.ranking.measuring import measuring, nothing_measured
from pages.ranking.overview import overview
from pages.ranking.ranked import ranked_images
from pages.ranking.settings import settings_controls
from pages.ranking.table import table_and_source
from pages.ranking.view import SMOOTHING
from pages.session import results as computed
from pages.session import workspace
from pages.session.messages import plain, show_error
from pages.volume_growth.detail import GrowthLook
from pages.volume_growth.families import partial_panel
from pages.volume_growth.growth_view import MEASURE, MINUS, PAGE, RAW, WITHOUT, Growth
from pages.volume_growth.panels import CLOSER, closer_look
from pages.volume_growth.simpler import against_simpler, with_controls, with_png_sizes
from pages.widgets.waiting import in_sight

SETTINGS = ("sigma_min", "sigma_max", "steps", "probes", "seed")
SHOWN = PAGE.one_of("of", (RAW, MINUS, WITHOUT), RAW)
SMOOTH = PAGE.one_of(
    "smooth",
    (1, 3, 5),
    SMOOTHING,
    words=lambda width: f"{width} x {width}" if width > 1 else "None",
)


def main() -> None:
    """Draw the page of volume growth."""
    loaded = workspace.require()
    st.caption(
        "The more a small volume around an image grows on its way to the latent, the more of the "
        "latent space leads to that image, and the more easily the model reproduces it."
    )
    left, right = st.columns(2)
    try:
        parameters = settings(loaded, left).parameters
    except ValueError as error:
        show_error(error)
        return
    if loaded.denoiser.truncated:
        st.info(
            f"The schedule of this model extends beyond σ = {loaded.denoiser.sigma_max:.4g}; it "
            "is cut there.",
            icon=":material/content_cut:",
        )
    row = st.container(horizontal=True, vertical_alignment="bottom")
    shown, smoothing = comparison(loaded, row)
    view = Growth(loaded, MEASURE.name, parameters, shown == MINUS, shown, smoothing)
    with right:
        measuring(view)
    rows = view.stored()
    if not rows:
        nothing_measured()
        return
    growths = np.array([row["value"] for row in rows.values()])
    rows = without_png_size(view, rows) if shown == WITHOUT else rows
    table = with_controls(view, rows)
    look = GrowthLook(view, table, rows)
    ranked = ranked_images(PAGE, look, CLOSER, row)
    if ranked is None:
        return
    picture = ranked.picture
    ranked.finish(
        look,
        "Map of this image",
        view.forwards,
        lambda progress: view.detailed(picture, progress),
    )
    everything_about(picture.id)
    closer_look(view, picture, growths)
    overview(look, ranked, "Growth")
    in_sight(
        "Against simpler numbers", 480, lambda: against_simpler(view, with_png_sizes(view, ranked))
    )
    partial_panel(view, ranked)
    in_sight(
        "Table",
        480,
        lambda: table_and_source(view, with_png_sizes(view, ranked), shown, "volume-growth"),
    )


def settings(loaded: Workspace, room: DeltaGenerator) -> GrowthSettings:
    """Draw the settings of the measure and return them. Raises ValueError if they do not fit
    together.
    """
    usual = GrowthSettings().for_model(loaded.denoiser)
    with room.expander("Settings", icon=":material/tune:"):
        return settings_controls(PAGE, usual, SETTINGS, [*st.columns(3), *st.columns(2)])


def comparison(loaded: Workspace, row: DeltaGenerator) -> tuple[str, int]:
    """Draw which value is shown (growth, or what a reference or the image's simplicity does not
    explain) and the maps' smoothing; return both.
    """
    shown = SHOWN if loaded.reference else SHOWN.among([RAW, WITHOUT], RAW)
    row.segmented_control(
        "Value shown",
        shown.options,
        format_func=plain,
        required=True,
        key=shown.key(),
        help="Growth also depends on how simple an image is. A reference model, trained less or "
        "without the images, responds to the simplicity but does not remember: its growth "
        "can be subtracted. So can the part that the size of the PNG explains, by a "
        "straight line fitted to all measured images.",
    )
    row.segmented_control(
        "Smoothing of the maps",
        SMOOTH.options,
        format_func=SMOOTH.words,
        required=True,
        key=SMOOTH.key(),
        help="Averages over neighbouring pixels, which keeps the map's sum. Unsmoothed maps "
        "show the noise of the probes.",
    )
    return shown.value(), SMOOTH.value()


def without_png_size(view: Growth, rows: dict[str, Row]) -> dict[str, Row]:
    """Return the rows with the part of their values that the size of the PNG explains removed."""
    images = view.loaded.images

    def make() -> dict[str, Row]:
        place = {image: index for index, image in enumerate(images.ids)}
        return without(rows, computed.png_sizes(images, [place[image] for image in rows]))

    return computed.once(("without", view.token, measured_key(images, rows)), make)


main()

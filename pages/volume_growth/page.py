"""Images ranked by volume growth; the selected one large, with its map and its curve; measuring,
and the table.
"""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.measures import GrowthSettings, Row
from memlib.measures.simplicity import without
from memlib.runs import result_table
from memlib.workspace import Workspace
from pages.figures.pictures import colour, colour_range
from pages.ranking.measuring import measuring
from pages.ranking.overview import overview
from pages.ranking.ranked import Ranked, ranked_images
from pages.ranking.settings import settings_controls
from pages.ranking.table import table_and_source
from pages.ranking.view import SMOOTHING
from pages.session import workspace
from pages.session.long_work import long_work
from pages.session.messages import plain, show_error
from pages.volume_growth.detail import detail
from pages.volume_growth.families import partial_panel
from pages.volume_growth.growth_view import MEASURE, MINUS, PAGE, RAW, WITHOUT, Growth
from pages.volume_growth.panels import closer_look
from pages.volume_growth.simpler import against_simpler, with_controls

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
    try:
        parameters = settings(loaded).parameters
    except ValueError as error:
        show_error(error)
        return
    if loaded.denoiser.truncated:
        st.info(
            f"The schedule of this model goes on past σ = {loaded.denoiser.sigma_max:.4g}; it is "
            "cut there.",
            icon=":material/content_cut:",
        )
    shown, smoothing = comparison(loaded)
    view = Growth(loaded, MEASURE.name, parameters, shown == MINUS, shown, smoothing)
    measuring(view)
    rows = view.stored()
    if not rows:
        st.info(
            "Nothing has been measured with these settings yet. Choose images above and measure "
            "them.",
            icon=":material/hourglass_empty:",
        )
        return
    growths = np.array([row["value"] for row in rows.values()])
    rows = without_png_size(loaded, rows) if shown == WITHOUT else rows
    table = with_controls(view, result_table(loaded.images, rows, MEASURE.direction))
    ranked = browse(view, table, rows, growths)
    if ranked is not None:
        overview(ranked, view.axis, "Growth")
        against_simpler(view, ranked)
        partial_panel(view, ranked)
        table_and_source(view, ranked, shown, "volume-growth")


def settings(loaded: Workspace) -> GrowthSettings:
    """Draw the settings of the measure. ValueError where they do not fit together."""
    usual = GrowthSettings().for_model(loaded.denoiser)
    with st.expander("Settings", icon=":material/tune:"):
        return settings_controls(PAGE, usual, SETTINGS, st.columns(len(SETTINGS)))


def comparison(loaded: Workspace) -> tuple[str, int]:
    """What of the growth is shown: all of it, or what a reference or the picture's simplicity does
    not explain; and the maps' smoothing.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    shown = SHOWN if loaded.reference else SHOWN.among([RAW, WITHOUT], RAW)
    row.segmented_control(
        "Show",
        shown.options,
        format_func=plain,
        required=True,
        key=shown.key(),
        help="Growth also sees how simple a picture is. A reference model, trained less or "
        "without the images, sees the simplicity but not the memory: its growth can be taken "
        "away. So can what the size of the PNG explains, by a straight line through all "
        "measured images.",
    )
    row.segmented_control(
        "Smoothing of the maps",
        SMOOTH.options,
        format_func=SMOOTH.words,
        required=True,
        key=SMOOTH.key(),
        help="Averages over neighbouring pixels; the map's sum stays. Unsmoothed maps show the "
        "noise of the probes.",
    )
    return shown.value(), SMOOTH.value()


def without_png_size(loaded: Workspace, rows: dict[str, Row]) -> dict[str, Row]:
    """The rows with what the size of the PNG explains taken out of their values."""
    place = {image: index for index, image in enumerate(loaded.images.ids)}
    sizes = workspace.png_sizes(loaded.images, [place[image] for image in rows])
    return without(rows, sizes)


def browse(
    view: Growth, table: pd.DataFrame, rows: dict[str, Row], growths: np.ndarray
) -> Ranked | None:
    """Draw the gallery, the selected image and a closer look at it; None where no image passes.

    No fragment: a click in one would not end the work going on in it.
    """
    some = np.stack([row["map"] for row in list(rows.values())[:256]])
    limits = colour_range(view.smooth(some), view.minus_reference)

    def maps(ids: list[str]) -> np.ndarray:
        heat = view.smooth(np.stack([rows[image]["map"] for image in ids]))
        return colour(heat, *limits, view.minus_reference)

    ranked = ranked_images(PAGE, view, table, lambda value: f"{value:,.0f}", maps)
    if ranked is None:
        return None
    picture = ranked.picture
    with ranked.side:
        if view.has(picture, keep_maps=True) or long_work(
            "Map of this image", view.seconds, lambda progress: view.detailed(picture, progress)
        ):
            detail(view, picture, ranked.row, table, rows, limits)
    closer_look(view, picture, growths)
    return ranked


main()

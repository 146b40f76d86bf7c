"""Images ranked by volume growth; the selected one large, with its map and its curve; measuring,
and the table.
"""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.flow import rounded_ends
from memlib.measures import Row
from memlib.measures.simplicity import without
from memlib.runs import result_table
from memlib.workspace import Workspace
from pages.figures.pictures import colour, colour_range
from pages.ranking.measuring import measuring
from pages.ranking.overview import overview
from pages.ranking.ranked import Ranked, ranked_images
from pages.ranking.table import table_and_source
from pages.ranking.view import SMOOTHING
from pages.session import workspace
from pages.session.long_work import long_work
from pages.volume_growth.detail import detail
from pages.volume_growth.families import partial_panel
from pages.volume_growth.growth_view import MEASURE, MINUS, RAW, WITHOUT, Growth
from pages.volume_growth.panels import closer_look
from pages.volume_growth.simpler import against_simpler, with_controls


def main() -> None:
    """Draw the page of volume growth."""
    loaded = workspace.require()
    st.caption(
        "The more a small volume around an image grows on its way to the latent, the more of the "
        "latent space leads to that image, and the more easily the model reproduces it."
    )
    parameters = settings(loaded)
    if parameters["sigma_min"] >= parameters["sigma_max"]:
        st.error("The lowest noise level must be below the highest.", icon=":material/error:")
        return
    if loaded.denoiser.truncated:
        st.info(
            f"The schedule of this model goes on past σ = {loaded.denoiser.sigma_max:.4g}; it is "
            "cut there.",
            icon=":material/content_cut:",
        )
    shown, smoothing = comparison(loaded)
    view = Growth(loaded, MEASURE.name, parameters, shown == MINUS, shown, smoothing)
    measuring(view, view.forwards)
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


def settings(loaded: Workspace) -> dict[str, float | int]:
    """The parameters chosen in the settings row; they stand in the address."""
    lowest, highest = rounded_ends(loaded.denoiser)
    with st.expander("Settings", icon=":material/tune:"):
        columns = st.columns(5)
        low = columns[0].number_input(
            "Lowest noise level σ",
            1e-4,
            200.0,
            lowest,
            format="%.3g",
            key="low",
            bind="query-params",
            help="Below it the growth is not counted. Values of different noise ranges cannot be "
            "compared.",
        )
        high = columns[1].number_input(
            "Highest noise level σ",
            1e-4,
            200.0,
            highest,
            format="%.3g",
            key="high",
            bind="query-params",
            help="Where the path ends; by then nothing of the image should be visible.",
        )
        steps = columns[2].number_input(
            "Steps",
            2,
            200,
            12,
            key="steps",
            bind="query-params",
            help="Steps from the lowest noise level to the highest, shorter at low levels.",
        )
        probes = columns[3].number_input(
            "Probes",
            1,
            64,
            2,
            key="probes",
            bind="query-params",
            help="Random directions at each level. More make the value and the map less noisy.",
        )
        seed = columns[4].number_input(
            "Seed",
            0,
            2**31 - 1,
            0,
            key="seed",
            bind="query-params",
            help="The same seed draws the same probes, shared by all images.",
        )
    return {
        "sigma_min": float(low),
        "sigma_max": float(high),
        "steps": int(steps),
        "probes": int(probes),
        "seed": int(seed),
    }


def comparison(loaded: Workspace) -> tuple[str, int]:
    """What of the growth is shown: all of it, or what a reference or the picture's simplicity does
    not explain; and the maps' smoothing.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    choices = [RAW, MINUS, WITHOUT] if loaded.reference else [RAW, WITHOUT]
    chosen = row.segmented_control(
        "Show",
        choices,
        default=RAW,
        required=True,
        key="of",
        bind="query-params",
        help="Growth also sees how simple a picture is. A reference model, trained less or "
        "without the images, sees the simplicity but not the memory: its growth can be taken "
        "away. So can what the size of the PNG explains, by a straight line through all "
        "measured images.",
    )
    widths = {"None": 1, "3 x 3": 3, "5 x 5": 5}
    smoothing = row.segmented_control(
        "Smoothing of the maps",
        list(widths),
        default=next(name for name, width in widths.items() if width == SMOOTHING),
        required=True,
        key="smooth",
        bind="query-params",
        help="Averages over neighbouring pixels; the map's sum stays. Unsmoothed maps show the "
        "noise of the probes.",
    )
    return chosen if chosen in choices else RAW, widths[smoothing]


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

    ranked = ranked_images("growth", view, table, lambda value: f"{value:,.0f}", maps)
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

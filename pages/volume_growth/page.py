"""Images ranked by volume growth; the selected one large, with its map and its curve; measuring,
and the table.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from scipy.stats import spearmanr

from memlib.flow import rounded_ends
from memlib.images import HELD_OUT
from memlib.measures import MEASURES, Row
from memlib.measures.likelihood import bits_per_dimension
from memlib.measures.simplicity import regress_out
from memlib.runs import measure_images, result_table
from pages.figures import charts
from pages.figures.pictures import colour, colour_range
from pages.ranking.browser import facts, measuring, overview, ranked_gallery, table_and_source
from pages.ranking.view import Picture
from pages.session import workspace
from pages.session.long_work import long_work
from pages.volume_growth import families as partial
from pages.volume_growth.growth_view import MEASURE, Growth
from pages.volume_growth.panels import closer_look

RAW, MINUS, WITHOUT = "Growth", "Minus reference", "Size of the PNG taken out"
CONTROLS = {"png_bytes": "Size as a PNG, bytes", "bits_per_dimension": "Bits a dimension"}

loaded = workspace.require()
denoiser, images, results = loaded.denoiser, loaded.images, workspace.results()
st.caption(
    "The more a small volume around an image grows on its way to the latent, the more of the "
    "latent space leads to that image, and the more easily the model reproduces it."
)


def settings() -> dict[str, float | int]:
    """The parameters chosen in the settings row; they stand in the URL."""
    lowest, highest = rounded_ends(denoiser)
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
            help="Noise levels on the way, evenly spaced in ln σ.",
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


def comparison() -> tuple[str, int]:
    """What of the growth is shown, all of it or what a reference or the picture's simplicity does
    not explain; the maps' smoothing.
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
        default="3 x 3",
        required=True,
        key="smooth",
        bind="query-params",
        help="Averages over neighbouring pixels; the map's sum stays. Unsmoothed maps show the "
        "noise of the probes.",
    )
    return chosen if chosen in choices else RAW, widths[smoothing]


def with_controls(table: pd.DataFrame) -> pd.DataFrame:
    """The table with what costs nothing more to know of each image: its log likelihood, its size as
    a PNG, stored controls.
    """
    own = replace(view, minus_reference=False).stored()
    table["log_likelihood"] = [
        own[image]["value"] + own[image]["log_prior"] for image in table["id"]
    ]
    table["bits_per_dimension"] = bits_per_dimension(table["log_likelihood"], denoiser.dimension)
    table["png_bytes"] = workspace.png_sizes(images, table["index"].tolist())
    for name in ("flipd", "denoising_loss"):
        rows = results.rows(denoiser.digest, name, MEASURES[name].defaults(denoiser))
        if any(image in rows for image in table["id"]):
            table[name] = [
                rows[image]["value"] if image in rows else np.nan for image in table["id"]
            ]
    return table


def browser(table: pd.DataFrame, rows: dict[str, Row], values: np.ndarray) -> None:
    """The gallery, the selected image and where it stands among all.

    No fragment: a click in one would not end the work going on in it.
    """
    limits = colour_range(
        view.smooth(np.stack([row["map"] for row in list(rows.values())[:256]])),
        view.minus_reference,
    )

    def maps(ids: list[str]) -> np.ndarray:
        return colour(
            view.smooth(np.stack([rows[image]["map"] for image in ids])),
            *limits,
            view.minus_reference,
        )

    left, right = st.columns([5, 6], gap="medium")
    with left:
        chosen = ranked_gallery(loaded, table, lambda value: f"{value:,.0f}", maps)
    if chosen is None:
        return
    picture = Picture(chosen["id"], chosen["name"], images[int(chosen["index"])])
    with right:
        if view.has(picture, keep_maps=True) or long_work(
            "Map of this image", view.seconds, lambda progress: view.detailed(picture, progress)
        ):
            detail(chosen, table, rows, picture, limits)
    closer_look(view, picture, values)
    axis = f"{compared.lower() if compared != RAW else 'log growth'}, {MEASURE.unit}"
    overview(table, float(chosen["value"]), axis, "Growth")


def detail(
    row: pd.Series,
    table: pd.DataFrame,
    rows: dict[str, Row],
    picture: Picture,
    limits: tuple[float, float],
) -> None:
    """The selected image: map, numbers and curve."""
    result = view.detailed(
        picture
    )  # before anything is drawn: picture, name and numbers change together
    st.text(picture.name)
    view.player(picture, result, "map", limits)
    numbers = st.columns(4)
    title = {RAW: "Log growth", MINUS: "Minus reference", WITHOUT: "Beyond PNG size"}[compared]
    numbers[0].metric(
        title,
        f"{row['value']:,.0f}",
        help=f"{MEASURE.definition} In nats; "
        + (
            "the map sums to it."
            if compared != WITHOUT
            else "the map is that of the growth itself."
        ),
    )
    error = "unknown" if np.isnan(row["stderr"]) else f"± {row['stderr']:,.0f}"
    numbers[1].metric(
        "Standard error",
        error,
        help="Of the estimate, from the spread between probes; one probe has none. Probes are "
        "shared by all images, so ranks are steadier than single values.",
    )
    numbers[2].metric(
        "Rank",
        f"{row['rank']:,} of {len(table):,}",
        help="Among the measured images; 1 is the most memorised.",
    )
    ceiling = denoiser.dimension * np.log(
        view.parameters["sigma_max"] / view.parameters["sigma_min"]
    )
    if compared == RAW:
        numbers[3].metric(
            "Of the ceiling",
            f"{row['value'] / ceiling:.1%}",
            help=f"No exact model can exceed the growth of an isolated point, {ceiling:,.0f} nats "
            "= d ln(σ max / σ min). A trained network can: it corrects the noise more "
            "steeply than any distribution of images allows.",
        )
    else:
        numbers[3].metric(
            "Bits a value",
            f"{row['bits_per_dimension']:.2f}",
            help="Bits a dimension, of the model's log likelihood at the lowest noise level.",
        )
    facts(row, loaded)
    band = None
    if "group" in table and (table["group"] == HELD_OUT).any():
        held_out = table.loc[table["group"] == HELD_OUT, "id"]
        band = (
            "held-out images",
            view.sigmas,
            np.stack([rows[image]["curve"] for image in held_out]),
        )
    st.plotly_chart(
        charts.growth_curve(
            {"this image": (view.sigmas, result["curve"])},
            None if view.minus_reference else denoiser.dimension,
            band,
        ),
        key="curve",
        config=charts.CONFIG,
        alt="Growth accumulated over the noise levels",
    )


def controls(table: pd.DataFrame) -> None:
    """The value against what a plain picture also moves."""
    names = CONTROLS | {name: f"{MEASURES[name].title}" for name in ("flipd", "denoising_loss")}
    st.subheader("Against simpler numbers")
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = row.segmented_control(
        "Control",
        list(names),
        format_func=names.__getitem__,
        default="png_bytes",
        required=True,
        key="control",
        bind="query-params",
    )
    if name in MEASURES and (name not in table or table[name].isna().any()):
        measure = MEASURES[name]
        parameters = measure.defaults(denoiser)
        missing = [
            int(index)
            for index in (
                table["index"] if name not in table else table.loc[table[name].isna(), "index"]
            )
        ]
        forwards = parameters.get("draws", parameters.get("probes", 0) + 1)
        st.caption(f"{measure.definition} {len(missing):,} images are not measured yet.")

        def measure_them(progress: Callable[[float], object]) -> None:
            for done, total in measure_images(denoiser, images, missing, name, parameters, results):
                progress(done / total)

        if long_work(
            "Measure this control",
            workspace.seconds(denoiser, len(missing) * forwards),
            measure_them,
            ask=True,
            keeps="Stopping keeps the finished images.",
        ):
            st.rerun()
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.plotly_chart(
            charts.against(table, name, f"{compared.lower()}, {MEASURE.unit}", names[name]),
            key="control-chart",
            config=charts.CONFIG,
            alt=f"Value against {names[name]}",
        )
    with right:
        varied = table["value"].nunique() > 1 and table[name].nunique() > 1
        order = (
            f"{float(spearmanr(table['value'], table[name]).statistic):.2f}"
            if varied
            else "unknown"
        )
        st.metric(
            "Rank correlation",
            order,
            help="Spearman's, over all measured images. Near 0: the control explains little of "
            "the ranking.",
        )
        st.markdown(
            "What a control explains of the growth may be the picture and not the memory. "
            + (
                MEASURES[name].definition
                if name in MEASURES
                else {
                    "png_bytes": "A busy picture takes more bytes.",
                    "bits_per_dimension": "The model's own code length of the picture, from its "
                    "log likelihood at the lowest noise level.",
                }[name]
            )
        )


parameters = settings()
if parameters["sigma_min"] >= parameters["sigma_max"]:
    st.error("The lowest noise level must be below the highest.", icon=":material/error:")
    st.stop()
if denoiser.truncated:
    st.info(
        f"The schedule of this model goes on past σ = {denoiser.sigma_max:.4g}; it is cut there.",
        icon=":material/content_cut:",
    )
compared, smoothing = comparison()
view = Growth(loaded, MEASURE.name, parameters, compared == MINUS, smoothing)
measuring(view, view.forwards)
rows = view.stored()
if not rows:
    st.info(
        "Nothing has been measured with these settings yet. Choose images above and measure them.",
        icon=":material/hourglass_empty:",
    )
    st.stop()
growths = np.array([row["value"] for row in rows.values()])
if compared == WITHOUT:
    place = {image: index for index, image in enumerate(images.ids)}
    left_over = regress_out(growths, workspace.png_sizes(images, [place[image] for image in rows]))
    rows = {
        image: {**row, "value": float(value)}
        for (image, row), value in zip(rows.items(), left_over, strict=True)
    }
table = with_controls(result_table(images, rows, MEASURE.direction))
browser(table, rows, growths)
controls(table)
partial.partial_panel(view)
table_and_source(view, table, compared, "volume-growth")

"""Volume growth against simpler numbers, which also depend on how plain an image is."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from scipy.stats import spearmanr

from memlib.measures import MEASURES, Row
from memlib.measures.likelihood import bits_per_dimension
from memlib.progress import Progress
from memlib.runs import measure_images, result_table
from pages.figures.spread import against_control
from pages.figures.style import CONFIG, literal
from pages.ranking.look import measured_key
from pages.ranking.ranked import Ranked
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.volume_growth.growth_view import MEASURE, PAGE, Growth

MEASURED = ("flipd", "denoising_loss")  # controls that need forwards of their own
TITLES = {
    "png_bytes": "Size as a PNG, bytes",
    "bits_per_dimension": "Bits per dimension",
    **{name: MEASURES[name].title for name in MEASURED},
}
CONTROL = PAGE.one_of("control", list(TITLES), "png_bytes", words=TITLES.__getitem__)
DEFINITIONS = {
    "png_bytes": "A detailed image takes more bytes.",
    "bits_per_dimension": "The model's own code length of the image, from its log likelihood at "
    "the lowest noise level.",
    **{name: MEASURES[name].definition for name in MEASURED},
}


def with_controls(view: Growth, rows: Mapping[str, Row]) -> pd.DataFrame:
    """Return the table of measured images with what is known at no cost: the log likelihood and the
    stored controls.
    """
    denoiser, results, images = view.loaded.denoiser, computed.results(), view.loaded.images
    controls = {
        name: results.rows(denoiser.digest, name, MEASURES[name].defaults(denoiser))
        for name in MEASURED
    }
    own = replace(view, minus_reference=False).stored()
    known = tuple(hash(frozenset(found)) for found in controls.values())
    key = ("table", view.token, view.shown, measured_key(images, rows), known)
    return computed.once(key, lambda: _with_controls(view, rows, own, controls))


def _with_controls(
    view: Growth,
    rows: Mapping[str, Row],
    own: Mapping[str, Row],
    controls: Mapping[str, Mapping[str, Row]],
) -> pd.DataFrame:
    denoiser = view.loaded.denoiser
    table = result_table(view.loaded.images, rows, MEASURE.direction)
    table["log_likelihood"] = [
        own[image]["value"] + own[image]["log_prior"] for image in table["id"]
    ]
    table["bits_per_dimension"] = bits_per_dimension(table["log_likelihood"], denoiser.dimension)
    for name, found in controls.items():
        if any(image in found for image in table["id"]):
            table[name] = [
                found[image]["value"] if image in found else np.nan for image in table["id"]
            ]
    return table


def with_png_sizes(view: Growth, ranked: Ranked) -> Ranked:
    """Return the same with each image's size as a PNG, for which every image is read."""

    def make() -> pd.DataFrame:
        places = ranked.table["index"].tolist()
        sizes = computed.png_sizes(view.loaded.images, places)
        return ranked.table.assign(png_bytes=sizes)

    return replace(ranked, table=computed.once(("png", *ranked.key), make))


def against_simpler(view: Growth, ranked: Ranked) -> None:
    """Draw the value of the images that pass the filters against a simpler number."""
    table, said = ranked.table, ranked.said
    st.subheader("Against simpler numbers")
    st.segmented_control(
        "Control",
        CONTROL.options,
        format_func=CONTROL.words,
        required=True,
        key=CONTROL.key(),
    )
    name = CONTROL.value()
    if name in MEASURED and (name not in table or table[name].isna().any()):
        _measure(view, table, name)
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        axis = f"{view.shown.lower()}, {MEASURE.unit}"
        st.plotly_chart(
            literal(
                lambda: against_control(table, name, axis, TITLES[name]),
                ("control", name, *ranked.key),
            ),
            key="control-chart",
            config=CONFIG,
            alt=f"Value against {TITLES[name]}, {said}",
        )
    with right:
        varied = table["value"].nunique() > 1 and table[name].nunique() > 1
        order = float(spearmanr(table["value"], table[name]).statistic) if varied else np.nan
        st.metric(
            "Rank correlation",
            f"{order:.2f}" if varied else "unknown",
            help=f"Spearman's, over {said}. Near 0: the control explains little of the ranking.",
        )
        st.markdown(
            "The part of growth that a control explains may come from the image and not from "
            "memorisation. " + DEFINITIONS[name]
        )
        ranked.note()


def _measure(view: Growth, table: pd.DataFrame, name: str) -> None:
    """Draw the cost of measuring a control for the images in the table, and measure it."""
    denoiser, measure = view.loaded.denoiser, MEASURES[name]
    missing = table["index"] if name not in table else table.loc[table[name].isna(), "index"]
    st.caption(f"{measure.definition} {len(missing):,} images are not measured yet.")

    def measure_them(progress: Progress) -> None:
        for _ in measure_images(
            denoiser,
            view.loaded.images,
            [int(index) for index in missing],
            name,
            measure.defaults(denoiser),
            computed.results(),
            progress,
        ):
            pass

    if long_work(
        "Measure this control",
        computed.seconds(denoiser, len(missing) * measure.forwards(denoiser)),
        measure_them,
        ask=True,
        keeps="Finished images are kept if you stop.",
    ):
        st.rerun()

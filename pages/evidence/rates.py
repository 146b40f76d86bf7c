"""Estimated rates beside counts: how often images are reproduced, and how far to trust the
estimate.
"""

import pandas as pd
import streamlit as st

from memlib.evidence.draws import OFTEN, Agreement, Draws, rates_and_counts
from memlib.workspace import Workspace
from pages.figures.rates import (
    counted_against_predicted,
    estimated_against_counted,
    two_samplers,
)
from pages.figures.style import CONFIG, literal
from pages.ranking.look import measured_key
from pages.ranking.rates import Rates, estimate_likeliest, estimated, screen, stochastic_draws
from pages.session import background
from pages.session.messages import plain
from pages.session.neighbours import Truth


def rates_panel(loaded: Workspace, truth: Truth | None) -> None:
    """Draw estimated and predicted rates against counted ones, and the rates of another sampler."""
    st.subheader("One in how many")
    st.caption(
        "A rate is *counted* where copies were drawn, *estimated* from weighted paths of the image "
        "itself, or *predicted* from a cheaper measure, which counts or estimates calibrate."
    )
    asked = Rates(loaded)
    background.adopt(asked)
    parameters, rows = asked.parameters, estimated(loaded)
    predictions(loaded)
    draws, images = stochastic_draws(loaded), loaded.images
    if draws is None:
        st.caption(
            "Estimated reproduction rates are compared with counts of the same sampler. "
            f"Generate images with the stochastic sampler and {parameters['steps']:,} steps "
            "above."
        )
        return
    times = draws.times(images, parameters["tolerance"])
    table = rates_and_counts(rows, images, times, draws.count)
    left, right = st.columns(2, gap="medium")
    with left:
        if table.empty:
            st.caption("No rate is estimated yet. The page of volume growth estimates them.")
        else:
            st.markdown(plain(_agreement(table, draws)))
            st.plotly_chart(
                literal(
                    lambda: estimated_against_counted(table, images.names, draws.count),
                    ("rates", table, draws.count, *measured_key(images, {})),
                ),
                key="rates",
                config=CONFIG,
                alt="Estimated reproduction rate of each image against its counted rate",
            )
    if truth is None or truth.asked["criterion"] != "distance":
        right.caption(
            "To see how much a rate depends on the sampler, choose the distance above as the "
            "criterion of a copy."
        )
        return
    with right:
        _samplers(loaded, truth, draws)


def predictions(loaded: Workspace) -> None:
    """Draw counted against predicted rates, and the button that estimates the likeliest."""
    found = screen(loaded)
    left, right = st.columns(2, gap="medium")
    left.markdown(plain(found.sentence()))
    if found.crossed and found.predicted and found.times is not None:
        left.markdown(plain(found.covered()))
        known = (found.crossed, found.predicted, found.times)
        with right:
            st.plotly_chart(
                literal(counted_against_predicted(*known, found.draws, loaded.images.names)),
                key="predicted",
                config=CONFIG,
                alt="Counted rate of each image against the rate predicted from other images",
            )
    with left:
        estimate_likeliest(loaded)


def _agreement(table: pd.DataFrame, draws: Draws) -> str:
    found = Agreement.of(table)
    said = f"{len(table):,} estimated rates beside the counts of {draws.count:,} generated images. "
    if found is None:
        return said + f"No image was drawn at least {OFTEN} times, so none can be compared."
    return said + found.sentence()


def _samplers(loaded: Workspace, truth: Truth, draws: Draws) -> None:
    one = draws.credited(loaded.images, min(truth.asked["threshold"], draws.within)) / draws.count
    other = truth.counts / len(truth.samples)
    st.markdown(
        f"The stochastic sampler draws a copy in {one.sum():.1%} of {draws.count:,} generated "
        f"images, the chosen run in {other.sum():.1%} of {len(truth.samples):,}. A rate belongs "
        "to its sampler."
    )
    axes = ("counted rate, stochastic sampler", "counted rate, chosen run")
    st.plotly_chart(
        literal(
            lambda: two_samplers(one, other, loaded.images.names, axes),
            ("samplers", one, other, *measured_key(loaded.images, {})),
        ),
        key="samplers",
        config=CONFIG,
        alt="Counted rate of each image with two samplers",
    )

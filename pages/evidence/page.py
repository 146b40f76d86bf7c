"""Which number to believe: what the model reproduces, and how well each measure says so."""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.evidence import clusters, comparisons
from memlib.images import HELD_OUT
from memlib.measures import MEASURES
from memlib.workspace import Workspace
from pages.evidence.panels import disagreement_panel, missing_panel, sampling, scatter_panel
from pages.evidence.rates import rates_panel
from pages.evidence.tables import nothing_to_compare, quality_panel
from pages.evidence.truth import ground_truth, reproduced_gallery, summary
from pages.figures.quality import auc_against_cost
from pages.figures.spread import against_count
from pages.figures.style import CONFIG, literal
from pages.session import neighbours, workspace
from pages.session.measure_tables import measured

LIMITS = (
    "A high AUC for *reproduced against not* says that on this model, with these pictures and this "
    "criterion, the measure ranks what comes back first. It does not say that it would on another "
    "model.",
    "**Membership is not memorisation.** A measure that tells trained images from held-out ones "
    "may see that the model knows them a little; most trained images never come back. Images of "
    f"another kind than the trained ones are told apart by their kind: the group called {HELD_OUT} "
    "must be of the same kind.",
    "**A sharp basin is not a copy.** That the score points back to an image, or that its volume "
    "grows fast, says that the model could hold it. Only drawing it without a prompt shows that "
    "the model gives it away.",
    "**Not drawn is not safe.** An image that did not come back in N pictures may come back in the "
    "next ones, or under guidance. The bound above is about all images together.",
    "Plain pictures have high values without being memorised. The denoising loss and the "
    "likelihood are in the table to show how much of the rest they already explain.",
    "A criterion can be wrong both ways: the ratio misses copies of an image with a near twin "
    "unless near-duplicates are merged (they are here), and a distance calls plain pictures "
    "copies.",
)


def main() -> None:
    """Draw the page of evidence."""
    loaded = workspace.require()
    st.caption(
        "A number is evidence if it ranks the images that come back above those that do not. "
        "Pictures drawn from the model are the ground truth."
    )
    values, _, order = measured(loaded)
    truth = ground_truth(loaded)
    sampling(loaded)
    counts = np.zeros(len(loaded.images), int) if truth is None else truth.counts
    table = None
    if truth is None and not loaded.images.held_out.any():
        nothing_to_compare()  # nor do near-duplicates count for anything yet
    else:
        groups = neighbours.near_duplicates(loaded)
        if truth is not None:
            summary(loaded, truth)
            reproduced_gallery(loaded, counts)
        sides = comparisons(loaded.images, counts, groups)
        asked = truth.asked if truth else {}
        table = quality_panel(loaded, values, sides, clusters(loaded.images, groups), asked)
    if table is not None:
        cost_and_counts(loaded, values, table, counts)
    rates_panel(loaded, truth)
    scatter_panel(loaded, values, order, counts)
    disagreement_panel(loaded, values, counts)
    missing_panel(loaded, values)
    st.subheader("What follows, and what does not")
    st.markdown("\n".join(f"- {one}" for one in LIMITS))


def cost_and_counts(
    loaded: Workspace, values: pd.DataFrame, table: pd.DataFrame, counts: np.ndarray
) -> None:
    """Draw the AUC of each measure against its cost, and one measure against how often images came
    back.
    """
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Cost beside quality")
        st.plotly_chart(
            literal(auc_against_cost(table)),
            key="cost",
            config=CONFIG,
            alt="AUC with its 95% interval against network forwards an image",
        )
    with right:
        st.subheader("Value against times reproduced")
        name = st.selectbox(
            "Measure",
            list(table["measure"]),
            format_func=lambda one: MEASURES[one].title,
            key="against",
            bind="query-params",
            label_visibility="collapsed",
        )
        st.plotly_chart(
            literal(
                against_count(
                    values[name],
                    counts,
                    loaded.images.names,
                    ~loaded.images.held_out,
                    f"{MEASURES[name].title}, {MEASURES[name].unit}",
                )
            ),
            key="count",
            config=CONFIG,
            alt="Value of each image against how often it came back",
        )


main()

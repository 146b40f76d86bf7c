"""What the model gives away, how often, how sure that is, what is left to find and what is not
known: the first page.
"""

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib.evidence import (
    REPRODUCED,
    Remembered,
    believe,
    clusters,
    comparisons,
    copy_rule,
    drawn_how,
)
from memlib.extraction import CRITERIA
from memlib.workspace import Workspace
from pages.overview import tour
from pages.overview.holder import holder
from pages.overview.left import left_to_find
from pages.overview.likely import Likely, likely_images
from pages.overview.unknown import unknown
from pages.ranking.counting import counted, takes_long
from pages.ranking.rates import estimated
from pages.session import neighbours, workspace
from pages.session.measure_tables import measured, quality_of
from pages.session.neighbours import Truth, remembered, unguided
from pages.survey.panel import ended, offered, running, survey_panel
from pages.widgets.waiting import in_sight


def main() -> None:
    """Draw the first page."""
    loaded = workspace.require()
    head, question, body = st.container(), st.container(), st.container()
    truth = counted(loaded, head)
    found = None if truth is None else remembered(loaded, truth)
    if truth is not None and found is not None:
        first_sentence(truth, found, head)
    if running(loaded) or (offered(loaded) and unguided(loaded) is None):
        with head:
            survey_panel(loaded)
    elif offered(loaded):
        with head:
            ended(loaded)
    with question:
        asked_by_holder, tour_begins = (
            st.columns([5, 1]) if tour.offered(loaded) else (question, None)
        )
        with asked_by_holder:
            holder(loaded, truth, found)
        if tour_begins is not None:
            with tour_begins:
                tour.start()
    with body:
        values, _, order = measured(loaded)
        asked, table = compared(loaded, truth, values)
        best = str(table["measure"].iloc[0]) if asked == REPRODUCED and table is not None else ""
        if found is not None or (estimated(loaded) and not takes_long(loaded, 0)):
            likely_images(Likely(loaded, truth, found or nothing_drawn(loaded), order, best))
        if found is not None and found.copies:
            remaining = found
            in_sight("What is left to find", 680, lambda: left_to_find(loaded, remaining))
        if table is not None:
            which_to_believe(table, asked == REPRODUCED)
        in_sight("What is not known", 320, lambda: unknown(loaded, truth, found, values))


def first_sentence(truth: Truth, found: Remembered, room: DeltaGenerator) -> None:
    """Draw what came back in one sentence, and what its words mean."""
    criterion, plan = CRITERIA[truth.asked["criterion"]], truth.run.plan
    room.markdown(f"#### {found.sentence()}")
    how = f", {drawn_how(plan)}" if plan else ""
    rule = copy_rule(truth.asked["criterion"], truth.asked["threshold"])
    room.caption(
        f"Drawn from noise alone{how}. A copy: {rule}. Near-duplicates count as one image. 95%: "
        "in 19 of 20 such counts the true number is between these two.",
        help=f"{criterion.definition} The deterministic sampler makes the same picture of the same "
        "noise; the stochastic one adds noise at every step. Guidance leads pictures towards "
        "something chosen; without it, the model alone decides what it draws. The evidence page "
        "takes other pictures and other criteria.",
    )


def nothing_drawn(loaded: Workspace) -> Remembered:
    """What is known where no picture was drawn."""
    groups = neighbours.near_duplicates(loaded)
    return Remembered(0, np.zeros(len(loaded.images), int), groups, ~loaded.images.held_out)


def compared(
    loaded: Workspace, truth: Truth | None, values: pd.DataFrame
) -> tuple[str, pd.DataFrame | None]:
    """What the measures are judged by, as the evidence page names it, and how well each of them
    does; None where nothing can be compared, or where it would take long.
    """
    images = loaded.images
    if truth is None and (unguided(loaded) or not images.held_out.any() or takes_long(loaded, 0)):
        return "", None
    counts = np.zeros(len(images), int) if truth is None else truth.counts
    groups = neighbours.near_duplicates(loaded)
    sides = comparisons(images, counts, groups)
    if not sides:
        return "", None
    asked, (above, below) = next(iter(sides.items()))
    table = quality_of(loaded.denoiser, values, above, below, clusters(images, groups))
    return asked, None if table.empty else table


def which_to_believe(table: pd.DataFrame, by_copies: bool) -> None:
    """Draw which measure to believe, in a sentence; `by_copies` where copies are what judges."""
    st.subheader("Which measure to believe here")
    st.markdown(believe(table, by_copies))
    st.page_link(
        "pages/evidence/page.py",
        label="All measures, with their intervals",
        icon=":material/balance:",
    )


main()

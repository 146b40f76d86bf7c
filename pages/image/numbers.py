"""The numbers of one image: its measures with rank and interval, and how often it comes back."""

import math

import pandas as pd
import streamlit as st

from memlib.evidence import About
from memlib.evidence.about import LEADING, Standing
from memlib.measures import MEASURES
from memlib.progress import Progress, part
from memlib.workspace import Workspace
from pages.ranking.rate_panel import estimate, rates_known
from pages.ranking.view import Picture
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.session.measured import measured
from pages.session.messages import number, plus_minus
from pages.session.neighbours import Truth


def numbers(loaded: Workspace, picture: Picture, about: About) -> None:
    """Draw growth, K_1 and loss, each with its rank and interval; a button measures what is
    missing.
    """
    known = about.standings
    for name, column in zip(LEADING, st.columns(len(LEADING)), strict=True):
        measure = MEASURES[name]
        if name in known:
            one = known[name]
            with column:
                st.metric(
                    f"{measure.title}, {measure.unit}",
                    f"{number(one.value)} {plus_minus(one.error)}",
                    help=f"{measure.definition} {bigger(measure.direction)}",
                )
                st.caption(f"Rank {one.rank:,} of {one.of:,}{between(one)}")
    missing = [name for name in LEADING if name not in known]
    refused = [name for name in missing if MEASURES[name].refusal(loaded.denoiser)]
    for name in refused:
        st.caption(f"{MEASURES[name].title}: {MEASURES[name].refusal(loaded.denoiser)}")
    measure_missing(loaded, picture, [name for name in missing if name not in refused])


def more_measures(about: About) -> None:
    """Draw all other measures as a table."""
    others = [one for name, one in about.standings.items() if name not in LEADING]
    if others:
        with st.expander(f"{len(others):,} more measures", icon=":material/function:"):
            st.dataframe(table(others), hide_index=True, alt="Every other measure of this image")


def bigger(direction: int) -> str:
    return f"{'Bigger' if direction > 0 else 'Smaller'} means more memorised."


def between(one: Standing) -> str:
    """The interval of a value, as it stands behind its rank."""
    if math.isnan(one.low):
        return "; its error is unknown"
    return f"; 95%: {number(one.low)} to {number(one.high)}"


def table(known: list[Standing]) -> pd.DataFrame:
    """A line for each measure."""
    return pd.DataFrame(
        {
            "measure": MEASURES[one.measure].title,
            "value": number(one.value),
            "standard error": "" if math.isnan(one.error) else number(one.error),
            "95% interval": ""
            if math.isnan(one.low)
            else f"{number(one.low)} to {number(one.high)}",
            "rank": f"{one.rank:,} of {one.of:,}",
            "unit": MEASURES[one.measure].unit,
        }
        for one in known
    )


def measure_missing(loaded: Workspace, picture: Picture, missing: list[str]) -> None:
    """Draw what is not measured of this image, its cost, and the button that measures it."""
    if not missing:
        return
    denoiser = loaded.denoiser
    forwards = [MEASURES[name].forwards(denoiser) for name in missing]

    def work(progress: Progress) -> None:
        for done, name in enumerate(missing):
            told = part(progress, done, 1, len(missing))
            asked = MEASURES[name].defaults(denoiser)
            measured(denoiser, picture.image, picture.id, name, asked, told)

    titles = " and ".join(MEASURES[name].title for name in missing)
    st.markdown(
        f"Not measured for this image: {titles}, {sum(forwards):,} network forwards. A rank needs "
        "the other images too; the pages of the measures measure many."
    )
    seconds = computed.seconds(denoiser, sum(forwards))
    keeps = "Finished measures are kept if you stop."
    if long_work("Measure this image", seconds, work, ask=True, keeps=keeps):
        st.rerun()


def how_often(loaded: Workspace, picture: Picture, about: About, truth: Truth | None) -> None:
    """Draw every rate that is known, counted and estimated, and what it takes to know more."""
    told = st.empty()
    row = estimate(loaded, picture)
    lines = rates_known(loaded, picture.id, about, truth)
    if row is None:
        lines.append("**Estimated**: not yet. Paths led to the image give even a small rate.")
    told.markdown("\n".join(f"- {line}" for line in lines))

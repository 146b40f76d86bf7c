"""The images that changed most between two models: by copies drawn, and by one measure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from memlib.evidence import Remembered, counted_in_words, signed
from memlib.evidence.two_models import Changed, copies_changed
from memlib.measures import MEASURES
from memlib.workspace import Workspace
from pages.figures.pictures import rgb
from pages.ranking.facts import short
from pages.session import selection
from pages.session.messages import number, plain
from pages.session.state import Page
from pages.widgets.pairs import Pair, pairs

PAGE = Page("compare")
MEASURE = PAGE.one_of("measure", list(MEASURES), "volume_growth")
SHOWN, PICTURE = 12, 96
CARDS = "The training images that changed most"


@dataclass(frozen=True)
class Compared:
    """A model and a second one on the same images, and what is known of the pictures drawn from
    each; None where none are drawn.
    """

    loaded: Workspace
    second: Workspace
    one: Remembered | None
    other: Remembered | None

    @property
    def sides(self) -> list[tuple[Workspace, Remembered | None]]:
        return [(self.loaded, self.one), (self.second, self.other)]

    @property
    def names(self) -> tuple[str, str]:
        return self.loaded.denoiser.name, self.second.denoiser.name


def copies_panel(compared: Compared) -> None:
    """Draw the images whose rate of copies differs most."""
    if compared.one is None or compared.other is None:
        return
    changed = copies_changed(compared.one, compared.other)
    st.subheader("The images whose copies changed most")
    if not changed:
        st.info("Neither model gave an image away.", icon=":material/info:")
        return
    sure = sum(one.sure for one in changed)
    st.caption(
        f"{sure:,} of {len(changed):,} images that came back differ by more than chance (Fisher's "
        "exact test, at most 5% of them wrong on average). Near-duplicates count as one image."
    )
    draws = compared.one.draws, compared.other.draws
    shown = changed[:SHOWN]
    cards(
        compared,
        "copies",
        [one.place for one in shown],
        [told(one, draws, compared) for one in shown],
    )


def told(one: Changed, draws: tuple[int, int], compared: Compared) -> tuple[str, ...]:
    """Say how often each model drew an image."""
    counts = zip(compared.names, (one.times, one.other), draws, strict=True)
    lines = [f"{name}: {counted_in_words(times, of)}" for name, times, of in counts]
    return (*lines, "more than chance" if one.sure else "may be chance")


def measure_panel(
    compared: Compared, values: pd.DataFrame, others: pd.DataFrame, known: list[str]
) -> None:
    """Draw the images that one measure says changed most."""
    choice = MEASURE.among(known, "volume_growth" if "volume_growth" in known else known[0])
    name = st.selectbox(
        "Images that changed most by",
        known,
        key=choice.key(),
        format_func=lambda one: MEASURES[one].title,
        width=360,
    )
    change = (signed(values[[name]]) - signed(others[[name]]))[name].to_numpy()
    places = [int(place) for place in np.argsort(-change, kind="stable") if change[place] > -np.inf]
    unit = MEASURES[name].unit
    lines = [
        (
            f"{'+' if change[place] > 0 else ''}{number(float(change[place]))} {unit}",
            f"{number(float(values[name][place]))}; {number(float(others[name][place]))}",
        )
        for place in places[:SHOWN]
    ]
    cards(compared, "measure", places[:SHOWN], lines)


def cards(
    compared: Compared, key: str, places: list[int], lines: Sequence[tuple[str, ...]]
) -> None:
    """Draw a card for each image; a click selects it, on every page."""
    images, chosen = compared.loaded.images, selection.chosen()
    pairs(
        [
            Pair(place, (rgb(images[place]),), (short(images.names[place]), *line), False)
            for place, line in zip(places, lines, strict=True)
        ],
        next((place for place in places if images.ids[place] == chosen), None),
        key=f"compare.cards by {key}",
        alt=CARDS,
        on_select=lambda place: selection.choose(images.ids[place]),
        width=PICTURE,
        legend=f"{CARDS}, from the largest change down. {plain(compared.names[0])} first, then "
        f"{plain(compared.names[1])}.",
        verdicts=False,
    )

"""The images most likely to come back, each beside the picture drawn that is closest to it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from memlib import nearest
from memlib.evidence import Candidate, Remembered, counted_in_words
from memlib.evidence.draws import OFTEN
from memlib.measures import MEASURES, Row, rate_in_words
from memlib.workspace import Workspace
from pages.figures.pictures import rgb
from pages.ranking.facts import everything_about, short
from pages.ranking.rates import MEASURE, estimated
from pages.session import results as computed
from pages.session import selection
from pages.session.messages import plain
from pages.session.neighbours import Truth
from pages.widgets.pairs import Pair, pairs

SHOWN = 8
PICTURE = 96  # pixels of a side


@dataclass(frozen=True)
class Likely:
    """What is known of the images that may come back; `best` is the measure whose ranks `order`
    holds that is told, or "".
    """

    loaded: Workspace
    truth: Truth | None
    found: Remembered
    order: pd.DataFrame
    best: str

    @property
    def rates(self) -> Mapping[str, Row]:
        """The estimated rates, by image id."""
        return estimated(self.loaded)

    def shown(self) -> list[Candidate]:
        """The likeliest images, one of each near-duplicate group."""
        ids, rates = self.loaded.images.ids, self.rates
        if not rates:
            return self.found.candidates()[:SHOWN]
        known = [rates[i]["value"] if i in rates and rates[i]["sign"] >= 0 else np.nan for i in ids]
        return self.found.candidates(np.array(known))[:SHOWN]

    def estimate_told(self, one: Candidate) -> bool:
        """Whether an estimate adds to the count: not to one of many copies, and beside copies a
        limit does not.
        """
        row = self.rates.get(self.loaded.images.ids[one.place])
        return row is not None and one.times < OFTEN and not (one.times and row["sign"])

    def lines(self, one: Candidate) -> tuple[str, ...]:
        """What is said below an image: its name, its rates and where they come from, its rank."""
        images, rates = self.loaded.images, self.rates
        image, said = images.ids[one.place], []
        if one.times:
            said.append(counted_in_words(one.times, self.found.draws))
        elif self.found.draws:
            said.append(f"not drawn in {self.found.draws:,} pictures")
        if self.estimate_told(one):
            said.append(f"estimated, stochastic sampler: {rate_in_words(rates[image])}")
        said.append(short(images.names[one.place]))
        if one.times:
            said.append(f"{one.times:,} cop{'y' if one.times == 1 else 'ies'} drawn")
        if self.best and not np.isnan(rank := self.order[self.best].to_numpy()[one.place]):
            measured, title = self.order[self.best].count(), MEASURES[self.best].words
            said.append(f"rank {rank:,.0f} of {measured:,} by {title}")
        times = images.metadata.get("copies", [""] * len(images))[one.place]
        if times.isdecimal():
            said.append(f"{times} times in the training set" if times != "1" else "trained on once")
        return (said[0][:1].upper() + said[0][1:], *said[1:])


def likely_images(likely: Likely) -> None:
    """Draw the images with the most copies, then those with the highest rates; a click selects
    one.
    """
    shown, images, truth = likely.shown(), likely.loaded.images, likely.truth
    if not shown:
        return
    st.subheader("The images most likely to come back")
    places = [one.place for one in shown]
    beside = None if truth is None else closest(likely.loaded, truth, places)
    cards = [
        Pair(
            one.place,
            (
                rgb(images[one.place]),
                *([] if truth is None or beside is None else [rgb(truth.samples[beside[spot]])]),
            ),
            likely.lines(one),
            False,
        )
        for spot, one in enumerate(shown)
    ]
    chosen = selection.chosen()
    place = images.ids.index(chosen) if chosen in set(images.ids) else places[0]
    pairs(
        cards,
        place,
        key="overview.likely",
        alt="The training images most likely to come back",
        on_select=lambda picked: selection.choose(images.ids[picked]),
        width=PICTURE,
        legend="In each card: the training image"
        + (", and the picture drawn that is closest to it" if beside is not None else ""),
        verdicts=False,
    )
    if any(likely.estimate_told(one) for one in shown):
        asked = MEASURE.defaults(likely.loaded.denoiser)
        st.caption(
            f"Estimated rates are of the stochastic sampler with {asked['steps']:,} steps, which "
            "adds noise at every step, and of pictures within "
            f"{asked['tolerance']:g} of the image (root mean square)."
        )
    explained(likely.loaded, place)


def closest(loaded: Workspace, truth: Truth, places: list[int]) -> NDArray[np.int64]:
    """The picture drawn that is closest to each of the images."""
    pool = truth.samples
    key = ("closest drawn", loaded.images.digest, pool.digest, tuple(places))
    return computed.once(
        key, lambda: nearest(loaded.images.batch(places), pool, 1).index[:, 0].numpy()
    )


def explained(loaded: Workspace, place: int) -> None:
    """Draw links to what the other pages say of the chosen image."""
    row = st.container(horizontal=True, vertical_alignment="center")
    row.markdown(f"**{plain(short(loaded.images.names[place]))}**", width="content")
    with row:
        everything_about(loaded.images.ids[place])
    image = {"image": loaded.images.ids[place]}
    for page, label, icon in (
        ("volume_growth", "Growth and its map", "open_in_full"),
        ("p_laplace", "p-Laplace and its maps", "target"),
        ("extraction", "Its generations", "science"),
        ("audit", "Decide on it", "fact_check"),
    ):
        row.page_link(
            f"pages/{page}/page.py", label=label, icon=f":material/{icon}:", query_params=image
        )

"""What is left to find: different images against pictures drawn, and what was seen once."""

import numpy as np
import streamlit as st

from memlib.evidence import Remembered, clusters, counted_in_words
from memlib.evidence.prediction.forecast import Forecast
from memlib.workspace import Workspace
from pages.figures.curves import images_against_draws
from pages.figures.pictures import rgb
from pages.figures.style import CONFIG, literal
from pages.ranking.facts import short
from pages.ranking.look import measured_key
from pages.session import results as computed
from pages.session import selection
from pages.session.measure_tables import known, measured
from pages.session.messages import plain
from pages.widgets.gallery import Card, gallery

POINTS = 60  # of each half of the curve
ONCE = 24  # images shown that came back once
LARGEST = 10**9  # pictures of a forecast


def left_to_find(loaded: Workspace, found: Remembered) -> None:
    """Draw the curve of different images, past and expected, and what is left."""
    st.subheader("What is left to find")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        sizes, estimates = found.curve(POINTS)
        st.plotly_chart(
            literal(
                lambda: images_against_draws(sizes, estimates, found.draws),
                ("left to find", found.draws, found.counts.times.tobytes(), found.counts.images),
            ),
            key="left",
            config=CONFIG,
            alt="Different images that came back against pictures drawn, up to now and expected in "
            "as many again",
        )
    with right:
        st.markdown("\n".join(f"- {one}" for one in found.to_find()))
        if not found.guided:
            among(loaded, found)
    seen_once(loaded, found)


def among(loaded: Workspace, found: Remembered) -> None:
    """Draw how many different images come back among any number of pictures, by predicted rates."""
    values, _, _ = measured(loaded)
    key = (
        "forecast",
        loaded.denoiser.digest,
        found.draws,
        found.times.tobytes(),
        *measured_key(loaded.images, {}),
        *known(loaded),
    )
    forecast = computed.once(
        key, lambda: Forecast.of(values, found, clusters(loaded.images, found.groups))
    )
    if isinstance(forecast, str):
        st.caption(plain(f"There is no forecast beyond twice as many pictures. {forecast}"))
        return
    size = int(
        st.number_input(
            "Among how many pictures",
            found.draws,
            LARGEST,
            max(100_000, found.draws),
            step=100_000,
            key="among",
            help="Counts carry no forecast beyond twice the pictures drawn; predicted rates do.",
        )
    )
    st.markdown(f"- {forecast.sentence(size)}")


def seen_once(loaded: Workspace, found: Remembered) -> None:
    """Draw the images that came back exactly once."""
    images, places = loaded.images, found.once()
    if not places:
        st.caption("No image came back exactly once.")
        return
    shown = places[:ONCE]
    first = f" The first {len(shown):,} of them." if len(shown) < len(places) else ""
    st.caption(
        f"Seen once, and they come back all the same: {len(places):,} images of which one copy was "
        f"drawn, each {counted_in_words(1, found.draws)}.{first}"
    )
    cards = [Card(images.ids[i], short(images.names[i]), "", images.names[i]) for i in shown]
    chosen = selection.chosen()
    gallery(
        np.stack([rgb(images[i]) for i in shown]),
        cards,
        chosen if chosen in {card.id for card in cards} else None,
        key="overview.once",
        on_select=selection.choose,
        alt="Images that came back exactly once",
    )

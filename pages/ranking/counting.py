"""The copies among the pictures drawn: counted by itself, or on request where that takes long."""

import math

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from memlib.evidence import stored_matches
from memlib.evidence.stored_matches import stored_groups
from memlib.evidence.stored_matches import stored_matches as stored
from memlib.survey import PRODUCTS
from memlib.workspace import Workspace
from pages.session.downloads import duration
from pages.session.messages import show_error
from pages.session.neighbours import Truth, unguided, usual_truth

AT_ONCE = 1e11  # products of pixel values; some twenty seconds of one core


@st.cache_resource(show_spinner=False)
def _counted() -> set[tuple[str, str]]:
    """Which images and pictures were compared in this process, by their digests."""
    return set()


def takes_long(loaded: Workspace, draws: int) -> bool:
    """Whether it takes long to compare the images with each other, as far as that is not stored,
    and with so many pictures.
    """
    if not draws and stored_groups(loaded.images, stored_matches.FOLDER) is not None:
        return False
    return products(loaded, draws) > AT_ONCE


def products(loaded: Workspace, draws: int) -> float:
    """How many products of pixel values it takes to compare the images with each other and with so
    many pictures.
    """
    images = loaded.images
    return len(images) * (len(images) / 2 + draws) * math.prod(images.shape)


def counted(loaded: Workspace, room: DeltaGenerator) -> Truth | None:
    """Return what the pictures drawn without guidance are copies of; where there are none, or they
    are not compared yet, say so in `room` and return None.
    """
    found = unguided(loaded)
    if found is None:
        room.markdown(
            "#### No picture of this model is drawn yet, so what it gives away is not known."
        )
        return None
    _, run = found
    key = (loaded.images.digest, run.images.digest)
    known = key in _counted() or not takes_long(loaded, len(run))
    compared = known or stored(run.images, loaded.images, stored_matches.FOLDER) is not None
    if not compared:
        room.markdown(
            f"#### {len(run):,} pictures of this model are drawn; which of them are copies is not "
            "counted yet."
        )
        room.caption(
            f"Each is compared with all {len(loaded.images):,} images, and these with each other: "
            f"about {duration(products(loaded, len(run)) / PRODUCTS)}, once."
        )
        if not room.button("Count the copies", type="primary", icon=":material/content_copy:"):
            return None
    with room, st.spinner("Counting copies"):
        try:
            truth = usual_truth(loaded)
        except ValueError as error:  # a single image has no second nearest
            show_error(error)
            return None
    _counted().add(key)
    if not compared:
        st.rerun()
    return truth

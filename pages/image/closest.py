"""What stands near the chosen image: its copies in the training set, and the pictures drawn."""

import numpy as np
import streamlit as st

from memlib import ImageSet
from memlib.evidence.text import short as digits
from memlib.neighbours import NEAR_DUPLICATE
from memlib.workspace import Workspace
from pages.figures.pictures import rgb
from pages.ranking.facts import short
from pages.ranking.pictures import pictures
from pages.session import neighbours as nearby
from pages.session import selection
from pages.session.messages import plain
from pages.session.neighbours import Nearest
from pages.widgets.gallery import Card, gallery

SHOWN, DRAWN = 6, 5  # images of the set, and pictures drawn, in a row
AT_ONCE = 20_000  # images that are looked through without asking


def nearest_of(images: ImageSet, place: int, pool: ImageSet, what: str) -> Nearest | None:
    """Return the images of a pool nearest to an image; of a large pool not looked through yet, draw
    a button for it and return None.
    """
    if len(pool) > AT_ONCE and not nearby.is_known(images, place, pool, SHOWN + 1):
        st.caption(f"Not looked up yet: the image is compared with all {len(pool):,} {what}.")
        if not st.button("Find the nearest", key=f"nearest {what}", icon=":material/search:"):
            return None
    with st.spinner("Looking for the nearest"):
        return nearby.closest(images, [place], pool, SHOWN + 1)[place]


def copies_in_training(images: ImageSet, place: int) -> None:
    """Draw the nearest other images of the set, near-duplicates named; a click chooses one."""
    st.subheader("In the training set")
    found = nearest_of(images, place, images, "images")
    if found is None:
        return
    others = found[0] != place
    places, distances = (values[others][:SHOWN] for values in found)
    if not len(places):
        st.caption("It is the only image.")
        return
    near = int((distances < NEAR_DUPLICATE).sum())
    least = "At least " if near == SHOWN else ""
    end = "" if near == 1 else "s"
    said = f"{least}{near:,} near-duplicate{end}" if near else "No near-duplicates"
    copies = images.metadata.get("copies", [""] * len(images))[place]
    times = copies.isdecimal() and not images.held_out[place] and int(copies) > 1
    own = f"The image itself was trained on {int(copies):,} times. " if times else ""
    st.caption(
        f"{own}{said} in the image set: {'' if near else 'no '}other images are within "
        f"{NEAR_DUPLICATE:g} of it (root mean square; black to white is 2)"
        f"{'.' if near == SHOWN else '. Here are the nearest; a click chooses one.'}"
    )
    held_out = images.held_out
    notes = [
        "near-duplicate" if distance < NEAR_DUPLICATE else "held out" if held_out[at] else ""
        for at, distance in zip(places.tolist(), distances.tolist(), strict=True)
    ]
    cards = [
        Card(
            images.ids[at],
            digits(distance),
            note or short(images.names[at]),
            f"{images.names[at]}, at a distance of {distance:.3f} {note}".rstrip(),
        )
        for at, distance, note in zip(places.tolist(), distances.tolist(), notes, strict=True)
    ]
    gallery(
        np.stack([rgb(image) for image in images.batch(places.tolist())]),
        cards,
        None,
        key="image.copies",
        on_select=selection.choose,
        alt="The nearest images of the set",
    )


def closest_drawn(loaded: Workspace, place: int) -> None:
    """Draw the pictures closest to the image that the model drew, without guidance if there are
    such.
    """
    st.subheader("The closest pictures the model drew")
    name, run = next(iter(nearby.runs(loaded).items()), ("", None))
    if run is None:
        st.caption("No picture of this model is drawn yet; the evidence page draws them.")
        return
    found = nearest_of(loaded.images, place, run.images, "pictures drawn")
    if found is None:
        return
    places, distances = (values[:DRAWN].tolist() for values in found)
    st.caption(f"{plain(name)}: the distance is below each picture.")
    pictures(run.images, places, [digits(distance) for distance in distances])

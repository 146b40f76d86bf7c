"""Everything about the chosen image: how often it comes back, where it ranks, its maps, its copies
in the training set, the pictures drawn that are closest to it, and its verdict.
"""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.evidence import About, copy_rule, drawn_how, standings
from memlib.evidence.about import LEADING
from memlib.images import ImageSet
from memlib.workspace import Workspace
from pages.image.closest import closest_drawn, copies_in_training
from pages.image.maps import picture_and_growth, sphere_map
from pages.image.numbers import how_often, more_measures, numbers
from pages.image.verdict import verdict
from pages.ranking.counting import counted
from pages.ranking.facts import facts
from pages.ranking.view import Picture
from pages.session import results as computed
from pages.session import selection, workspace
from pages.session.measure_tables import measured
from pages.session.messages import plain
from pages.session.neighbours import Truth, remembered
from pages.session.state import Kept

SEARCH = "image.search"
UNKNOWN = Kept("image sought in vain", str)


def main() -> None:
    """Draw the page of one image."""
    loaded = workspace.require()
    head, above = st.container(), st.container()
    left, right = st.columns([5, 3], gap="medium")
    with right:
        st.subheader("How often it comes back")
        room = st.container()
    truth = counted(loaded, room)
    found = None if truth is None else remembered(loaded, truth)
    tables = measured(loaded)
    order = ranking(tables[2])
    place = chosen(loaded.images, truth, order)
    picture = Picture(loaded.images.ids[place], loaded.images.names[place], loaded.images[place])
    told = standings(loaded.denoiser, loaded.images, computed.results(), tables, place)
    about = About(place, told, not bool(loaded.images.held_out[place]), found)
    with head:
        opening(loaded, about, truth)
        another(loaded.images, order, place)
    with above:
        numbers(loaded, picture, about)
    with left:
        last, below = picture_and_growth(loaded, picture)
        copies_in_training(loaded.images, place)
        closest_drawn(loaded, place)
    with right:
        how_often(loaded, picture, about, truth)
        verdict(loaded, picture)
    more_measures(about)
    with last:
        sphere_map(loaded, picture, below)  # which may have to be computed


def ranking(order: pd.DataFrame) -> pd.Series:
    """The ranks (N,) by the first of the leading measures that is known, NaN where it is not."""
    known = next((name for name in LEADING if order[name].notna().any()), LEADING[0])
    return order[known]


def chosen(images: ImageSet, truth: Truth | None, order: pd.Series) -> int:
    """The place of the image chosen in the session; without one, that of the image with the most
    copies drawn, or the first in rank.
    """
    image = selection.chosen()
    if image in set(images.ids):
        return images.ids.index(str(image))
    if truth is not None and truth.counts.any():
        return int(truth.counts.argmax())
    return int(order.argmin()) if order.notna().any() else 0


def opening(loaded: Workspace, about: About, truth: Truth | None) -> None:
    """Draw the answer in one sentence, and what its words mean."""
    st.markdown(f"#### {plain(loaded.images.names[about.place])} {about.sentence()}")
    said = []
    if truth is not None and about.found is not None and about.trained:
        plan = truth.run.plan
        said += [f"Drawn {drawn_how(plan)}."] if plan else []
        said += [f"A copy: {copy_rule(truth.asked['criterion'], truth.asked['threshold'])}."]
        others = int(about.group.sum()) - 1
        if others:
            end = "" if others == 1 else "s"
            said += [f"Copies of its {others:,} near-duplicate{end} count with it."]
    values = {name: column[about.place] for name, column in loaded.images.metadata.items()}
    known = facts(pd.Series(values, dtype=object), loaded)
    said += [f"It has {plain(known)}."] if known else []
    if said:
        st.caption(" ".join(said))


def another(images: ImageSet, order: pd.Series, place: int) -> None:
    """Draw the way to other images: by rank, and by name."""
    row = st.container(horizontal=True, vertical_alignment="center")
    ranked = np.argsort(order.to_numpy(), kind="stable")  # NaN last
    at = int(np.flatnonzero(ranked == place)[0])
    for label, icon, to in (
        ("Previous in rank", "chevron_left", at - 1),
        ("Next in rank", "chevron_right", at + 1),
    ):
        row.button(
            label,
            icon=f":material/{icon}:",
            disabled=not 0 <= to < len(ranked),
            on_click=selection.choose,
            args=(images.ids[ranked[to % len(ranked)]],),
        )
    row.text_input(
        "Another image",
        key=SEARCH,
        placeholder="a part of its name",
        label_visibility="collapsed",
        width=220,
        on_change=search,
        args=(images, place),
    )
    for page, label, icon in (
        ("volume_growth", "Growth", "open_in_full"),
        ("p_laplace", "p-Laplace", "target"),
        ("extraction", "Its generations", "science"),
    ):
        row.page_link(
            f"pages/{page}/page.py",
            label=label,
            icon=f":material/{icon}:",
            query_params={"image": images.ids[place]},
        )
    sought = UNKNOWN.pop()
    if sought:
        st.warning(f"No image has {plain(sought)} in its name.", icon=":material/search_off:")


def search(images: ImageSet, place: int) -> None:
    """Choose the next image after this one with the typed text in its name. This is the callback
    of the text field.
    """
    sought = str(st.session_state[SEARCH]).strip()
    if not sought:
        return
    places = [*range(place + 1, len(images)), *range(place + 1)]
    named = (at for at in places if sought.lower() in images.names[at].lower())
    at = next(named, None)
    if at is None:
        UNKNOWN.set(sought)
    else:
        selection.choose(images.ids[at])


main()

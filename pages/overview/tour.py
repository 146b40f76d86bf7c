"""A tour of the demo in five steps: each is a page with one image or setting and a few sentences.

The step stands in the address (`?tour=2`) and nowhere else, so each step is a link, and a visitor
who opens another page has left the tour.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from memlib.workspace import Sources, Workspace
from pages.session import workspace
from pages.session.address import for_url

STEP, PRESENTER = "tour", "presenter"  # names in the address
STYLE = Path(__file__).parents[2] / "assets" / "presenter.css"
COPIED = "67b17b45a52cde3b"  # copied/smiley-japanese_goblin.png, which the model was trained on 32x


@dataclass(frozen=True)
class Step:
    """A page of the tour, what its address says besides, and what to look at."""

    page: str
    title: str
    text: str
    url: Mapping[str, str] = field(default_factory=dict)


STEPS = (
    Step(
        "overview",
        "What a copy is",
        "The first picture of each card below was in the training set. The second was drawn by the "
        "model, which was given nothing but noise. If the two are nearly the same, pixel by pixel, "
        "the drawn picture is a **copy**. The first sentence says how many there are.",
        {"image": COPIED},
    ),
    Step(
        "image",
        "One in how many",
        "How often does one image come back? Draw thousands of pictures and count its copies. An "
        "image that never came back may still come back later: its rate has an upper limit, and "
        "the more pictures are drawn, the lower that limit.",
        {"image": COPIED},
    ),
    Step(
        "volume_growth",
        "Why: a map",
        "How much of the noise leads to this image? The model is run backwards from it, and the "
        "more a small change grows on the way, the more of the noise belongs to this image. "
        "In the map, bright pixels are those where the model insists most on what it has seen.",
        {"image": COPIED},
    ),
    Step(
        "landscapes",
        "The truth in two dimensions",
        "With two numbers instead of three thousand, every measure has an exact value. The narrow "
        "mode is a memorised image: drag it, and compare the estimates with the exact fields.",
        {"preset": "Narrow among broad"},
    ),
    Step(
        "evidence",
        "What to trust",
        "Every measure says which images are memorised; not all are right. Here each is judged by "
        "the copies that were drawn. Read the interval, not only the number: two measures whose "
        "intervals overlap may be equally good.",
        {},
    ),
)


def current(page: str) -> int | None:
    """Return the step of the tour that the address names, from 1, if it is on this page."""
    text = st.query_params.get(STEP, "")
    number = int(text) if text in map(str, range(1, len(STEPS) + 1)) else None
    return number if number and STEPS[number - 1].page == (page or "overview") else None


def address(number: int) -> dict[str, str]:
    """Return what the address of a step says."""
    presenter = {PRESENTER: "true"} if presents() else {}
    return {STEP: str(number), **STEPS[number - 1].url, **presenter}


def presents() -> bool:
    """Return whether the presenter's view is chosen."""
    return st.query_params.get(PRESENTER) == "true"


def bar(page: str) -> None:
    """Draw the step of the tour that the address names, above its page."""
    number = current(page)
    if number is None:
        return
    if presents():
        st.html(STYLE)
    with st.container(border=True, key="tour"):
        left, right = st.columns([5, 3], gap="medium", vertical_alignment="center")
        left.markdown(
            f"**{number} of {len(STEPS)}: {STEPS[number - 1].title}.** {STEPS[number - 1].text}"
        )
        with right, st.container(horizontal=True):
            turn("Back", number - 1, "arrow_back", "PageUp")
            turn("Next", number + 1, "arrow_forward", "PageDown")
        with right, st.container(horizontal=True):
            if st.button("Normal view" if presents() else "Presenter's view", type="tertiary"):
                show(not presents())
            if st.button("End the tour", type="tertiary"):
                leave()
        other_model()


def turn(label: str, number: int, icon: str, key: str) -> None:
    """Draw the button that leads to another step."""
    exists = 0 < number <= len(STEPS)
    if st.button(label, icon=f":material/{icon}:", shortcut=key, disabled=not exists):
        st.switch_page(f"pages/{STEPS[number - 1].page}/page.py", query_params=address(number))


def show(presenter: bool) -> None:
    """Change to the presenter's view or back."""
    if presenter:
        st.query_params[PRESENTER] = "true"
    else:
        del st.query_params[PRESENTER]
    st.rerun()


def leave() -> None:
    """End the tour on the page that is open."""
    for name in (STEP, PRESENTER):
        st.query_params.pop(name, None)
    st.rerun()


def other_model() -> None:
    """Say so where another model than the demo is loaded."""
    loaded = workspace.current()
    if loaded is None or not fits(loaded):
        st.caption("The tour speaks of the demo; another model is loaded.")
        if st.button("Open the demo", icon=":material/folder_open:"):
            workspace.open_workspace(Sources())
            st.rerun()


def fits(loaded: Workspace) -> bool:
    """Return whether the tour speaks of what is loaded: the demo."""
    return not for_url(loaded.sources)


def offered(loaded: Workspace) -> bool:
    """Return whether the tour is worth beginning: of the demo, and not within it."""
    return fits(loaded) and current("overview") is None


def start() -> None:
    """Draw the link to the first step."""
    st.page_link(
        f"pages/{STEPS[0].page}/page.py",
        label="Take the tour",
        help="Five steps through the demo.",
        icon=":material/tour:",
        query_params=address(1),
    )

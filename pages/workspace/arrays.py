"""The question which arrays of an .npz are the images, and which are held out."""

from dataclasses import dataclass, replace

import streamlit as st

from memlib.images.arrays import arrays_in
from memlib.sources import Source
from memlib.workspace import Sources
from pages.session.messages import plain
from pages.session.paths import roots
from pages.session.state import Kept

NONE = ""  # no array
TRAINED, OTHERS = ("train", "images"), ("test", "held", "val", "eval")  # in names of arrays


@dataclass(frozen=True)
class Asked:
    """Sources whose images are in a file with several `arrays`, with their shapes in words."""

    sources: Sources
    arrays: dict[str, str]


ASKED: Kept[Asked | None] = Kept("arrays_asked", lambda: None)


def has_several(sources: Sources) -> bool:
    """Return whether the images of these sources are in an .npz with several arrays of pictures,
    none of which is named; `which_arrays` then asks. Raises ValueError for a file that cannot be
    read.
    """
    ASKED.pop()
    found = arrays_in(Source(sources.images, roots()))
    if len(found) > 1:
        ASKED.set(Asked(sources, found))
    return len(found) > 1


def which_arrays() -> Sources | None:
    """Draw the question while it is open; return the sources once it is answered."""
    asked = ASKED.get()
    if asked is None:
        return None
    names, file = list(asked.arrays), asked.sources.images
    with st.form("arrays", border=True):
        st.markdown(
            f"**{plain(file.rsplit('/', 1)[-1])}** has {len(names):,} arrays of pictures. Which "
            "are the images that the model was trained on, and which are held out?"
        )
        left, right = st.columns(2)
        images = left.selectbox(
            "Array of the images",
            names,
            index=_guess(names, TRAINED, 0),
            format_func=lambda name: plain(f"{name}: {asked.arrays[name]}"),
        )
        held_out = right.selectbox(
            "Array of held-out images",
            [NONE, *names],
            index=1 + _guess(names, OTHERS, -1),
            format_func=lambda name: plain(f"{name}: {asked.arrays[name]}") if name else "none",
            help="Of the same kind as the images, and not trained on.",
        )
        if not st.form_submit_button("Load these", type="primary", icon=":material/login:"):
            return None
    if held_out == images:
        st.error("The same array cannot be both; choose two.", icon=":material/error:")
        return None
    ASKED.pop()
    other = f"{file}:{held_out}" if held_out else asked.sources.held_out
    return replace(asked.sources, images=f"{file}:{images}", held_out=other)


def _guess(names: list[str], words: tuple[str, ...], otherwise: int) -> int:
    found = (place for place, name in enumerate(names) if any(word in name for word in words))
    return next(found, otherwise)

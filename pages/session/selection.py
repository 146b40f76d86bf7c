"""What is selected, the same on every page: the chosen image, and a list of images collected by
hand for the audit.
"""

import streamlit as st

from pages.session.address import renamed
from pages.session.state import LONGEST, Kept

PARAMETER, BEFORE = "image", "case"
IMAGE: Kept[str | None] = Kept("selected image", lambda: None, of_model=True)
BY_HAND: Kept[list[str]] = Kept("by_hand", list)  # ids


def chosen() -> str | None:
    """Return the id of the chosen image, from the address or an earlier page; None before one is
    chosen.

    It is written to the address of every page that asks for it.
    """
    renamed(BEFORE, PARAMETER)  # the audit page's name for it in older links
    asked = st.query_params.get(PARAMETER, "")
    if asked and len(asked) <= LONGEST:
        IMAGE.set(asked)
    image = IMAGE.get()
    if image is not None and asked != image:
        st.query_params[PARAMETER] = image
    return image


def choose(image: str) -> None:
    """Choose an image by its id, for every page."""
    IMAGE.set(image)
    if st.query_params.get(PARAMETER) != image:
        st.query_params[PARAMETER] = image

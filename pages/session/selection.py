"""The selected image: one for the whole session, the same on every page, named in the address."""

import streamlit as st

PARAMETER = "image"


def chosen() -> str | None:
    """The id of the selected image, None before one is chosen."""
    return st.query_params.get(PARAMETER)


def choose(image: str) -> None:
    """Select an image by its id."""
    st.query_params[PARAMETER] = image

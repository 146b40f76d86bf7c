"""What is known about an image besides its numbers: its name, its group, its metadata."""

import pandas as pd
import streamlit as st

from memlib.workspace import Workspace


def short(name: str) -> str:
    """Return an image's name without its folders and its suffix."""
    return str(name).rsplit("/", 1)[-1].rsplit(".", 1)[0]


def facts(row: pd.Series, loaded: Workspace) -> str:
    """Return the metadata of the image in a row as text."""
    known = [
        f"{name} {row[name]:g}" if isinstance(row[name], (int, float)) else f"{name} {row[name]}"
        for name in loaded.images.metadata
        if name in row and row[name] not in ("", None)
    ]
    return " · ".join(known)


def everything_about(image: str) -> None:
    """Draw the link to the page with everything that is known about the image with this id."""
    st.page_link(
        "pages/image/page.py",
        label="Everything about this image",
        icon=":material/frame_inspect:",
        query_params={"image": image},
    )

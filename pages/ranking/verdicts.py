"""Where verdicts are stored and who gives them; what a reviewer may see of those on one image."""

import os
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from memlib.audit import Verdicts, standing, visible
from pages.session.state import Page

DATABASE = "AFTERIMAGE_DATABASE"
REVIEWER = Page("audit").text("reviewer", linked=False)


def database() -> str:
    """Return the URL of the database of verdicts: configured, or a file in the working
    directory.
    """
    if os.environ.get(DATABASE):
        return os.environ[DATABASE]
    try:
        if DATABASE in st.secrets:
            return str(st.secrets[DATABASE])
    except StreamlitSecretNotFoundError:
        pass
    return f"sqlite:///{Path.cwd() / '.afterimage' / 'audit.sqlite'}"


@st.cache_resource(max_entries=4, show_spinner=False, on_release=Verdicts.close)
def _verdicts(url: str) -> Verdicts:
    return Verdicts(url)


def verdicts() -> Verdicts:
    return _verdicts(database())


def signed_in() -> str | None:
    """Return the visitor's name if the app asks visitors to sign in."""
    return str(st.user.get("email") or "") or None if st.user.get("is_logged_in") else None


def reviewer() -> str:
    """Return the visitor's name as a reviewer; "" if none is given."""
    return signed_in() or REVIEWER.value().strip()


def verdicts_on(model: str, image: str) -> tuple[pd.DataFrame, int]:
    """Return the current verdicts on an image that the visitor may see, and how many there are: a
    reviewer is blind to the others until deciding.
    """
    history = verdicts().history(model)
    holds, seen = standing(history), standing(visible(history, reviewer()))
    return seen[seen["image"] == image], int((holds["image"] == image).sum())

"""Errors as text: what a message quotes comes from files and users, and must not be read as
Markdown.
"""

import re

import streamlit as st


def plain(text: str) -> str:
    """Text whose every character stands for itself in Markdown."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>~$:@&])", r"\\\1", text)


def show_error(error: Exception | str) -> None:
    st.error(plain(str(error)), icon=":material/error:")

"""A page's address as a server's very first request.

Streamlit takes a folder called `pages` for its older kind of multipage app until `st.navigation`
has run once in the process, and looks there for a script of the address. The one-line scripts
`pages/0_<page>.py` are what it finds: they hand the request to app.py. Without them the visitor
would see "Page not found" over the right page.
"""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager


def hand_over() -> None:
    """Run the request again, by app.py."""
    PagesManager.uses_pages_directory = False
    st.rerun()

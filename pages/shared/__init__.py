"""What the pages share: the workspace, the gallery, charts and exports.

Streamlit takes a folder called `pages` for its older kind of multipage app until `st.navigation` has run once in the
process. A deep link that is the server's first request would then run a page without `app.py`; this sends it back.
"""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

if PagesManager.uses_pages_directory:
    PagesManager.uses_pages_directory = False
    st.rerun()

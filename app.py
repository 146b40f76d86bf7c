"""Afterimage: what a diffusion model remembers. Run with `make app`."""

import streamlit as st

from pages.shared import background, workspace

st.set_page_config(page_title="Afterimage", page_icon=":material/filter_b_and_w:", layout="wide")

page = st.navigation(
    [
        st.Page(
            "pages/workspace.py", title="Workspace", icon=":material/folder_open:", help="Choose a model and the images to look for in it."
        ),
        st.Page(
            "pages/volume_growth.py",
            title="Volume growth",
            icon=":material/open_in_full:",
            default=True,
            help="Images ranked by how much latent space leads to them, with a map for each.",
        ),
        st.Page(
            "pages/p_laplace.py",
            title="p-Laplace",
            icon=":material/target:",
            help="Images ranked by how strongly the score points back to them, with maps over p and noise level.",
        ),
        st.Page(
            "pages/landscapes.py",
            title="Landscapes",
            icon=":material/landscape:",
            help="Mixtures of the plane, where every measure has an exact value beside its estimate.",
        ),
        st.Page(
            "pages/extraction.py",
            title="Extraction",
            icon=":material/science:",
            help="SIDE: pull training images out of the model, each shown beside its nearest training image.",
        ),
        st.Page(
            "pages/audit.py",
            title="Audit",
            icon=":material/fact_check:",
            help="Flagged images one by one, with everything known of each: look, decide, export.",
        ),
        st.Page(
            "pages/evidence.py",
            title="Evidence",
            icon=":material/balance:",
            help="Which measure predicts what the model really reproduces.",
        ),
        st.Page(
            "pages/runs.py",
            title="Runs",
            icon=":material/database:",
            help="Runs of any size, from this app, the command line or a cluster, looked at where they lie.",
        ),
        st.Page(
            "pages/methods.py",
            title="Methods",
            icon=":material/function:",
            help="What each number is, its formula, direction, limits and source.",
        ),
    ]
)
with st.container():  # what loading shows must not move the page below it, whose parts would be drawn anew
    workspace.restore()
workspace.show_in_sidebar()
background.show_in_sidebar()
st.title(page.title)
page.run()

"""Afterimage: what a diffusion model remembers. Run with `make app`."""

import streamlit as st

from pages.session import background, state, workspace

st.set_page_config(page_title="Afterimage", page_icon=":material/filter_b_and_w:", layout="wide")

page = st.navigation(
    [
        st.Page(
            "pages/workspace/page.py",
            url_path="workspace",
            title="Workspace",
            icon=":material/folder_open:",
            help="Choose a model and the images to look for in it.",
        ),
        st.Page(
            "pages/volume_growth/page.py",
            url_path="volume_growth",
            title="Volume growth",
            icon=":material/open_in_full:",
            default=True,
            help="Images ranked by how much latent space leads to them, with a map for each.",
        ),
        st.Page(
            "pages/p_laplace/page.py",
            url_path="p_laplace",
            title="p-Laplace",
            icon=":material/target:",
            help="Images ranked by how strongly the score points back to them, with maps over p "
            "and noise level.",
        ),
        st.Page(
            "pages/landscapes/page.py",
            url_path="landscapes",
            title="Landscapes",
            icon=":material/landscape:",
            help="Mixtures of the plane, where every measure has an exact value beside its "
            "estimate.",
        ),
        st.Page(
            "pages/extraction/page.py",
            url_path="extraction",
            title="Extraction",
            icon=":material/science:",
            help="SIDE: pull training images out of the model, each shown beside its nearest "
            "training image.",
        ),
        st.Page(
            "pages/audit/page.py",
            url_path="audit",
            title="Audit",
            icon=":material/fact_check:",
            help="Flagged images one by one, with everything known of each: look, decide, export.",
        ),
        st.Page(
            "pages/evidence/page.py",
            url_path="evidence",
            title="Evidence",
            icon=":material/balance:",
            help="Which measure predicts what the model really reproduces.",
        ),
        st.Page(
            "pages/runs/page.py",
            url_path="runs",
            title="Runs",
            icon=":material/database:",
            help="Runs of any size, from this app, the command line or a cluster, looked at where "
            "they lie.",
        ),
        st.Page(
            "pages/methods/page.py",
            url_path="methods",
            title="Methods",
            icon=":material/function:",
            help="What each number is, its formula, direction, limits and source.",
        ),
    ]
)
state.arrive(page.url_path)
with (
    st.container()
):  # what loading shows must not move the page below it, whose parts would be drawn anew
    workspace.restore()
workspace.show_in_sidebar()
background.show_in_sidebar()
st.title(page.title)
page.run()

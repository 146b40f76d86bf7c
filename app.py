"""Afterimage: what a diffusion model remembers. Run with `make app` or `afterimage app`."""

import gc
import sys
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages.overview import tour
from pages.session import background, sidebar, state, workspace
from pages.session.messages import guarded
from pages.widgets import waiting

ICON = (
    Path(__file__).parent / "assets" / "icon.svg"
)  # a file of ours: an icon given by name would be fetched from the network
STYLE = Path(__file__).parent / "assets" / "style.css"


def page(name: str, title: str, icon: str, about: str, default: bool = False) -> StreamlitPage:
    """Return the page in folder `name`, which is also its address."""
    return st.Page(
        f"pages/{name}/page.py",
        url_path="" if default else name,
        title=title,
        icon=f":material/{icon}:",
        default=default,
        help=about,
    )


def pages() -> dict[str, list[StreamlitPage]]:
    """Every page, in the groups and the order of the navigation."""
    return {
        "What it remembers": [
            page(
                "overview",
                "Overview",
                "visibility",
                "What the model gives away, how often, how sure that is, and what is not known.",
                default=True,
            ),
            page(
                "image",
                "One image",
                "frame_inspect",
                "Everything about the chosen image: how often it comes back, where it ranks, its "
                "maps, its copies, its verdict.",
            ),
            page(
                "extraction",
                "Extraction",
                "science",
                "SIDE: pull training images out of the model, each shown beside its nearest "
                "training image.",
            ),
            page(
                "prompts",
                "Prompts",
                "chat",
                "Models of text: which prompts bring training pictures back, told before, during "
                "and after drawing.",
            ),
            page(
                "audit",
                "Audit",
                "fact_check",
                "Flagged images one by one, with everything known about each: look, decide, "
                "export.",
            ),
        ],
        "Measures": [
            page(
                "volume_growth",
                "Volume growth",
                "open_in_full",
                "Images ranked by how much latent space leads to them, with a map for each.",
            ),
            page(
                "p_laplace",
                "p-Laplace",
                "target",
                "Images ranked by how strongly the score points back to them, with maps over p and "
                "noise level.",
            ),
            page(
                "evidence",
                "Evidence",
                "balance",
                "Which measure best predicts what the model reproduces.",
            ),
            page(
                "compare",
                "Two models",
                "compare",
                "What one model gives away and another does not, on the same images.",
            ),
        ],
        "Understand": [
            page(
                "landscapes",
                "Landscapes",
                "landscape",
                "Mixtures in the plane, where the exact value of every measure is known and "
                "shown beside its estimate.",
            ),
            page(
                "methods",
                "Methods",
                "function",
                "What each number is, its formula, direction, limits and source.",
            ),
        ],
        "Data": [
            page(
                "workspace",
                "Workspace",
                "folder_open",
                "Choose a model and the images to look for in it.",
            ),
            page(
                "runs",
                "Runs",
                "database",
                "Runs of any size, from this app, the command line or a cluster, browsed without "
                "loading them whole.",
            ),
            # The first page stands at the root; a link to it by its name is led there.
            st.Page(to_first, url_path="overview", title="Overview", visibility="hidden"),
        ],
    }


def to_first() -> None:
    """Go to the first page, with all that the address says."""
    url = st.query_params
    st.switch_page("pages/overview/page.py", query_params={name: url.get_all(name) for name in url})


@st.cache_resource(show_spinner=False)
def settle(modules: int) -> None:
    """Keep all that exists now out of the collection of garbage, whenever modules were imported.

    Streamlit collects garbage after every run of a page and of a fragment. With torch, its classes
    and the rows of the demo in memory, that took longer than a click's own work.
    """
    gc.freeze()


def main() -> None:
    """Draw the sidebar and the page that is open."""
    settle(len(sys.modules))
    st.set_page_config(page_title="Afterimage", page_icon=ICON, layout="wide")
    opened = st.navigation(pages(), expanded=True)
    st.html(STYLE)
    with guarded():
        if state.arrive(opened.url_path):
            waiting.forget()
        # A container, so that messages while loading do not move the page below and redraw its
        # parts.
        with st.container():
            workspace.restore()
        sidebar.show_in_sidebar()
        background.show_in_sidebar()
        tour.bar(opened.url_path)
        st.title(opened.title)
        opened.run()


main()

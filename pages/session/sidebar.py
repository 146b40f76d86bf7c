"""The sidebar of every page: which model and images are loaded, and on which device the app
computes.
"""

import streamlit as st

from memlib.workspace import Workspace
from pages.session.messages import plain
from pages.session.workspace import current


def show_in_sidebar() -> None:
    """Draw which model and images are loaded, and on which device the app computes."""
    loaded = current()
    with st.sidebar:
        if loaded is None:
            st.caption("No model is loaded.")
            return
        st.text(loaded.denoiser.name)
        st.caption(f"{loaded.denoiser.parameters / 1e6:.1f} million parameters, {_place(loaded)}")
        st.text(f"{loaded.images.name} images")
        _, height, width = loaded.images.shape
        st.caption(f"{len(loaded.images):,} of {width:d} x {height:d}")
        if loaded.denoiser.shape != loaded.images.shape:
            st.caption(
                f"Measured as latents of {loaded.denoiser.shape[2]} x {loaded.denoiser.shape[1]}; "
                "maps are enlarged over the image."
            )
        if loaded.reference is not None:
            st.text(f"Reference: {loaded.reference.name}")


def _place(loaded: Workspace) -> str:
    kind = loaded.denoiser.device.type
    return "on the CPU" if kind == "cpu" else f"on {plain(kind.upper())}"

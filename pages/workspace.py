"""Choose a model and the images to look for in it."""

import numpy as np
import streamlit as st

from memlib.denoisers.unet import BUNDLED
from pages.shared import workspace
from pages.shared.pictures import data_url, enlarge, rgb
from pages.shared.workspace import Sources

workspace.enter()
st.caption("Load an unconditional image diffusion model and the images it was trained on, or may have been.")

current = workspace.current()
before = current.sources if current else Sources()
workspace.show_problem()


def opened(sources: Sources) -> None:
    """Try to open; a failure is shown and what was loaded stays."""
    try:
        with st.spinner("Loading"):
            workspace.open_workspace(sources)
    except ValueError as error:
        st.error(str(error), icon=":material/error:")
        if current:
            st.caption("What was loaded before is still loaded.")
    else:
        st.rerun()


actions = st.container(horizontal=True)
demo = actions.button(
    "Open the demo",
    type="primary",
    icon=":material/rocket_launch:",
    help="A small model trained on emoji, some of them repeated, that comes with the app.",
)
if current is not None:
    actions.button("Close", icon=":material/close:", on_click=workspace.close_workspace, help="Unload the model and the images.")

chosen_reference = before.reference if before.model != "demo" else ""  # the demo brings its own
references = list(dict.fromkeys([*BUNDLED, *filter(None, [chosen_reference])]))
with st.form("sources", border=True):
    model = st.text_input(
        "Model",
        "" if before.model == "demo" else before.model,
        placeholder="a diffusers folder, or a Hub id such as google/ddpm-cifar10-32",
        help="DDPM, DDIM and PNDM pipelines or bare U-Nets, weights as safetensors.",
    )
    pictures = st.text_input(
        "Images", "" if before.images == "demo" else before.images, placeholder="a folder, a .zip, a .npz or a .npy file"
    )
    left, middle, right = st.columns(3)
    size = left.number_input(
        "Image size",
        1,
        4096,
        before.size,
        placeholder="as they are",
        help="Resizes the shorter side and crops the centre. Leave it empty for images that fit the model.",
    )
    channels = middle.selectbox(
        "Image colour",
        [None, 3, 1],
        index=[None, 3, 1].index(before.channels if before.channels in (1, 3) else None),
        format_func=lambda count: {None: "as they are", 1: "to grey", 3: "to colour"}[count],
    )
    reference = right.selectbox(
        "Reference model",
        references,
        index=references.index(chosen_reference) if chosen_reference else None,
        placeholder="none",
        accept_new_options=True,
        help="An earlier checkpoint, or a model trained without the images. What it also gives an image is no memory of the model's; pages can take it away.",
    )
    submitted = st.form_submit_button("Load", icon=":material/login:")

if demo:
    opened(Sources())
if submitted:
    if not model.strip() and not pictures.strip() and not reference:
        st.error("Type where the model and the images are, or open the demo.", icon=":material/error:")
    else:
        chosen = model.strip() or "demo"
        opened(
            Sources(
                chosen,
                pictures.strip() or "demo",
                (reference or "").strip() or (Sources.reference if chosen == "demo" else ""),
                int(size) if size else None,
                channels,
            )
        )

if current is not None:
    st.subheader("Images")
    images = current.images
    places = np.random.default_rng(0).choice(len(images), min(24, len(images)), replace=False)
    strip = st.container(horizontal=True, gap="xsmall")
    for place in sorted(places):
        strip.image(data_url(enlarge(rgb(images[int(place)]), 64)), width=64, alt=images.names[place])
    st.caption(
        f"{len(images):,} images, {images.shape[2]} x {images.shape[1]}, {'colour' if images.shape[0] == 3 else 'grey'}; {len(set(images.ids)):,} are distinct."
    )
    if images.skipped:
        with st.expander(f"{len(images.skipped):,} files were left out", icon=":material/warning:"):
            st.dataframe(
                [{"file": name, "reason": reason} for name, reason in images.skipped], hide_index=True, alt="Files that were left out"
            )
    st.subheader("Model")
    denoiser = current.denoiser
    facts = {
        "Name": denoiser.name,
        "Predicts": {"epsilon": "the noise", "sample": "the image", "v_prediction": "the velocity v"}[denoiser.prediction],
        "Draws": " x ".join(str(side) for side in denoiser.shape),
        "Parameters": f"{denoiser.parameters:,}",
        "Noise levels": f"{denoiser.sigma_floor:.4g} to {denoiser.sigma_max:.4g}" + (", cut there" if denoiser.truncated else ""),
        "Computes on": str(denoiser.device),
        "Digest": denoiser.digest,
        "Reference": current.reference.name if current.reference else "none",
    }
    st.dataframe(
        [{"Property": name, "Value": value} for name, value in facts.items()],
        hide_index=True,
        height="content",
        alt="What was understood of the model",
    )
    st.page_link("pages/volume_growth.py", label="See which images it remembers", icon=":material/arrow_forward:")

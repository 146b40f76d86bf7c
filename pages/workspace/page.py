"""Choose a model and the images to look for in it."""

from dataclasses import replace

import streamlit as st

from memlib.bundled import REFERENCES
from memlib.denoisers.condition import LARGEST_SCALE
from memlib.denoisers.text.tokenizer import LONGEST_PROMPT
from memlib.images.transform import FITS
from memlib.workspace import NULL, Sources, Workspace
from pages.session import workspace
from pages.session.address import sources_of_url
from pages.session.messages import plain, show_error
from pages.session.state import Kept
from pages.survey.panel import offered, survey_panel
from pages.workspace.arrays import has_several, which_arrays
from pages.workspace.image_card import (
    before_and_after,
    grouping,
    image_facts,
    near_duplicates,
    strip,
)
from pages.workspace.model_card import model_card

BENCHMARK = Sources("benchmark", "benchmark", "benchmark-reference")
ITSELF = "itself, without prompt or class"
LOADED = Kept("loaded just now", bool)


def main() -> None:
    """Draw the page: open and close, the form, and facts about what is loaded."""
    st.caption("Load an image diffusion model and the images it was, or may have been, trained on.")
    current = workspace.current()
    if current is not None:
        before = current.sources
    else:  # a link that could not be opened, or is not open yet, fills in the form
        before = sources_of_url() if workspace.is_waiting() else Sources()
    workspace.show_problem()
    actions = st.container(horizontal=True)
    if actions.button(
        "Open the demo",
        type="primary" if current is None else "secondary",
        icon=":material/rocket_launch:",
        help="A small model trained on emoji, some of them repeated, that comes with the app.",
    ):
        opened(Sources())
    if actions.button(
        "Open the benchmark",
        icon=":material/straighten:",
        help="A small model of drawings of which it is known what repeats: copied 2 to 32 times, "
        "or sharing a part with others. It also comes with the app.",
    ):
        opened(BENCHMARK)
    if current is not None:
        actions.button(
            "Close",
            icon=":material/close:",
            on_click=workspace.close_workspace,
            help="Unload the model and the images.",
        )
    sources, pressed = chosen_sources(before, current is None)
    answered = which_arrays() if not pressed else None
    if pressed == "load":
        load(sources)
    elif answered is not None:
        opened(answered)
    elif pressed == "preview":
        previewed(sources)
    if current is not None:
        if LOADED.pop():
            confirmed(current)
        understood(current)


def understood(current: Workspace) -> None:
    """Draw the survey, facts about the images and the model, and a link to the next page."""
    if offered(current):
        st.subheader("Survey")
        survey_panel(current)
    st.subheader("Images")
    strip(current.images)
    image_facts(current.images)
    left, right = st.columns([1, 3], gap="medium", vertical_alignment="bottom")
    with left:
        group = grouping(current.images, current.sources.group)
    with right:
        near_duplicates(current.images)
    if group != current.sources.group:
        opened(replace(current.sources, group=group))
    st.subheader("Model")
    model_card(current.denoiser, current.reference, current.images)
    st.page_link(
        "pages/overview/page.py",
        label="See what it remembers",
        icon=":material/arrow_forward:",
    )


def load(sources: Sources) -> None:
    """Open the sources; where several arrays may be the images, ask first."""
    try:
        several = has_several(sources)
    except ValueError as error:
        show_error(error)
        return
    if several:
        st.rerun()
    opened(sources)


def opened(sources: Sources) -> None:
    """Try to open the sources; a failure is shown, and what was loaded before stays."""
    try:
        with st.spinner("Loading"):
            workspace.open_workspace(sources)
    except ValueError as error:
        show_error(error)
        if workspace.current():
            st.caption("The previous model and images are still loaded.")
    else:
        LOADED.set(True)
        st.rerun()


def confirmed(current: Workspace) -> None:
    """Say what was loaded just now, how many images, and where to go on."""
    images, denoiser = current.images, current.denoiser
    held_out = int(images.held_out.sum())
    apart = f", {held_out:,} of them held out" if held_out else ""
    skipped = f" {len(images.skipped):,} files were left out." if images.skipped else ""
    st.success(
        f"Loaded: the model **{plain(denoiser.name)}** with {denoiser.parameters / 1e6:.1f} "
        f"million parameters, and {len(images):,} images of **{plain(images.name)}**{apart}."
        f"{skipped}",
        icon=":material/check:",
    )
    st.page_link(
        "pages/overview/page.py",
        label="Go to the overview"
        if not offered(current)
        else "Go to the overview, or start a survey below, which fills it",
        icon=":material/arrow_forward:",
    )


def previewed(sources: Sources) -> None:
    """Draw the first pictures of a source, before and after the transform."""
    try:
        images = workspace.read_images(sources, sources.images, limit=8)
    except ValueError as error:
        show_error(error)
        return
    before_and_after(images, list(range(len(images))))


def chosen_sources(before: Sources, primary: bool) -> tuple[Sources, str]:
    """Draw the form; return what to load and how, and which button was pressed ("" for none)."""
    chosen_reference = before.reference if before.model != "demo" else ""  # the demo brings its own
    references = list(dict.fromkeys([*REFERENCES, NULL, *filter(None, [chosen_reference])]))
    with st.form("sources", border=True):
        first, second = st.columns(2, gap="large")
        model = first.text_input(
            "Model",
            "" if before.model == "demo" else before.model,
            placeholder="a folder, or google/ddpm-cifar10-32",
            help="A diffusers folder, a .safetensors with its configs beside it, or the id of a "
            "model of the Hugging Face Hub: unconditional or class-conditional U-Nets and "
            "DiT, in pixels or latents, with any of diffusers' usual schedulers, or Stable "
            "Diffusion 1, 2, XL and 3. Weights as safetensors. A Hub id may name a revision: "
            "owner/name@revision.",
        )
        pictures = second.text_input(
            "Images",
            "" if before.images == "demo" else before.images,
            placeholder="a folder, a file, or uoft-cs/cifar10:train",
            help="The images the model was, or may have been, trained on: a folder, a .zip, "
            ".tar, .npz, .npy or .parquet, or a data set of the Hub as owner/name:split or "
            "owner/name/config@revision:split.",
        )
        held_out = second.text_input(
            "Held-out images",
            before.held_out,
            placeholder="none",
            help="Images of the same kind that were not trained on, from a separate source. "
            "They get the group held-out; the pages compare the other images with them.",
        )
        left, right = first.columns(2)
        label = right.number_input(
            "Class",
            0,
            100_000,
            before.label,
            placeholder="none",
            help="For class-conditional models: the class whose images are measured.",
        )
        reference = left.selectbox(
            "Reference model",
            references,
            index=references.index(chosen_reference) if chosen_reference else None,
            placeholder="none",
            accept_new_options=True,
            format_func=lambda name: ITSELF if name == NULL else name,
            help="An earlier checkpoint, a model trained without the images, or the model itself "
            "without its prompt or class. Values that the reference also has are not due to "
            "memorisation; the pages can subtract them.",
        )
        left, right = first.columns(2)
        prompt = left.text_input(
            "Prompt",
            before.prompt,
            max_chars=LONGEST_PROMPT,
            placeholder="none",
            help="For models of text: the prompt the images were trained with, or none. The page "
            "Prompts takes whole lists.",
        ).strip()
        guidance = right.number_input(
            "Guidance scale",
            0.0,
            LARGEST_SCALE,
            before.guidance_scale,
            placeholder="none",
            help="Of classifier-free guidance towards the prompt; twice the cost.",
        )
        columns = st.columns([1, 2, 1, 1], vertical_alignment="bottom")
        size = columns[0].number_input(
            "Image size",
            1,
            4096,
            before.size,
            placeholder="as they are",
            help="The size to which training resized the images. Leave it empty if the images "
            "already fit the model.",
        )
        fit = columns[1].selectbox(
            "Resize method",
            list(FITS),
            index=list(FITS).index(before.fit),
            format_func=FITS.__getitem__,
        )
        channels = columns[2].selectbox(
            "Image colour",
            [None, 3, 1],
            index=[None, 3, 1].index(before.channels if before.channels in (1, 3) else None),
            format_func=lambda count: {None: "as they are", 1: "to grey", 3: "to colour"}[count],
        )
        mirror = columns[3].checkbox(
            "Flip left to right",
            before.mirror,
            help="For models trained with random flips: tests the mirror images.",
        )
        row = st.container(horizontal=True)
        load = row.form_submit_button(
            "Load", icon=":material/login:", type="primary" if primary else "secondary"
        )
        preview = row.form_submit_button("Preview images", icon=":material/preview:")
    chosen = model.strip() or "demo"
    sources = Sources(
        chosen,
        pictures.strip() or "demo",
        (reference or "").strip() or (Sources.reference if chosen == "demo" else ""),
        int(size) if size else None,
        channels,
        None if label is None else int(label),
        fit,
        mirror,
        held_out.strip(),
        before.group if pictures.strip() == before.images else "",
        prompt,
        guidance,
    )
    if (load or preview) and not any(
        (model.strip(), pictures.strip(), held_out.strip(), reference, size, channels, mirror)
    ):
        st.error("Enter the model and the images, or open the demo.", icon=":material/error:")
        return sources, ""
    return sources, "load" if load else "preview" if preview else ""


main()

"""Measuring images on a page: which images, at what cost, now or in the background."""

import random
from collections.abc import Sequence

import streamlit as st

from memlib import ImageSet
from memlib.measures import MEASURES
from memlib.runs import measure_images
from pages.ranking.view import View
from pages.session import background, downloads
from pages.session import results as computed
from pages.session.messages import plain, show_error

SAMPLE, EVERYTHING, CHOSEN = "A random sample", "Everything", "Chosen images"


def measuring(view: View) -> None:
    """Draw which images can be measured and the cost, and measure them. Finished images are always
    kept.
    """
    background.adopt(view)
    images, models = view.loaded.images, view.models
    known = set.intersection(*(set(view.known(model)) for model in models))
    missing = [index for index, image in enumerate(images.ids) if image not in known]
    title = "Measure images" if missing else "All images are measured with these settings"
    with st.expander(title, icon=":material/play_arrow:", expanded=len(missing) == len(images)):
        if not missing:
            return
        chosen = _chosen(images, missing, int(view.parameters["seed"]))
        cost = downloads.duration(
            computed.seconds(view.loaded.denoiser, len(chosen) * view.forwards)
        )
        both = " with the model and its reference" if len(models) > 1 else ""
        st.caption(
            f"{len(chosen):,} images, {view.forwards} network forwards each{both}: about {cost}."
        )
        row = st.container(horizontal=True)
        now = row.button(
            "Measure", type="primary", icon=":material/play_arrow:", disabled=not chosen
        )
        what = f"{MEASURES[view.measure].title.split(' at ')[0]} of {len(chosen):,} images"
        with row:
            background.button(
                "Run in background", not chosen, background.measure, view, chosen, what
            )
        if now:
            _measure(view, chosen)


def nothing_measured() -> None:
    """Draw what a page shows while no image is measured."""
    st.info(
        "No image has been measured with these settings yet. Choose images above and measure them.",
        icon=":material/hourglass_empty:",
    )


def _chosen(images: ImageSet, missing: Sequence[int], seed: int) -> list[int]:
    """Draw the choice of images to measure; return those not measured yet."""
    choice = st.segmented_control(
        "What to measure", [SAMPLE, EVERYTHING, CHOSEN], default=SAMPLE, required=True
    )
    if choice == EVERYTHING:
        return list(missing)
    if choice == SAMPLE:
        count = st.number_input("How many", 1, max(1, len(missing)), min(64, len(missing)))
        return sorted(random.Random(seed).sample(list(missing), int(min(count, len(missing)))))
    text = st.text_area("Names or ids, one per line", height=100, placeholder=images.names[0])
    wanted = {line.strip() for line in text.splitlines() if line.strip()}
    unknown = sorted(wanted - set(images.names) - set(images.ids))
    if unknown:
        st.warning(
            plain(f"Not in this image set: {', '.join(unknown[:5])}"), icon=":material/warning:"
        )
    return [index for index in missing if {images.names[index], images.ids[index]} & wanted]


def _measure(view: View, chosen: Sequence[int]) -> None:
    bar = st.progress(0.0, "Measuring")
    st.button("Stop", icon=":material/stop:", help="Finished images are kept.")
    try:
        for model, of in zip(view.models, ("", " with the reference"), strict=False):
            for done, total in measure_images(
                model,
                view.loaded.images,
                chosen,
                view.measure,
                view.parameters,
                computed.results(),
                lambda done, total: bar.progress(done / total, f"Measuring, {done / total:.0%}"),
            ):
                bar.progress(done / total, f"{done:,} of {total:,} images measured{of}")
    except ValueError as error:
        show_error(error)
        return
    st.rerun()

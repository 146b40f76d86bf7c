"""One image over the checkpoints of the training run: when did the model start to remember it?"""

from collections.abc import Callable

import numpy as np
import streamlit as st

from memlib.denoisers import NetworkDenoiser
from memlib.denoisers.loading import find_checkpoints
from memlib.evidence.onset import chance, onset
from memlib.measures import Row, difference
from memlib.progress import Progress, part
from memlib.runs import held_out_sample, measure_images
from pages.figures.maps import over_training
from pages.figures.pictures import coarse, colour_range
from pages.figures.style import CONFIG, literal
from pages.ranking.view import Picture
from pages.session import results as computed
from pages.session import workspace
from pages.session.long_work import long_work
from pages.session.measured import measured
from pages.session.messages import plain, show_error
from pages.session.paths import roots
from pages.volume_growth.growth_view import MEASURE, PAGE, Growth

DEMO_RUN = {
    "demo-reference": "5% of training",
    "demo-early": "14%",
    "demo-middle": "40%",
    "demo": "the end",
}
FOLDER = PAGE.text("checkpoints", of_model=True)

State = tuple[str, Callable[[], NetworkDenoiser]]  # a checkpoint's digest, and how to load it


def checkpoints_panel(view: Growth, picture: Picture) -> None:
    """Draw value and map at every checkpoint, and the first from which the image stands out from
    the held-out ones.
    """
    of_demo = view.loaded.sources.model in DEMO_RUN
    folder = st.text_input(
        "Folder of checkpoints",
        key=FOLDER.key(),
        placeholder="the demo's own checkpoints"
        if of_demo
        else "a folder whose sub-folders are diffusers models",
        help="Every sub-folder that contains a diffusers model is used, in the order of the "
        "numbers in their names.",
    )
    if not folder and not of_demo:
        st.info(
            "Name the folder of a training run to follow this image through training.",
            icon=":material/timeline:",
        )
        return
    try:
        if folder:
            paths = find_checkpoints(folder, roots=roots())
            names, states = (
                [path.name for path in paths],
                [workspace.checkpoint(str(path)) for path in paths],
            )
        else:
            names, states = (
                list(DEMO_RUN.values()),
                [workspace.checkpoint(source) for source in DEMO_RUN],
            )
    except (ValueError, OSError) as error:
        show_error(error)
        return
    rows = _rows(view, picture, states)
    if rows is None:
        return
    band = _band(view, states)
    values, heat = (
        np.array([row["value"] for row in rows]),
        np.stack([view.smooth(row["map"]) for row in rows]),
    )
    began = None if band is None else onset(values, band)
    st.plotly_chart(
        literal(
            over_training(
                names,
                values,
                coarse(heat),
                colour_range(heat, view.minus_reference),
                MEASURE.unit,
                signed=view.minus_reference,
                band=band,
                onset=began,
            )
        ),
        key="training",
        config=CONFIG,
        alt="Growth of the image at each checkpoint",
    )
    st.caption(_said(names, band, began))


def _said(names: list[str], band: np.ndarray | None, began: int | None) -> str:
    """Write the onset in words."""
    if band is None:
        return "The onset is defined by held-out images; none are measured here."
    those = f"the {len(band)} held-out images"
    if began is None:
        return f"No onset: at the last checkpoint this image does not stand out from {those}."
    return (
        f"Onset: from {plain(names[began])} on, this image stands out from {those} at every "
        f"checkpoint. An image like them would have an onset in at most {chance(len(band)):.0%} "
        "of cases."
    )


def _with_reference(view: Growth, states: list[State]) -> list[State]:
    reference = view.loaded.reference
    return [
        *states,
        *(
            [(reference.digest, lambda: reference)]
            if view.minus_reference and reference is not None
            else []
        ),
    ]


def _rows(view: Growth, picture: Picture, states: list[State]) -> list[Row] | None:
    """Return the image's row at each checkpoint; None if the visitor stopped the measurement."""
    results, needed = computed.results(), _with_reference(view, states)
    missing = [
        load
        for digest, load in needed
        if picture.id not in results.rows(digest, MEASURE.run, view.parameters)
    ]

    def measure(progress: Progress) -> None:
        for place, load in enumerate(missing):
            progress(place, len(missing))
            measured(load(), picture.image, picture.id, MEASURE.name, view.parameters)

    if missing and not long_work(
        "Measure at every checkpoint",
        len(missing) * view.seconds,
        measure,
        keeps="Finished checkpoints are kept if you stop.",
    ):
        return None
    rows = [results.rows(digest, MEASURE.run, view.parameters)[picture.id] for digest, _ in needed]
    return [difference(row, rows[-1]) for row in rows[:-1]] if len(needed) > len(states) else rows


def _band(view: Growth, states: list[State]) -> np.ndarray | None:
    """Return values (N, T) of held-out images at the checkpoints, from stored results; draw a
    button to measure them.
    """
    images, results, needed = view.loaded.images, computed.results(), _with_reference(view, states)
    held_out = held_out_sample(images)
    if not held_out:
        return None
    ids = [images.ids[index] for index in held_out]
    missing = [
        load
        for digest, load in needed
        if not set(ids) <= set(results.rows(digest, MEASURE.run, view.parameters))
    ]

    def measure(progress: Progress) -> None:
        for place, load in enumerate(missing):
            told = part(progress, place, 1, len(missing))
            asked = (MEASURE.name, view.parameters, results)
            for _ in measure_images(load(), images, held_out, *asked, told):
                pass

    if missing and not long_work(
        "Measure held-out images at every checkpoint",
        len(missing) * len(held_out) * view.seconds / len(view.models),
        measure,
        ask=True,
        keeps="Finished images are kept if you stop.",
    ):
        return None
    rows = [results.rows(digest, MEASURE.run, view.parameters) for digest, _ in needed]
    values = np.array([[found[image]["value"] for found in rows] for image in ids])
    return values[:, :-1] - values[:, -1:] if len(needed) > len(states) else values

"""One image over the checkpoints of the training run: when did the model start to remember it?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import streamlit as st

from memlib.denoisers import UNetDenoiser
from memlib.denoisers.unet import find_checkpoints
from memlib.measures import Row, difference
from memlib.runs import measure_images, measure_one, result_key
from pages.shared import charts, exports, workspace
from pages.shared.growth import MEASURE, Picture, View
from pages.shared.pictures import coarse, colour_range

DEMO_RUN = ("demo-reference", "demo-early", "demo-middle", "demo")
DEMO_NAMES = ("5% of training", "14%", "40%", "the end")
BAND = 8  # every eighth held-out image
ONSET = 0.95


def checkpoints_panel(view: View, picture: Picture) -> None:
    """Value and map at every checkpoint, and the first at which the image stands out of the held-out ones."""
    of_demo = view.loaded.sources.model in DEMO_RUN
    folder = st.text_input(
        "Folder of checkpoints",
        key="checkpoints",
        bind="query-params",
        placeholder="the demo's own checkpoints" if of_demo else "a folder whose sub-folders are diffusers models",
        help="Every sub-folder that holds a diffusers model counts, in the order of the numbers in their names.",
    )
    if not folder and not of_demo:
        st.info("Name the folder of the training run to follow this image through it.", icon=":material/timeline:")
        return
    try:
        if folder:
            paths = find_checkpoints(Path(workspace.confine(folder)))
            sources, names = [str(path) for path in paths], [path.name for path in paths]
        else:
            sources, names = list(DEMO_RUN), list(DEMO_NAMES)
        states = [workspace.checkpoint(source) for source in sources]
        rows = _rows(view, picture, states)
    except (ValueError, OSError) as error:
        st.error(str(error), icon=":material/error:")
        return
    values, heat = np.array([row["value"] for row in rows]), np.stack([view.smooth(row["map"]) for row in rows])
    band = _band(view, states)
    onset = None
    if band is not None:
        above = np.flatnonzero(values > np.quantile(band, ONSET, axis=0))
        onset = int(above[0]) if len(above) else None
    st.plotly_chart(
        charts.over_training(
            names, values, coarse(heat), colour_range(heat, view.minus_reference), MEASURE.unit,
            signed=view.minus_reference, band=band, onset=onset,
        ),
        key="training",
        config=charts.CONFIG,
        alt="Growth of the image at each checkpoint",
    )  # fmt: skip
    if band is None:
        st.caption(
            "The onset is the first checkpoint at which the image passes 95% of the held-out images; there are none to compare with."
        )
    elif onset is None:
        st.caption("At no checkpoint does this image pass 95% of the held-out images: no onset is marked.")
    else:
        st.caption(f"Onset: {names[onset]} is the first checkpoint at which this image passes 95% of the held-out images.")


State = tuple[str, Callable[[], UNetDenoiser]]


def _rows(view: View, picture: Picture, states: list[State]) -> list[Row]:
    """The picture's row at each checkpoint."""
    results, rows = workspace.results(), []
    for digest, load in states:
        key = result_key(digest, picture.id, MEASURE.name, view.parameters)
        if key not in results:
            measure_one(load(), picture.image, picture.id, MEASURE.name, view.parameters, results)
        rows.append(results[key])
    if view.minus_reference and view.loaded.reference is not None:
        reference = measure_one(view.loaded.reference, picture.image, picture.id, MEASURE.name, view.parameters, results)
        rows = [difference(row, reference) for row in rows]
    return rows


def _band(view: View, states: list[State]) -> np.ndarray | None:
    """Values (N, T) of held-out images at the checkpoints, from what is stored; a button to measure them."""
    images, results = view.loaded.images, workspace.results()
    held_out = [index for index, group in enumerate(images.metadata.get("group", ())) if group == "held-out"][::BAND]
    if not held_out:
        return None

    def key(digest: str, index: int) -> str:
        return result_key(digest, images.ids[index], MEASURE.name, view.parameters)

    missing = [(digest, load) for digest, load in states if any(key(digest, index) not in results for index in held_out)]
    if missing:
        cost = exports.duration(workspace.seconds(view.loaded.denoiser, len(missing) * len(held_out) * view.forwards // len(view.models)))
        if not st.button("Measure held-out images at every checkpoint", icon=":material/area_chart:", help=f"About {cost}."):
            return None
        bar = st.progress(0.0, "Measuring held-out images")
        for place, (_, load) in enumerate(missing):
            for done, total in measure_images(load(), images, held_out, MEASURE.name, view.parameters, results):
                bar.progress((place + done / total) / len(missing), "Measuring held-out images")
        bar.empty()
    values = np.array([[results[key(digest, index)]["value"] for digest, _ in states] for index in held_out])
    if view.minus_reference and view.loaded.reference is not None:
        ours = [results.get(key(view.loaded.reference.digest, index)) for index in held_out]
        if any(row is None for row in ours):
            return None
        values -= np.array([[row["value"]] for row in ours if row is not None])
    return values

"""Redraw one image: noised, denoised again with many seeds, and how often it comes back."""

import numpy as np
import streamlit as st

from memlib.measures import MEASURES, Row
from memlib.measures.redraw import RedrawSettings, levels_of, redrawn_pictures
from memlib.progress import Progress
from memlib.runs import held_out_sample, measure_images
from memlib.workspace import Workspace
from pages.figures.curves import return_curve
from pages.figures.pictures import data_url, enlarge, framed
from pages.figures.style import CONFIG, literal
from pages.ranking.view import Picture
from pages.session import results as computed
from pages.session.long_work import long_work
from pages.session.measured import measured

MEASURE = MEASURES["redraw"]
DRAWS, STEPS, COLUMNS = RedrawSettings.draws, RedrawSettings.steps, 16
RETURNED = RedrawSettings.threshold


def redraw_panel(loaded: Workspace, picture: Picture) -> None:
    """Draw the share of redraws that return to the image at each noise level, and the redraws."""
    denoiser, results, levels = loaded.denoiser, computed.results(), levels_of(loaded.denoiser)
    unit = (
        "black to white is 2"
        if denoiser.shape == denoiser.picture_shape
        else "in units of the latents"
    )
    st.markdown(
        f"The image is noised to σ and denoised with {DRAWS} seeds. Redraws within {RETURNED:g} "
        f"of it (root mean square, {unit}) count as returned. **This is conditioned on the "
        "image:** a wide basin shows that the model can reconstruct the image, not that it "
        "would draw it unprompted."
    )
    asked = {
        sigma: {"sigmas": [sigma], "draws": DRAWS, "seed": 0, "keep_images": True}
        for sigma in levels
    }
    missing = [
        sigma
        for sigma in levels
        if picture.id not in results.rows(denoiser.digest, MEASURE.run, asked[sigma])
    ]

    def draw(progress: Progress) -> None:
        for place, sigma in enumerate(missing):
            progress(place, len(missing))
            measured(denoiser, picture.image, picture.id, MEASURE.name, asked[sigma])

    if missing:
        seconds = computed.seconds(denoiser, len(missing) * DRAWS * STEPS)
        long_work(
            "Redraw it",
            seconds,
            draw,
            icon=":material/brush:",
            ask=True,
            keeps="Finished noise levels are kept if you stop.",
        )
    known = {sigma: results.rows(denoiser.digest, MEASURE.run, asked[sigma]) for sigma in levels}
    rows = {sigma: found[picture.id] for sigma, found in known.items() if picture.id in found}
    if not rows:
        return
    shares = np.array([float((row["distance"] < RETURNED).mean()) for row in rows.values()])
    st.plotly_chart(
        literal(return_curve(np.array(list(rows)), shares, _band(loaded))),
        key="returns",
        config=CONFIG,
        alt="Share of redraws that return to the image, by noise level",
    )
    for (sigma, row), share in zip(rows.items(), shares, strict=True):
        _grid(sigma, share, redrawn_pictures(denoiser, row), row)
    st.caption("The same noise is at the same position of every level. Coloured frame: returned.")


def _grid(sigma: float, share: float, pixels: np.ndarray, row: Row) -> None:
    pixels = np.repeat(pixels, 3, -1) if pixels.shape[-1] == 1 else pixels
    tiles = framed(np.stack([enlarge(one, 48) for one in pixels]), row["distance"][0] < RETURNED, 2)
    lines = [
        np.concatenate(list(tiles[start : start + COLUMNS]), 1)
        for start in range(0, len(tiles), COLUMNS)
    ]
    label, grid = st.columns([1, 9], vertical_alignment="center", gap="small")
    label.markdown(f"σ = {sigma:g}  \n**{share:.0%}**")
    grid.image(
        data_url(np.concatenate(lines)),
        alt=f"Redraws from noise level {sigma:g}; {share:.0%} return",
    )


def _band(loaded: Workspace) -> tuple[str, np.ndarray, np.ndarray] | None:
    """Return the held-out images' share of returns at each level, from stored results; draw a
    button to measure it.
    """
    images, denoiser, results = loaded.images, loaded.denoiser, computed.results()
    held_out, levels = held_out_sample(images), levels_of(loaded.denoiser)
    if not held_out:
        st.caption(
            "If metadata.csv has a group called held-out, its band appears behind the curve."
        )
        return None
    parameters = MEASURE.defaults(denoiser)
    ids = [images.ids[index] for index in held_out]
    rows = results.rows(denoiser.digest, MEASURE.run, parameters)

    def measure(progress: Progress) -> None:
        for _ in measure_images(
            denoiser, images, held_out, MEASURE.name, parameters, results, progress
        ):
            pass

    if any(image not in rows for image in ids):
        seconds = computed.seconds(
            denoiser, len(held_out) * len(levels) * parameters["draws"] * STEPS
        )
        if not long_work(
            "Measure the held-out band",
            seconds,
            measure,
            ask=True,
            keeps="Finished images are kept if you stop.",
        ):
            return None
    rows = results.rows(denoiser.digest, MEASURE.run, parameters)
    distances = np.stack([rows[image]["distance"] for image in ids])
    return (
        f"{len(held_out)} held-out images, {parameters['draws']} draws each",
        np.array(levels),
        (distances < RETURNED).mean(2),
    )

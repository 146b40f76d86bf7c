"""Redraw one image: noised, denoised again with many seeds, and how often it comes back."""

import numpy as np
import streamlit as st
import torch

from memlib.denoisers import UNetDenoiser
from memlib.images import to_pixels
from memlib.measures import MEASURES, Row
from memlib.measures.redraw import LEVELS, RETURNED
from memlib.runs import measure_images, measure_one, result_key
from pages.shared import charts, exports, workspace
from pages.shared.growth import Picture
from pages.shared.pictures import data_url, enlarge, framed
from pages.shared.workspace import Workspace

MEASURE = MEASURES["redraw"]
DRAWS = 32
SHOWN = 16  # pictures a row
BAND = 8  # every eighth held-out image makes the band


def redraw_panel(loaded: Workspace, picture: Picture) -> None:
    """The share of redraws that return to the picture at each noise level, and the pictures."""
    denoiser = loaded.denoiser
    levels = [sigma for sigma in LEVELS if denoiser.sigma_floor < sigma <= denoiser.sigma_max]
    st.markdown(
        f"The image is noised to σ and denoised with {DRAWS} seeds. Redraws within {RETURNED:g} of it (root mean square, in units where black to white is 2) "
        "count as returned. **This is conditioned on the image:** a wide basin shows that the model can hold the image, not that it would draw it unprompted."
    )
    keyed = {sigma: {"sigmas": [sigma], "draws": DRAWS, "seed": 0, "keep_images": True} for sigma in levels}
    results = workspace.results()
    missing = [sigma for sigma in levels if result_key(denoiser.digest, picture.id, MEASURE.name, keyed[sigma]) not in results]
    if missing:
        forwards = len(missing) * DRAWS * 15
        cost = exports.duration(workspace.seconds(denoiser, forwards))
        work = st.empty()
        with work.container():
            st.caption(f"{forwards:,} network forwards, about {cost}.")
            if st.button("Redraw it", type="primary", icon=":material/brush:"):
                bar = st.progress(0.0, "Redrawing")
                st.button("Stop", icon=":material/stop:", key="stop-redraw", help="Finished noise levels are kept.")
                for place, sigma in enumerate(missing):
                    bar.progress(place / len(missing), f"Redrawing from σ = {sigma:g}")
                    measure_one(denoiser, picture.image, picture.id, MEASURE.name, keyed[sigma], results)
                work.empty()
    rows = {
        sigma: results[key] for sigma in levels if (key := result_key(denoiser.digest, picture.id, MEASURE.name, keyed[sigma])) in results
    }
    if not rows:
        return
    shares = np.array([float((row["distance"] < RETURNED).mean()) for row in rows.values()])
    st.plotly_chart(
        charts.return_curve(np.array(list(rows)), shares, _band(loaded)),
        key="returns",
        config=charts.CONFIG,
        alt="Share of redraws that return to the image, by noise level",
    )
    for (sigma, row), share in zip(rows.items(), shares, strict=True):
        _strip(sigma, share, row)
    st.caption(f"The first {SHOWN} of {DRAWS} redraws at each level, the same noise in each column. Coloured frame: returned.")


def _strip(sigma: float, share: float, row: Row) -> None:
    pixels = to_pixels(torch.from_numpy(row["images"][0, :SHOWN]))
    pixels = np.repeat(pixels, 3, -1) if pixels.shape[-1] == 1 else pixels
    marked = framed(np.stack([enlarge(one, 64) for one in pixels]), row["distance"][0, :SHOWN] < RETURNED, 3)
    label, strip = st.columns([1, 9], vertical_alignment="center", gap="small")
    label.markdown(f"σ = {sigma:g}  \n**{share:.0%}**")
    strip.image(data_url(np.concatenate(list(marked), 1)), alt=f"Redraws from noise level {sigma:g}; {share:.0%} of all return")


def _band(loaded: Workspace) -> tuple[str, np.ndarray, np.ndarray] | None:
    """The held-out images' share of returns at each level, from what is stored; a button to measure it."""
    images, denoiser, results = loaded.images, loaded.denoiser, workspace.results()
    held_out = [index for index, group in enumerate(images.metadata.get("group", ())) if group == "held-out"][::BAND]
    if not held_out:
        st.caption("With a group called held-out in metadata.csv, its band would stand behind the curve.")
        return None
    parameters = MEASURE.defaults(denoiser)
    keys = [result_key(denoiser.digest, images.ids[index], MEASURE.name, parameters) for index in held_out]
    if any(key not in results for key in keys):
        cost = exports.duration(workspace.seconds(denoiser, len(held_out) * len(LEVELS) * parameters["draws"] * 15))
        if not st.button("Measure the held-out band", icon=":material/area_chart:", help=f"{len(held_out)} images, about {cost}."):
            return None
        _measure_band(loaded.denoiser, loaded, held_out)
    distances = np.stack([results[key]["distance"] for key in keys])
    return "held-out images", np.array(LEVELS), (distances < RETURNED).mean(2)


def _measure_band(denoiser: UNetDenoiser, loaded: Workspace, held_out: list[int]) -> None:
    bar = st.progress(0.0, "Redrawing held-out images")
    for _ in measure_images(
        denoiser, loaded.images, held_out, MEASURE.name, MEASURE.defaults(denoiser), workspace.results(), lambda share: bar.progress(share)
    ):
        pass
    bar.empty()

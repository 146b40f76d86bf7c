"""Partial memorisation: does the map find what the variants of a drawing share?"""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.images import ImageSet
from memlib.measures.maps import family_aucs
from pages.ranking.ranked import Ranked
from pages.session.messages import plain
from pages.volume_growth.growth_view import Growth


def partial_panel(view: Growth, ranked: Ranked) -> None:
    """Draw the pixel AUC of the maps against the masks of the families in the image set, beside
    maps that know no model.

    Maps are those of the images that pass the filters; masks are made of whole families.
    """
    passing = set(ranked.table["id"])
    images, reference = view.loaded.images, view.loaded.reference
    if (
        "family" not in images.metadata or view.loaded.denoiser.shape != images.shape
    ):  # the masks are of pixels, not of latents
        return
    models = {"growth": view.loaded.denoiser} | (
        {"reference": reference} if reference is not None else {}
    )
    maps = {
        name: {
            image: rows[image]["map"] for image in images.ids if image in rows and image in passing
        }
        for name, rows in ((name, view.known(model)) for name, model in models.items())
    }
    other = maps.pop("reference", {})
    if other:
        maps["growth minus reference"] = {
            image: heat - other[image] for image, heat in maps["growth"].items() if image in other
        }
    key = (
        images.digest,
        *(tuple(images.metadata.get(column, ())) for column in ("family", "copies")),
        *(model.digest for model in models.values()),
        str(view.parameters),
        *(frozenset(found) for found in maps.values()),
    )
    table = _table(images, maps, view.smoothing, key) if all(maps.values()) else None
    if table is None:
        return
    st.subheader("Partly remembered")
    st.markdown(
        "Where several training images are variants of one drawing (in the demo: of skin tone), "
        "the model can remember the drawing and not what varies: the true mask is where all "
        "variants agree. "
        "The pixel AUC is the chance that a pixel of the mask is brighter than one outside it: "
        "0.5 is chance."
    )
    st.dataframe(table, hide_index=True, height="content", alt="Pixel AUC of maps and baselines")
    ranked.note()
    auc = {
        (line["map"], region): float(line[region])
        for line in table.to_dict("records")
        for region in ("whole picture", "inside the drawing")
    }
    verdicts = []
    for (name, region), value in auc.items():
        if name in maps:
            baseline = max(auc["flatness", region], auc["typicality", region])
            beats = "beats" if value > baseline else "**does not beat**"
            verdicts.append(
                f"{plain(str(name).capitalize())}, {plain(region)}: {value:.2f} {beats} the best "
                f"map that knows no model, {baseline:.2f}."
            )
    if auc.get(("growth minus reference", "whole picture"), 1.0) < auc["growth", "whole picture"]:
        verdicts.append(
            "Subtracting the reference **does not help here**. A likely reason: a reference that "
            "was trained on the same images for a while has already fixed the plain areas that "
            "variants share."
        )
    st.markdown("\n".join(f"- {verdict}" for verdict in verdicts))


@st.cache_data(max_entries=16, show_spinner=False)
def _table(
    _images: ImageSet, _maps: dict[str, dict[str, np.ndarray]], smoothing: int, key: tuple
) -> pd.DataFrame | None:
    return family_aucs(_images, _maps, smoothing)

"""Partial memorisation: does the map show what the variants of a drawing share?"""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from memlib.evidence.masks import family_aucs
from memlib.measures import Row
from pages.ranking.ranked import Ranked
from pages.session import results as computed
from pages.session.messages import plain
from pages.volume_growth.growth_view import Growth
from pages.widgets.waiting import in_sight

GROWN = ("growth", "growth minus reference")  # the maps that use a model


def partial_panel(view: Growth, ranked: Ranked) -> None:
    """Draw the pixel AUC of the maps against the masks of the families in the image set, beside
    maps that use no model.

    Maps are those of the images that pass the filters; masks are made from whole families.
    """
    images = view.loaded.images
    if (
        "family" not in images.metadata or view.loaded.denoiser.shape != images.shape
    ):  # the masks are of pixels, not of latents
        return
    in_sight("Partly remembered", 520, lambda: _partly_remembered(view, ranked))


def _partly_remembered(view: Growth, ranked: Ranked) -> None:
    reference = view.loaded.reference
    models = {"growth": view.loaded.denoiser} | (
        {"reference": reference} if reference is not None else {}
    )
    rows = {name: view.known(model) for name, model in models.items()}
    known = tuple((models[name].digest, hash(frozenset(found))) for name, found in rows.items())
    key = ("families", view.token, view.smoothing, known, *ranked.key)
    table = computed.once(key, lambda: _table(view, ranked, rows))
    if table is None:
        return
    st.subheader("Partly remembered")
    st.markdown(
        "Where several training images are variants of one drawing (in the demo: of skin tone), "
        "the model can remember the drawing but not what varies: the true mask is where all "
        "variants agree. The pixel AUC is the probability that a pixel of the mask is brighter "
        "than one outside it: 0.5 is chance."
    )
    st.dataframe(table, hide_index=True, height="content", alt="Pixel AUC of maps and baselines")
    ranked.note()
    auc = {
        (line["map"], region): float(line[region])
        for line in table.to_dict("records")
        for region in ("whole picture", "inside the drawing")
    }
    verdicts = []
    for (shown, region), value in auc.items():
        if shown in GROWN:
            baseline = max(auc[name, region] for name in ("flatness", "edges", "typicality"))
            beats = "beats" if value > baseline else "**does not beat**"
            verdicts.append(
                f"{plain(str(shown).capitalize())}, {plain(region)}: {value:.2f} {beats} the best "
                f"map that uses no model, {baseline:.2f}."
            )
    if auc.get(("growth minus reference", "whole picture"), 1.0) < auc["growth", "whole picture"]:
        verdicts.append(
            "Subtracting the reference **does not help here**. A likely reason: a reference "
            "trained on the same images for a while has already learned the plain areas that "
            "variants share."
        )
    st.markdown("\n".join(f"- {verdict}" for verdict in verdicts))


def _table(
    view: Growth, ranked: Ranked, rows: Mapping[str, Mapping[str, Row]]
) -> pd.DataFrame | None:
    images, passing = view.loaded.images, set(ranked.table["id"])
    maps = {
        name: {
            image: found[image]["map"]
            for image in images.ids
            if image in found and image in passing
        }
        for name, found in rows.items()
    }
    other = maps.pop("reference", {})
    if other:
        maps[GROWN[1]] = {
            image: heat - other[image] for image, heat in maps[GROWN[0]].items() if image in other
        }
    return family_aucs(images, maps, view.smoothing) if all(maps.values()) else None

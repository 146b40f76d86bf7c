"""Partial memorisation: does the map find what the variants of a drawing share?"""

import pandas as pd
import streamlit as st

from memlib.maps import family_aucs
from memlib.measures import Row
from memlib.runs import result_key
from pages.shared import workspace
from pages.shared.growth import MEASURE, View


def partial_panel(view: View, rows: dict[str, Row]) -> None:
    """Pixel AUC of the maps against the masks of the families in the image set, beside maps that know no model."""
    images, results, reference = view.loaded.images, workspace.results(), view.loaded.reference
    if "family" not in images.metadata:
        return

    def stored(digest: str) -> dict[str, object]:
        keys = {image: result_key(digest, image, MEASURE.name, view.parameters) for image in images.ids}
        return {image: results[key]["map"] for image, key in keys.items() if key in results}

    maps = {"growth": stored(view.loaded.denoiser.digest)}
    if reference is not None:
        other = stored(reference.digest)
        maps["growth minus reference"] = {image: heat - other[image] for image, heat in maps["growth"].items() if image in other}  # type: ignore[operator]
    table = _table(images, maps, view.smoothing, (images.digest, view.loaded.denoiser.digest, str(view.parameters), len(maps["growth"])))
    if table is None:
        return
    st.subheader("Partly remembered")
    st.markdown(
        "Where several training images are one drawing with only the skin changing, the model can remember the drawing and not the skin: the true mask is where all variants agree. "
        "The pixel AUC is the chance that a pixel of the mask is brighter than one outside it."
    )
    st.dataframe(table, hide_index=True, height="content", alt="Pixel AUC of maps and baselines")
    best = table.set_index("map")["inside the drawing"]
    baseline = best[["flatness", "typicality"]].max()
    verdicts = [
        f"The map of {name} {'beats' if best[name] > baseline else '**does not beat**'} every map that knows no model ({best[name]:.2f} against {baseline:.2f} inside the drawing)."
        for name in maps
        if name in best
    ]
    if "growth minus reference" in best and best["growth minus reference"] < best["growth"]:
        verdicts.append(
            "Subtracting the reference **does not help here**: an early checkpoint has already fixed the plain areas that the variants share, so the difference is largest where details were "
            "learned late, which is where variants differ."
        )
    st.markdown(" ".join(verdicts))


@st.cache_data(max_entries=16, show_spinner=False)
def _table(_images: object, _maps: dict, smoothing: int, key: tuple) -> pd.DataFrame | None:
    return family_aucs(_images, _maps, smoothing)  # type: ignore[arg-type]

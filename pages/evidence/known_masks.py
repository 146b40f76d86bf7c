"""The benchmark, of which it is known what repeats: what the maps show of it, and the doses."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from memlib.bundled import BENCHMARK
from memlib.evidence.masks import masked_examples
from memlib.workspace import Workspace
from pages.figures.pictures import colour, colour_range, enlarge, rgb, sheet
from pages.session import results as computed
from pages.widgets.waiting import in_sight

MAPS, DOSES, DRAWS = (BENCHMARK / f"{name}.csv" for name in ("maps", "doses", "drawn"))
SHOWN = 8  # examples
SIDE = 120  # pixels of one of their pictures
RANGES = {"in 8 images or more": "Parts in 8 images or more", "all": "All parts"}


def benchmark_panel(loaded: Workspace) -> None:
    """Draw the panel if the loaded images are the benchmark's."""
    if loaded.sources.images == "benchmark":
        in_sight("The benchmark", 900, lambda: _benchmark(loaded))


def _benchmark(loaded: Workspace) -> None:
    st.subheader("The benchmark: what is known to repeat")
    st.markdown(
        "Some of these pictures were trained on 2 to 32 times. Others share a part, a patch, a "
        "half or a border, with 1 to 31 pictures that are different everywhere else: for them it "
        "is known which pixels a map should show."
    )
    if loaded.denoiser.shape == loaded.images.shape:
        _examples(loaded)
    if loaded.sources.model == "benchmark":
        _maps(MAPS)
        _doses(DOSES, DRAWS)


def _examples(loaded: Workspace) -> None:
    """Draw images, the parts that they share with others, and their maps of redraw precision."""
    found = computed.once(
        ("masked examples", loaded.denoiser.digest, loaded.images.digest),
        lambda: masked_examples(loaded.denoiser, loaded.images, SHOWN),
    )
    images = np.stack([rgb(loaded.images[mask.place]) for mask, _ in found])
    truth = np.stack([mask.truth for mask, _ in found])
    heats = np.stack([heat for _, heat in found])
    dark = np.where(truth[..., None], images, images // 5)
    rows = np.concatenate([images, dark, colour(heats, *colour_range(heats))])
    padded = np.pad(rows, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=128)
    st.image(
        enlarge(sheet(padded, len(found)), SIDE * len(found)),
        caption="Above: pictures. Middle: the part each shares with others. Below: redraw "
        "precision, on one scale; brighter pixels return more exactly.",
        alt=f"{len(found)} pictures, the parts they share, and maps of redraw precision",
    )


def _maps(source: Path) -> None:
    """Draw how well each map finds the parts."""
    table = pd.read_csv(source)
    part = st.segmented_control(
        "Parts", list(RANGES), format_func=RANGES.__getitem__, default=next(iter(RANGES)),
        required=True, key="parts", label_visibility="collapsed",
    )  # fmt: skip
    own = table[(table["subject"] == "benchmark") & (table["part"] == part)]
    lines = own.sort_values("inside the drawing", ascending=False)
    shown = pd.DataFrame(
        {
            "Map": lines["map"],
            "Pixel AUC": lines["inside the drawing"],
            "95% interval": _ends(lines, "low", "high"),
            "IoU": lines["IoU"],
            "95% interval of IoU": _ends(lines, "IoU low", "IoU high"),
        }
    )
    st.dataframe(shown, hide_index=True, height="content", alt="Pixel AUC and overlap of each map")
    st.caption(
        f"{lines['images'].max():,} pictures that share {lines['clusters'].max():,} parts; "
        "intervals resample parts. Pixel AUC: the chance that a pixel of the part is brighter than "
        "one outside; 0.5 is guessing. IoU: the overlap of the part with the brightest pixels, at "
        "the one threshold that is best for all pictures. Flatness, edges, typicality (close to "
        "the mean picture) and everything (the same in all pixels) use no model."
    )


def _ends(lines: pd.DataFrame, low: str, high: str) -> list[str]:
    return [f"{one:.3f} to {other:.3f}" for one, other in zip(lines[low], lines[high], strict=True)]


def _doses(doses: Path, drawn: Path) -> None:
    """Draw how well each measure finds pictures of each dose, and what the model drew."""
    st.markdown("**How many copies it takes**: AUC against held-out pictures, 95% intervals.")
    table = pd.read_csv(doses, keep_default_na=False)
    st.dataframe(table, hide_index=True, height="content", alt="AUC of each measure at each dose")
    st.markdown("**What the model draws** by itself, DDIM, 50 steps:")
    st.dataframe(
        pd.read_csv(drawn, keep_default_na=False),
        hide_index=True,
        height="content",
        alt="Which pictures and parts came back",
    )

"""The table of generated images, with its downloads and provenance."""

import io
import json
import zipfile
from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st
from PIL import Image

from memlib.extraction import Generations
from memlib.images import to_pixels
from memlib.measures import MEASURES
from memlib.progress import Progress, part
from memlib.runs import measure_images
from memlib.spreadsheet import csv
from memlib.workspace import Workspace
from pages.extraction.criterion import Copies
from pages.extraction.detail import place_of
from pages.session import downloads as exports
from pages.session import results as computed
from pages.session import stored_runs as attacks
from pages.session.long_work import long_work
from pages.session.messages import plain


def table_and_exports(
    loaded: Workspace,
    name: str,
    generations: Generations,
    table: pd.DataFrame,
    said: str,
    rule: Copies,
) -> None:
    """Draw the rows that pass the filters (`said` gives their number in words), the measuring of
    those not measured yet, the downloads, and the provenance. `name` is that of the run.
    """
    st.subheader("Table")
    if table.empty:
        return
    _measure_missing(loaded, generations, table)
    st.caption(f"{plain(said)}, in the table and in its downloads.")
    st.dataframe(
        table,
        hide_index=True,
        height=280,
        alt="Generated images with their nearest training images",
    )
    details = {
        "name": name,
        "model": {"name": loaded.denoiser.name, "digest": loaded.denoiser.digest},
        "images": {
            "name": loaded.images.name,
            "digest": loaded.images.digest,
            "count": len(loaded.images),
        },
        "generated": {"digest": generations.images.digest, "count": len(generations)},
        "parameters": asdict(rule),
        "rows": said,
        "run": generations.manifest,
        "date": generations.manifest.get("date", ""),
    }
    exports.table_buttons(table, details, "extraction")
    st.download_button(
        "Images as a zip",
        lambda: _zip(generations, table, details),
        "generated.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
    )
    with st.expander("Provenance", icon=":material/function:"):
        told = {key: value for key, value in generations.manifest.items() if key != "surrogate"}
        st.json(json.dumps({**details, "run": told}), expanded=False)


def _measure_missing(loaded: Workspace, generations: Generations, table: pd.DataFrame) -> None:
    """Draw the cost of measuring growth and K_1 of the remaining images, and measure them."""
    measures = [MEASURES[name] for name in attacks.MEASURED.values()]
    missing = table[table[list(attacks.MEASURED)].isna().any(axis=1)]
    if missing.empty:
        return

    def measure(progress: Progress) -> None:
        for place, one in enumerate(measures):
            for _ in measure_images(
                loaded.denoiser,
                generations.images,
                [place_of(row) for _, row in missing.iterrows()],
                one.name,
                one.defaults(loaded.denoiser),
                computed.results(),
                part(progress, place, 1, len(measures)),
            ):
                pass

    st.caption(f"Growth and K₁ of {len(missing):,} generated images are not known yet.")
    forwards = sum(one.forwards(loaded.denoiser) for one in measures)
    if long_work(
        "Measure the generated images",
        computed.seconds(loaded.denoiser, len(missing) * forwards),
        measure,
        ask=True,
        keeps="Finished images are kept if you stop.",
    ):
        st.rerun()


def _zip(generations: Generations, table: pd.DataFrame, details: dict[str, Any]) -> bytes:
    """Return a zip of the generated images in the table as PNGs, the table, and its provenance."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("table.csv", csv(table))
        archive.writestr("provenance.json", json.dumps(details, indent=1))
        for _, row in table.iterrows():
            picture = io.BytesIO()
            pixels = to_pixels(generations.images[place_of(row)])
            Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(
                picture, "PNG"
            )
            archive.writestr(f"images/{int(row['number']):06d}.png", picture.getvalue())
    return stream.getvalue()

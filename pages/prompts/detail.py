"""One prompt: its original and seeds, its maps over the picture, and its scores before, during and
after generation.
"""

import numpy as np
import pandas as pd
import streamlit as st

from memlib.measures.conditional import PROMPT_MEASURES
from memlib.prompts import ORIGINAL_DISTANCE
from pages.figures.pictures import enlarged, reduced
from pages.prompts.stored import (
    PAGE,
    WHEN,
    Opened,
    columns_of,
    limits,
    maps_of,
    original,
    originals,
    pictures,
)
from pages.session.messages import number, plain, show_error
from pages.widgets.player import Kind, player

SIDE = 92  # pixels of a picture on the page; it is sent larger, for sharp screens
SENT = 192
SEED = PAGE.one_of("seed", [0], 0, linked=False)
COLUMNS = {
    "When": st.column_config.TextColumn("When", width=70),
    "Measure": st.column_config.TextColumn("Measure", width=265),
    "Value": st.column_config.TextColumn(
        "Value", width=120, help="Mean over the seeds, and its standard error."
    ),
    "Rank": st.column_config.TextColumn(
        "Rank", width=85, help="1 is the most memorised of the prompts of the run."
    ),
}


def detail(found: Opened, row: pd.Series) -> None:
    """Draw the prompt of a row."""
    st.markdown(f"#### {plain(row['name'])}")
    facts = [str(row[name]) for name in ("label", "kind") if row[name]]
    st.caption(plain(", ".join(facts)) if facts else "This prompt has no label.")
    if row["reading"]:
        st.warning(plain(row["reading"]), icon=":material/content_cut:")
    position = int(row["position"])
    try:
        drawn = pictures(*found.key, position, found.run)
        if drawn is not None:
            side_by_side(found, row, drawn)
        scores(found, row)
        if drawn is not None:
            over_the_picture(found, row, drawn)
    except (ValueError, OSError) as error:
        show_error(error)


def side_by_side(found: Opened, row: pd.Series, drawn: np.ndarray) -> None:
    """Draw the original and the pictures of every seed beside each other."""
    own = original(originals(found, drawn.shape[1:]), row, SENT)
    strip = st.container(horizontal=True, gap="small")
    name = row["original"] or row["nearest"]
    told = [(f"Seed {seed}", one) for seed, one in enumerate(drawn)]
    if own is not None:
        told.insert(0, ("Original" if row["original"] else "Nearest original", own))
    for title, pixels in told:
        cell = strip.container(width=SIDE + 4, gap=None)
        cell.image(
            enlarged(pixels, SENT),
            width=SIDE,
            alt=f"{title} of the prompt {plain(row['name'])}",
        )
        cell.caption(plain(title))
    if ORIGINAL_DISTANCE in row and not np.isnan(row[ORIGINAL_DISTANCE]):
        st.caption(
            f"The nearest of these pictures is at a distance of "
            f"{float(row[ORIGINAL_DISTANCE]):.3f} from {plain(name)}, root mean square; black to "
            "white is 2."
        )


def scores(found: Opened, row: pd.Series) -> None:
    """Draw the table of the prompt's scores."""
    lines = []
    for measure in found.measures:
        value, error = columns_of(row, measure)
        values = measure.direction * found.table[measure.column].to_numpy(float)
        rank = 1 + int((values > measure.direction * value).sum())
        told = "" if np.isnan(error) else f" ± {number(float(f'{error:.2g}'))}"
        lines.append(
            {
                "When": WHEN[PROMPT_MEASURES[measure.name].when],
                "Measure": measure.title,
                "Value": "" if np.isnan(value) else f"{number(value)}{told}",
                "Rank": "" if np.isnan(value) else f"{rank:,} of {len(values):,}",
            }
        )
    st.dataframe(
        lines,
        hide_index=True,
        column_config=COLUMNS,
        height="content",
        alt="Scores of the prompt before, during and after generating its pictures",
    )
    st.caption(f"Means over {found.seeds:,} seeds with standard errors; {plain(found.told)}.")


def over_the_picture(found: Opened, row: pd.Series, drawn: np.ndarray) -> None:
    """Draw the maps of one seed over its picture."""
    maps = maps_of(found, int(row["position"]))
    if not maps:
        return
    choice = SEED.among(range(len(drawn)), 0)
    seed = st.segmented_control(
        "Maps of seed", choice.options, format_func=plain, key=choice.key(), required=True
    )
    kinds = []
    for name, own in maps.items():
        low, high, signed = limits(*found.key, name, found.run)
        about = PROMPT_MEASURES[name]
        unit = about.unit.split(",")[0]  # of a place, not of the mean over all
        kinds.append(Kind(about.title, own[seed], (low, high), unit, signed))
    player(
        reduced(drawn[seed]),
        kinds,
        key="prompts.maps",
        alt=f"The picture of seed {seed} and its maps",
        size=256,
    )
    height, width = drawn.shape[1:3]
    rows, across = next(iter(maps.values())).shape[1:]
    st.caption(
        f"A map has {across} x {rows} values, one for each pixel of the latent, and is enlarged "
        f"to the {width} x {height} pixels of the picture. The autoencoder sees more than the "
        f"{width // across} x {height // rows} pixels under a value, so edges are not exact."
    )

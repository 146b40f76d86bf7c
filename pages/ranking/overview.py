"""All images that pass the filters in one figure: how a measure grows with the number of copies."""

import pandas as pd
import streamlit as st

from pages.figures.spread import dose_response
from pages.figures.style import CONFIG, literal
from pages.ranking.look import Look
from pages.ranking.ranked import Ranked
from pages.session.messages import plain
from pages.widgets.waiting import in_sight


def overview(look: Look, ranked: Ranked, title: str) -> None:
    """Draw the value against the number of copies, if the image set has it.

    `title` names the values without their unit.
    """
    table = ranked.table
    copies = table["copies"] if "copies" in table else pd.Series(dtype=float)
    if pd.api.types.is_numeric_dtype(copies) and copies.nunique() > 1:
        title = f"{title} against number of copies"
        in_sight(title, 400, lambda: _against_copies(look, ranked, title))


def _against_copies(look: Look, ranked: Ranked, title: str) -> None:
    table, axis = ranked.table, look.axis
    st.subheader(plain(title))
    st.plotly_chart(
        literal(lambda: dose_response(table, axis), ("dose", *ranked.key)),
        key="dose",
        config=CONFIG,
        alt=f"{axis} against number of copies, {ranked.said}",
    )
    ranked.note()

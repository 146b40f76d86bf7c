"""All images that pass the filters in one figure: how a measure grows with the number of copies."""

import pandas as pd
import streamlit as st

from pages.figures.spread import dose_response
from pages.figures.style import CONFIG, literal
from pages.ranking.look import Look
from pages.ranking.ranked import Ranked
from pages.session.messages import plain


def overview(look: Look, ranked: Ranked, title: str) -> None:
    """Draw the value against the number of copies, if the image set has it.

    `title` names the values without their unit.
    """
    table, said, axis = ranked.table, ranked.said, look.axis
    copies = table["copies"] if "copies" in table else pd.Series(dtype=float)
    if pd.api.types.is_numeric_dtype(copies) and copies.nunique() > 1:
        st.subheader(f"{plain(title)} against number of copies")
        st.plotly_chart(
            literal(lambda: dose_response(table, axis), ("dose", *ranked.key)),
            key="dose",
            config=CONFIG,
            alt=f"{axis} against number of copies, {said}",
        )
        ranked.note()

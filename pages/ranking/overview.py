"""All images that pass the filters at once: how a number is spread, and how it grows with
copies.
"""

import pandas as pd
import streamlit as st

from pages.figures.spread import dose_response, histogram
from pages.figures.style import CONFIG, literal
from pages.ranking.ranked import Ranked


def overview(ranked: Ranked, axis: str, title: str) -> None:
    """Draw the spread of the values by group, and the value against the number of copies.

    `axis` names the values with their unit, `title` without it.
    """
    table, said = ranked.table, ranked.said
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Spread")
        st.plotly_chart(
            literal(histogram(table, "group" if "group" in table else None, ranked.value, axis)),
            key="spread",
            config=CONFIG,
            alt=f"Histogram of {axis} by group, {said}",
        )
        ranked.note()
    copies = table["copies"] if "copies" in table else pd.Series(dtype=float)
    if pd.api.types.is_numeric_dtype(copies) and copies.nunique() > 1:
        with right:
            st.subheader(f"{title} against number of copies")
            st.plotly_chart(
                literal(dose_response(table, axis)),
                key="dose",
                config=CONFIG,
                alt=f"{axis} against number of copies, {said}",
            )
            ranked.note()

"""The table of a ranked page: its rows, its downloads, and the definition of the measure."""

import json

import streamlit as st

from memlib.measures import MEASURES
from pages.ranking.ranked import Ranked
from pages.ranking.view import View
from pages.session import downloads
from pages.session import results as computed


def table_and_source(view: View, ranked: Ranked, shown: str, name: str) -> None:
    """Draw the rows that pass the filters, their downloads, and the definition of the number.

    `shown` describes the column `value`; `name` is the name of the files.
    """
    seen, table = ranked.seen, ranked.table
    st.subheader("Table")
    st.caption(f"{seen.said}, in the table and in its downloads.")
    st.dataframe(
        table.drop(columns="index"),
        hide_index=True,
        height=280,
        alt=f"Measured images with their values, {seen.said}",
    )
    details = computed.manifest(view.loaded, view.measure, view.parameters) | {"shown": shown}
    if seen.passing < seen.total:
        details["filter"] = f"{seen.query.where.told()} ({seen.said})"
    if view.minus_reference and view.loaded.reference:
        reference = view.loaded.reference
        details["reference"] = {"name": reference.name, "digest": reference.digest}
    downloads.table_buttons(table, details, name)
    measure = MEASURES[view.measure]
    with st.expander("What this measure is", icon=":material/function:"):
        st.latex(measure.formula)
        st.markdown(
            f"{measure.definition}\n\n**Direction:** bigger means more memorised. **Limits:** "
            f"{measure.limits}\n\n**Source:** {measure.citation}."
        )
        st.json(json.dumps(details), expanded=False)

"""The table of a run of prompts, and its downloads."""

import json

import streamlit as st

from pages.prompts.stored import Opened
from pages.session.downloads import table_buttons

HIDDEN = ["position", "index"]


def table_and_exports(found: Opened) -> None:
    """Draw the table of all prompts of a run, its downloads and its provenance."""
    st.subheader("Table")
    first = ["name", "label", "kind"]
    table = found.table.drop(columns=HIDDEN)
    table = table[first + [column for column in table if column not in first]]
    table = table.rename(columns={"name": "prompt"})
    st.dataframe(
        table, hide_index=True, height=280, alt="Every prompt with its scores and their errors"
    )
    manifest = dict(found.run.manifest)
    table_buttons(table, manifest, "prompts", with_json=True)
    with st.expander("Provenance", icon=":material/function:"):
        st.json(json.dumps(manifest), expanded=False)

"""Downloads of a run's rows."""

import json

import streamlit as st

from memlib.spreadsheet import csv
from pages.runs.run_view import Look

STEP = 100_000  # rows in memory at a time


def downloads(view: Look) -> None:
    """Draw the downloads of every row that passes the filters, in the chosen order, with their
    provenance.
    """
    run, numbers, query = view.run, view.numbers, view.query
    order = (query.sort.column, query.descending)
    total = numbers.count(query.where)
    manifest = run.manifest | ({"filter": query.where.told()} if query.where.told() else {})

    def parquet() -> bytes:
        return numbers.export(*order, query.where, json.dumps(manifest))

    def lines() -> bytes:
        return b"".join(
            csv(numbers.page(*order, offset, STEP, query.where), header=not offset)
            for offset in range(0, total, STEP)
        )

    st.download_button(
        "CSV",
        lines,
        f"{run.folder.name}.csv",
        "text/csv",
        on_click="ignore",
        width="stretch",
        help="Every row that passes the filters.",
    )
    st.download_button(
        "Parquet",
        parquet,
        f"{run.folder.name}.parquet",
        on_click="ignore",
        width="stretch",
        help="The same, with the provenance in the file's metadata.",
    )

"""Downloads of a run's rows."""

import io
import json

import streamlit as st

from pages.runs.run_view import Look

STEP = 100_000  # rows in memory at a time


def downloads(view: Look) -> None:
    """Draw the downloads of every row that passes the filters, in this order, with where it comes
    from.
    """
    run, numbers, query = view.run, view.numbers, view.query
    order = (query.sort.column, query.descending)
    total = numbers.count(query.where)
    manifest = run.manifest | ({"filter": query.where.told()} if query.where.told() else {})

    def parquet() -> bytes:
        return numbers.export(*order, query.where, json.dumps(manifest))

    def csv() -> bytes:
        stream = io.StringIO()
        for offset in range(0, total, STEP):
            rows = numbers.page(*order, offset, STEP, query.where)
            rows.to_csv(stream, index=False, header=not offset)
        return stream.getvalue().encode()

    st.download_button(
        "CSV",
        csv,
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
        help="The same, with where it comes from in the file's metadata.",
    )

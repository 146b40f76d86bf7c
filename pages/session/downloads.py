"""Downloads with provenance, and plain words for durations."""

import io
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import streamlit as st

from memlib.spreadsheet import csv


def table_buttons(
    table: pd.DataFrame, manifest: Mapping[str, Any], name: str, with_json: bool = False
) -> None:
    """Draw the buttons that download a table with its provenance, as CSV, Parquet, and JSON if
    asked.
    """
    row = st.container(horizontal=True)
    row.download_button(
        "CSV",
        lambda: as_csv(table, manifest),
        f"{name}.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    row.download_button(
        "Parquet",
        lambda: as_parquet(table, manifest),
        f"{name}.parquet",
        icon=":material/download:",
        on_click="ignore",
    )
    if with_json:
        row.download_button(
            "JSON",
            lambda: as_json(table, manifest),
            f"{name}.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
        )


def as_json(table: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    """Return the rows of a table and its provenance as one JSON object; NaN becomes null."""
    rows = json.loads(table.to_json(orient="records", double_precision=10))
    return json.dumps({"provenance": dict(manifest), "rows": rows}, indent=1)


def as_csv(table: pd.DataFrame, manifest: Mapping[str, Any]) -> bytes:
    """Return the table with its provenance repeated in columns, since CSV has no metadata."""
    constants = {
        "model": manifest["model"]["digest"],
        "images": manifest["images"]["digest"],
        **({"reference": manifest["reference"]["digest"]} if "reference" in manifest else {}),
        **{name: manifest[name] for name in ("measure", "shown", "filter") if name in manifest},
        **manifest["parameters"],
        "date": manifest.get("precomputed", manifest)["date"],
    }
    constants = {
        key: json.dumps(value) if isinstance(value, (list, dict)) else value
        for key, value in constants.items()
    }
    return csv(table.assign(**{f"run_{key}": value for key, value in constants.items()}))


def as_parquet(table: pd.DataFrame, manifest: Mapping[str, Any]) -> bytes:
    """Return the table with its provenance in the file's metadata, under `afterimage`."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    stream = io.BytesIO()
    pq.write_table(
        arrow.replace_schema_metadata(
            {**(arrow.schema.metadata or {}), b"afterimage": json.dumps(manifest).encode()}
        ),
        stream,
    )
    return stream.getvalue()


def duration(seconds: float) -> str:
    """Write a duration, such as "20 seconds", "3 minutes" or "1.5 hours"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} second{'s' * (round(seconds) > 1)}"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"

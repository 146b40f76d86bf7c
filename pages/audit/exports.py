"""The panels below the desk: all cases, exports, agreement, a case's history, near-duplicates."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from memlib.audit import VERDICTS, agreements, progress, removal_list, standing
from memlib.spreadsheet import csv
from pages.audit.casebook import Casebook
from pages.audit.cases import overview
from pages.audit.choices import (
    AGREEMENT,
    DUPLICATES,
    EXPORT,
    HISTORY,
    OVERVIEW,
    PANEL,
    REPORT,
)
from pages.audit.near_duplicates import duplicates_panel
from pages.audit.report import provenance_of, report
from pages.audit.review import Review
from pages.ranking.browser import Browser
from pages.session import downloads as exports
from pages.session.messages import plain


def after_the_desk(
    book: Casebook, browser: Browser, queue: list[int], seen: Review, case: str
) -> None:
    """Draw one panel at a time."""
    panels: dict[str, Callable[[], None]] = {
        OVERVIEW: lambda: overview(book, browser, seen, case),
        EXPORT: lambda: _export(book, queue, seen),
        AGREEMENT: lambda: _agreement(book, seen),
        HISTORY: lambda: _history(seen, case),
        DUPLICATES: lambda: duplicates_panel(book),
    }
    chosen = st.segmented_control(
        "More", PANEL.options, key=PANEL.key(), label_visibility="collapsed"
    )
    if chosen:
        panels[chosen]()


def _export(book: Casebook, queue: list[int], seen: Review) -> None:
    images = book.loaded.images
    row = st.container(horizontal=True, vertical_alignment="center")
    everything = row.toggle(
        "Include others' verdicts on cases I have not decided",
        help="Once you have seen them, your verdicts on those cases are no longer blind.",
    )
    only = row.toggle("This queue only", value=True)
    pictures = row.toggle("Pictures in the report", value=True)
    whole = seen.history if everything else seen.visible
    history = whole[whole["image"].isin({images.ids[index] for index in queue})] if only else whole
    actions = _actions(book, whole, queue if only else None)
    left = len(standing(seen.history)) - len(standing(seen.visible))
    if left and not everything:
        st.caption(
            f"{left:,} verdicts of other reviewers on cases you have not decided are left out."
        )
    of = (book.loaded.denoiser.digest, images.digest, seen.reviewer)
    name = f"audit-{images.name}".replace(" ", "-").lower()
    details, table = provenance_of(book), verdict_table(book, history, seen)
    buttons = st.container(horizontal=True)

    def offer(
        label: str, make: Callable[[], bytes] | bytes, file: str, kind: str, tip: str
    ) -> None:
        buttons.download_button(
            label, make, file, kind, icon=":material/download:", on_click="ignore", help=tip
        )

    offer(
        "CSV",
        lambda: exports.as_csv(table, details),
        f"{name}.csv",
        "text/csv",
        "One line per verdict.",
    )
    offer(
        "Parquet",
        lambda: exports.as_parquet(table, details),
        f"{name}.parquet",
        "application/octet-stream",
        "The same, with the provenance in the file's metadata.",
    )
    offer(
        "JSON",
        lambda: as_json(table, history, details),
        f"{name}.json",
        "application/json",
        "The verdicts, and the whole history, including changes that were undone or superseded.",
    )
    offer(
        "Images to remove or modify",
        lambda: csv(actions),
        f"{name}-actions.csv",
        "text/csv",
        "Ids and names: memorised images to remove from the training set, partly memorised ones "
        "to modify, disputed ones to settle, and their undecided near-duplicates to look at. "
        "The volume-growth paper proposes this before training again.",
    )
    if buttons.button(
        "Make the report",
        icon=":material/summarize:",
        help="A .zip with report.html, which opens offline and can be printed or saved as PDF "
        "from the browser, report.json, which has every number and the tables it follows from, and "
        "a section for a model card, fields for Croissant and a table of the images that came "
        "back. `python -m memlib verify` finds any changed byte in them.",
    ):
        with st.spinner("Making the report"):
            shown = queue if only else None
            made = report(book, shown, history, actions, seen, pictures)
            REPORT.set((of, made))
    made_of, made = REPORT.get()
    if made_of == of:  # and not of another model, other images or another reviewer
        offer(
            "Report",
            made,
            f"{name}.zip",
            "application/zip",
            "The report shows the state when it was made.",
        )
    counts = table["verdict"].value_counts()
    st.caption(", ".join(f"{counts.get(verdict, 0):,} {verdict}" for verdict in VERDICTS) + ".")


def _actions(book: Casebook, history: pd.DataFrame, queue: Sequence[int] | None) -> pd.DataFrame:
    """Return what to do with which image, for the images of the queue and their near-duplicates,
    whichever queue they were decided in.
    """
    table, images = removal_list(history, book.loaded.images, book.groups), book.loaded.images
    if queue is None:
        return table
    near = np.isin(book.groups, book.groups[list(queue)])
    return table[table["id"].isin({images.ids[index] for index in np.flatnonzero(near)})]


def verdict_table(book: Casebook, history: pd.DataFrame, seen: Review) -> pd.DataFrame:
    """Return one line for each current verdict: image, verdict, who and when, why it is stale, and
    the current value of every measure.
    """
    images = book.loaded.images
    place = {image: index for index, image in reversed(list(enumerate(images.ids)))}
    holds = standing(history)
    holds = holds[holds["image"].isin(place)]
    stale = seen.stale(book)
    lines = [
        {
            "id": line["image"],
            "name": images.names[place[line["image"]]],
            "verdict": line["verdict"],
            "reviewer": line["reviewer"],
            "at": line["at"],
            "note": line["note"],
            "region": json.dumps(line["region"]) if line["region"] else "",
            "stale": "; ".join(stale.get(line["image"], []))
            if line["reviewer"] == seen.reviewer
            else "",
            **{
                name: book.values.at[place[line["image"]], name]
                for name in book.values
                if book.values[name].notna().any()
            },
        }
        for line in holds.to_dict("records")
    ]
    return pd.DataFrame(
        lines,
        columns=None
        if lines
        else ["id", "name", "verdict", "reviewer", "at", "note", "region", "stale"],
    )


def as_json(table: pd.DataFrame, history: pd.DataFrame, details: dict[str, Any]) -> bytes:
    document = {
        "provenance": details,
        "verdicts": json.loads(table.to_json(orient="records")),
        "history": json.loads(history.to_json(orient="records")),
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def _agreement(book: Casebook, seen: Review) -> None:
    """Draw how many cases each reviewer has decided, and how far two reviewers agree on what both
    decided blind.
    """
    history = seen.history
    counts = progress(history, book.loaded.images.ids)
    if not counts:
        st.caption("No case has been decided yet.")
        return
    st.caption(
        "Decided: " + ", ".join(f"{plain(name)} {count:,}" for name, count in counts.items()) + "."
    )
    mine = [pair for pair in agreements(history) if seen.reviewer in pair.reviewers]
    if not mine:
        st.caption(
            "Cohen's kappa appears here once you and another reviewer have decided the same images."
        )
    for pair in mine:
        left, right = st.columns([1, 2], gap="medium", vertical_alignment="center")
        kappa = "undefined" if pair.kappa != pair.kappa else f"{pair.kappa:.2f}"
        left.metric(
            f"Cohen's kappa, {plain(' and '.join(pair.reviewers))}",
            kappa,
            help="(agreement - chance) / (1 - chance), from each reviewer's last verdict before "
            "both had decided. 1 is full agreement, 0 is agreement by chance; undefined if "
            "all verdicts are the same.",
        )
        left.caption(f"The same verdict on {pair.share:.0%} of {len(pair.table):,} images.")
        matrix = pd.DataFrame(
            pair.matrix, index=list(VERDICTS), columns=list(VERDICTS)
        ).rename_axis(f"{pair.reviewers[0]} ↓  {pair.reviewers[1]} →")
        right.dataframe(
            matrix.reset_index(),
            hide_index=True,
            alt="Verdicts of two reviewers, cross-tabulated",
        )


def _history(seen: Review, case: str) -> None:
    lines = seen.visible[seen.visible["image"] == case]
    if lines.empty:
        st.caption("You have not decided this case yet; others' verdicts appear once you have.")
        return
    shown = lines[["at", "reviewer", "verdict", "note", "stands", "revision", "based_on"]].assign(
        verdict=lines["verdict"].fillna("taken back")
    )
    st.dataframe(shown, hide_index=True, alt="Every change of this case's verdicts")

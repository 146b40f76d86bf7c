"""How well each measure ranks the images it should rank first: the table and the curves."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from memlib.evidence import apart_text, best_of, interval, rate_text, signed
from memlib.measures import MEASURES
from memlib.statistics import FEWEST
from memlib.workspace import Workspace
from pages.figures.quality import roc_curves
from pages.figures.style import CONFIG, literal
from pages.session import results as computed
from pages.session.downloads import table_buttons
from pages.session.measure_tables import quality_of
from pages.session.messages import plain
from pages.widgets.waiting import in_sight

Sides = tuple[np.ndarray, np.ndarray]  # masks (N,) of the images above and below
CURVES = 6  # most curves shown at once
COLUMNS = {
    "title": st.column_config.TextColumn("Measure", width=260),
    "AUC": st.column_config.ProgressColumn(
        "AUC",
        width=85,
        min_value=0,
        max_value=1,
        format="%.3f",
        help="The probability that an image of the first kind ranks above one of the second; "
        "0.5 is guessing.",
    ),
    "interval": st.column_config.TextColumn(
        "95% interval",
        width=115,
        help="Near-duplicates and variants of one drawing count as one image (Newcombe's score "
        "interval over clusters).",
    ),
    "apart": st.column_config.TextColumn(
        "Difference from the first",
        width=165,
        help="AUC minus the highest AUC, with a 95% interval. Both are computed on the same "
        "images, so the difference is more precise than the two intervals.",
    ),
    "may be best": st.column_config.CheckboxColumn(
        "May be best",
        width=80,
        help="With 95% confidence the best of all these measures is one of those ticked; their "
        "number is taken into account.",
    ),
    "rate": st.column_config.TextColumn(
        "TPR at 1% FPR",
        width=125,
        help="The share of the first kind found where 1% of the second is flagged, with a 95% "
        f"interval. It needs {FEWEST} different images of the second kind.",
    ),
    "forwards": st.column_config.NumberColumn(
        "Forwards", width=70, help="Network forwards per image."
    ),
}


def nothing_to_compare() -> None:
    """Explain why there is no table of measures."""
    st.info(
        "There is nothing to compare: no image was reproduced, and the image set has no group "
        "called held-out.",
        icon=":material/info:",
    )


def quality_panel(
    loaded: Workspace,
    values: pd.DataFrame,
    sides: Mapping[str, Sides],
    labels: np.ndarray,
    asked: Mapping[str, Any],
) -> pd.DataFrame | None:
    """Draw the table of measures and their curves; return the table, None if it cannot be made.

    `labels` (N,) are the clusters of the images; `asked` says how copies were counted.
    """
    if not sides:
        nothing_to_compare()
        return None
    st.subheader("Which measure predicts it")
    chosen = st.segmented_control(
        "Images that should rank above others",
        list(sides),
        format_func=plain,
        default=next(iter(sides)),
        required=True,
        key="sides",
        bind="query-params",
    )
    chosen = chosen if chosen in sides else next(iter(sides))
    above, below = sides[chosen]
    table = quality_of(loaded.denoiser, values, above, below, labels)
    if table.empty:
        st.info(
            "No measure has values on both sides. Measure some images below.",
            icon=":material/info:",
        )
        return None
    picked = _table(table, chosen)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        rows = picked or _first_of_each(table)
        in_sight("ROC curves", 400, lambda: _curves(values, table, rows, above, below))
    right.markdown(best_of(table))
    # of all measures, each with its own defaults
    details = computed.manifest(loaded, "volume_growth", {})
    kept = {name: value for name, value in details.items() if name != "measure"}
    with right:
        table_buttons(table, kept | {"parameters": {"compared": chosen, **asked}}, "evidence")
    return table


def _table(table: pd.DataFrame, chosen: str) -> list[int]:
    """Draw the table; return the rows that are selected."""
    lines = table.to_dict("records")
    shown = table.assign(
        interval=[f"{line['low']:.3f} to {line['high']:.3f}" for line in lines],
        apart=[apart_text(line) if place else "" for place, line in enumerate(lines)],
        rate=[rate_text(line) for line in lines],
    )
    event = st.dataframe(
        shown[list(COLUMNS)],
        hide_index=True,
        height=420,
        key="quality",
        on_select="rerun",
        selection_mode="multi-row",
        column_config=COLUMNS,
        alt="AUC, its interval, the difference from the first, true positive rate and cost of "
        "every measure",
    )
    most = table.iloc[int(table["above"].argmax())]
    st.caption(
        f"{plain(chosen.capitalize())}: {most['above']:,} images "
        f"({most['clusters above']:,} different drawings) against "
        f"{most['below']:,} ({most['clusters below']:,}). Select rows to see their curves."
    )
    return [int(row) for row in event.selection.rows]


def _curves(
    values: pd.DataFrame,
    table: pd.DataFrame,
    picked: list[int],
    above: np.ndarray,
    below: np.ndarray,
) -> None:
    """Draw the ROC curves of some rows of the table."""

    def make() -> Any:
        curves = {}
        for row in picked[:CURVES]:
            line = table.iloc[row]
            value = signed(values[[line["measure"]]])[line["measure"]].to_numpy()
            said = interval(line["AUC"], line["low"], line["high"])
            curves[f"{line['title']}, {said}"] = tuple(
                value[side & ~np.isnan(value)] for side in (above, below)
            )
        return roc_curves(curves)

    st.plotly_chart(
        literal(make, ("roc", table, tuple(picked), values, above, below)),
        key="roc",
        config=CONFIG,
        alt="ROC curves of the chosen measures",
    )


def _first_of_each(table: pd.DataFrame) -> list[int]:
    """Return the best line of every kind of measure."""
    kinds = [MEASURES[name].run + MEASURES[name].column[:1] for name in table["measure"]]
    return [kinds.index(kind) for kind in dict.fromkeys(kinds)][: CURVES - 1]

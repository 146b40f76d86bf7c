"""How well each measure tells memorised prompts: the table and the ROC curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from memlib.evidence import best_of, interval, rate_text
from memlib.measures.conditional import PROMPT_MEASURES
from memlib.prompts import prompt_quality, sides_of, truths_of
from memlib.prompts.judging import LABELS, NEAR
from pages.figures.quality import roc_curves
from pages.figures.style import CONFIG, literal
from pages.prompts.stored import PAGE, WHEN, Opened
from pages.session.messages import plain

CURVES = 5
TRUTH = PAGE.one_of("truth", list[str](), LABELS)
WITHIN = PAGE.number("within", NEAR, 0.01, 2.0)
COLUMNS = {
    "title": st.column_config.TextColumn("Measure", width=240),
    "AUC": st.column_config.TextColumn(
        "AUC (95% interval)",
        width=125,
        help="The probability that a memorised prompt ranks above another; 0.5 is guessing. "
        "Prompts of one family or one original count as one.",
    ),
    "rate": st.column_config.TextColumn(
        "TPR at 1% FPR", width=115, help="The share found where 1% of the others are flagged."
    ),
    "prompts": st.column_config.TextColumn("Prompts", width=70, help="Memorised, and others."),
}


def judged(found: Opened) -> None:
    """Draw how the measures of a run tell its prompts."""
    st.subheader("Which measure tells them")
    known = truths_of(found.table, WITHIN.value())
    if not known:
        st.info(
            "There is nothing to compare: a list needs labels of both kinds, or pictures of which "
            "some are alike and others are not.",
            icon=":material/info:",
        )
        return
    row = st.container(horizontal=True, vertical_alignment="bottom")
    choice = TRUTH.among(list(known), next(iter(known)))
    name = row.segmented_control(
        "Memorised by", choice.options, key=choice.key(), format_func=plain, required=True
    )
    if name != LABELS:
        row.number_input(
            "Within a distance of",
            0.01,
            2.0,
            step=0.01,
            key=WITHIN.key(),
            width=180,
            help="Root mean square in image units; black to white is 2.",
        )
    truth = known[name if name in known else next(iter(known))]
    table = prompt_quality(found.table, found.measures, truth)
    if table.empty:
        st.info("No measure has values on both sides.", icon=":material/info:")
        return
    left, right = st.columns([4, 3], gap="medium")
    lines = table.to_dict("records")
    with left:
        event = st.dataframe(
            table.assign(
                AUC=[interval(line["AUC"], line["low"], line["high"]) for line in lines],
                rate=[rate_text(line) for line in lines],
                prompts=[f"{line['above']:,}, {line['below']:,}" for line in lines],
            )[list(COLUMNS)],
            hide_index=True,
            column_config=COLUMNS,
            height="content",
            key="prompts.quality",
            on_select="rerun",
            selection_mode="multi-row",
            alt="AUC and true positive rate of every measure of prompts, with intervals",
        )
    measures = {one.column: one for one in found.measures}
    picked = [row for row in event.selection.rows if row < len(lines)] or first_of_each(lines)

    def make() -> Any:
        return roc_curves(
            {
                f"{line['title']}, {interval(line['AUC'], line['low'], line['high'])}": sides_of(
                    found.table, measures[str(line["measure"])], truth
                )
                for line in (lines[row] for row in picked[:CURVES])
            }
        )

    with right:
        st.plotly_chart(
            literal(make, ("prompts", *found.key, truth.said, *picked)),
            key="prompts.roc",
            config=CONFIG,
            alt="ROC curves of the chosen measures",
        )
    st.caption("Select rows to see their curves.")
    st.markdown(best_of(table).replace("images", "prompts"))
    st.caption(
        f"{int(truth.above.sum()):,} prompts against {int(truth.below.sum()):,}, told by "
        f"{plain(truth.said)}. List and model: {plain(found.told)}. These numbers depend on the "
        "list; directions are those of the sources."
    )


def first_of_each(lines: Sequence[Mapping[Any, Any]]) -> list[int]:
    """Return the best line of those before, during and after generation, and the last of all."""
    when = [PROMPT_MEASURES[str(line["measure"])].when for line in lines]
    best = [when.index(one) for one in WHEN if one in when]
    return list(dict.fromkeys([*best, len(lines) - 1]))

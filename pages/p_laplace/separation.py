"""What K owes to the denoising loss, and which groups each p and noise level separates."""

import pandas as pd
import streamlit as st
from scipy.stats import spearmanr

from memlib.images import HELD_OUT
from memlib.measures import LEVELS, POWERS
from memlib.statistics import auc_interval
from pages.figures.spread import against_control
from pages.figures.style import CONFIG, literal
from pages.p_laplace.sphere_view import PAGE, Sphere
from pages.ranking.ranked import Ranked
from pages.session.messages import plain

SEPARATED = PAGE.one_of("separate", list[str](), "", of_model=True)


def against_loss(view: Sphere, ranked: Ranked) -> None:
    """Draw K against the denoising loss, the control that must be beside this number."""
    table, said = ranked.table, ranked.said
    st.subheader("Against the denoising loss")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.plotly_chart(
            literal(
                against_control(
                    table,
                    "loss",
                    view.title,
                    f"denoising loss of the same forwards{view.minus}",
                    ".4f",
                )
            ),
            key="loss-chart",
            config=CONFIG,
            alt=f"K against the denoising loss, {said}",
        )
    with right:
        varied = table["value"].nunique() > 1 and table["loss"].nunique() > 1
        order = (
            f"{float(spearmanr(table['value'], -table['loss']).statistic):.3f}"
            if varied
            else "unknown"
        )
        st.metric(
            "Rank correlation with minus the loss",
            order,
            help=f"Spearman's, over {said}.",
        )
        ranked.note()
        st.markdown(
            "At the default radius the points of the sphere are noised copies of the image, so K "
            "at p = 1 is nearly the denoising loss, the thing training makes small, in a form "
            "without scale. "
            "Near 1 the two rank the images alike: **K then knows nothing that the loss does not.**"
        )


def separation(view: Sphere, ranked: Ranked) -> None:
    """Draw how well each p and level separates each group from the held-out images, with bootstrap
    intervals, among the images that pass the filters.
    """
    table, said = ranked.table, ranked.said
    kinds = kinds_of(table)
    wanted = ordered_kinds(kinds, table)
    if HELD_OUT not in set(kinds) or not wanted:
        if ranked.seen.passing < ranked.seen.total and "group" in table:
            st.caption(
                "The filters leave no held-out images or no others: nothing to separate. Clear "
                "them to see what each p and noise level separates."
            )
        return
    st.subheader("What each p and noise level separates")
    usual = "copied x 32" if "copied x 32" in wanted else wanted[-1]
    choice = SEPARATED.among(wanted, usual)
    st.segmented_control(
        "Group against held-out images",
        choice.options,
        required=True,
        format_func=plain,
        key=choice.key(),
    )
    kind_of = dict(zip(table["id"], kinds, strict=True))
    lines = [line for level in LEVELS if (line := _line(view.at(level), kind_of, choice.value()))]
    st.dataframe(lines, hide_index=True, height="content", alt="AUC by p and noise level")
    st.caption(
        f"Area under the ROC curve among {said}, and its 95% bootstrap interval over images. The "
        "direction of each number is fixed by its definition. Levels that are not measured are "
        "left out."
    )


def kinds_of(table: pd.DataFrame) -> pd.Series:
    """What kind of image each row is: its group and, above one, its number of copies."""
    if "group" not in table:
        return pd.Series("", index=table.index)
    kinds = table["group"].astype(str)
    if "copies" in table:
        kinds = kinds + table["copies"].map(
            lambda count: f" x {count:g}" if isinstance(count, (int, float)) and count > 1 else ""
        )
    return kinds


def ordered_kinds(kinds: pd.Series, table: pd.DataFrame) -> list[str]:
    """The kinds but the held-out one, by group and then by copies."""
    counts = table["copies"] if "copies" in table else [1] * len(table)
    copies = {
        kind: count if isinstance(count, (int, float)) else 1
        for kind, count in zip(kinds, counts, strict=True)
    }
    order = sorted(copies, key=lambda kind: (kind.rpartition(" x ")[0] or kind, copies[kind]))
    return [kind for kind in order if kind != HELD_OUT]


def _line(view: Sphere, kind_of: dict[str, str], group: str) -> dict[str, str] | None:
    """AUC and interval of each number at the view's level; None where too few are measured."""
    rows = view.stored()
    ours = [row for image, row in rows.items() if kind_of.get(image) == group]
    theirs = [row for image, row in rows.items() if kind_of.get(image) == HELD_OUT]
    if len(ours) < 2 or len(theirs) < 2:
        return None
    numbers = [(f"K, p = {power:g}{view.minus}", f"K_{power:g}", 1) for power in POWERS]
    line = {"σ": f"{view.sigma:g}"}
    for name, column, sign in [*numbers, (f"denoising loss{view.minus}", "loss", -1)]:
        auc, low, high = auc_interval(
            [sign * row[column] for row in ours], [sign * row[column] for row in theirs]
        )
        line[name] = f"{auc:.3f} ({low:.3f} to {high:.3f})"
    return line

"""How much of K the denoising loss explains, and which groups each p and noise level separates."""

import numpy as np
import pandas as pd
import streamlit as st
from scipy.stats import spearmanr

from memlib.evidence import auc_text, clusters
from memlib.images import HELD_OUT
from memlib.measures import LEVELS, POWERS
from pages.figures.spread import against_control
from pages.figures.style import CONFIG, literal
from pages.p_laplace.sphere_view import PAGE, Sphere
from pages.ranking.ranked import Ranked
from pages.session import neighbours
from pages.session import results as computed
from pages.session.messages import plain

SEPARATED = PAGE.one_of("separate", list[str](), "", of_model=True)


def against_loss(view: Sphere, ranked: Ranked) -> None:
    """Draw K against the denoising loss, the control that K must be compared with."""
    table, said = ranked.table, ranked.said
    st.subheader("Against the denoising loss")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        control = f"denoising loss of the same forwards{view.minus}"
        st.plotly_chart(
            literal(
                lambda: against_control(table, "loss", view.title, control, ".4f"),
                ("loss", *ranked.key),
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
            "At the default radius the points of the sphere are noised copies of the image, so "
            "K at p = 1 is nearly the denoising loss, which training minimises, in a scale-free "
            "form. If the correlation is near 1, both rank the images alike: **K then adds "
            "nothing to the loss.**"
        )


def separation(view: Sphere, ranked: Ranked) -> None:
    """Draw how well each p and level separates each group from the held-out images, with intervals
    over clusters, among the images that pass the filters.
    """
    table, said = ranked.table, ranked.said
    kinds = kinds_of(table)
    wanted = ordered_kinds(kinds, table)
    if HELD_OUT not in set(kinds) or not wanted:
        if ranked.seen.passing < ranked.seen.total and "group" in table:
            st.caption(
                "The filters leave no held-out images or no others, so there are no groups to "
                "compare. Clear the filters to see what each p and noise level separates."
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
    images = view.loaded.images
    labels = clusters(images, neighbours.near_duplicates(view.loaded))
    kind_of = dict(zip(table["id"], kinds, strict=True))
    kind = np.array([kind_of.get(image, "") for image in images.ids])
    sides = kind == choice.value(), kind == HELD_OUT
    views = [view.at(level) for level in LEVELS]
    known = tuple((one.token, hash(frozenset(one.stored()))) for one in views)
    lines = computed.once(
        ("separation", choice.value(), known, *ranked.key),
        lambda: [line for one in views if (line := _line(one, *sides, labels))],
    )
    st.dataframe(lines, hide_index=True, height="content", alt="AUC by p and noise level")
    st.caption(
        f"Area under the ROC curve among {said}, and its 95% interval. Near-duplicates and "
        "variants of one drawing count as one image. The direction of each number is fixed by its "
        "definition. Levels that are not measured are left out."
    )


def kinds_of(table: pd.DataFrame) -> pd.Series:
    """Return the kind of each row's image: its group and, if above one, its number of copies."""
    if "group" not in table:
        return pd.Series("", index=table.index)
    kinds = table["group"].astype(str)
    if "copies" in table:
        kinds = kinds + table["copies"].map(
            lambda count: f" x {count:g}" if isinstance(count, (int, float)) and count > 1 else ""
        )
    return kinds


def ordered_kinds(kinds: pd.Series, table: pd.DataFrame) -> list[str]:
    """List the kinds except the held-out one, by group and then by copies."""
    counts = table["copies"] if "copies" in table else [1] * len(table)
    copies = {
        kind: count if isinstance(count, (int, float)) else 1
        for kind, count in zip(kinds, counts, strict=True)
    }
    order = sorted(copies, key=lambda kind: (kind.rpartition(" x ")[0] or kind, copies[kind]))
    return [kind for kind in order if kind != HELD_OUT]


def _line(
    view: Sphere, above: np.ndarray, below: np.ndarray, labels: np.ndarray
) -> dict[str, str] | None:
    """Return the AUC and interval of each number at the view's level, for masks (N,) of images and
    their cluster labels; None if too few are measured.
    """
    rows, ids = view.stored(), view.loaded.images.ids
    known = np.array([image in rows for image in ids])
    if (above & known).sum() < 2 or (below & known).sum() < 2:
        return None
    numbers = [(f"K, p = {power:g}{view.minus}", f"K_{power:g}", 1) for power in POWERS]
    line = {"σ": f"{view.sigma:g}"}
    for name, column, sign in [*numbers, (f"denoising loss{view.minus}", "loss", -1)]:
        values = np.array(
            [sign * rows[image][column] if image in rows else np.nan for image in ids]
        )
        line[name] = auc_text(values, above, below, labels)
    return line

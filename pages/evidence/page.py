"""Which number to believe: what the model reproduces, and how well each measure says so."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from memlib import ImageSet
from memlib.evidence import (
    REPRODUCED,
    at_most,
    comparisons,
    held_out,
    quality,
    reproductions,
    signed,
)
from memlib.extraction.matches import CRITERIA
from memlib.images import HELD_OUT
from memlib.measures import MEASURES
from pages.evidence.panels import (
    disagreement_panel,
    missing_panel,
    reproduced_gallery,
    sampling,
    scatter_panel,
)
from pages.figures import charts
from pages.session import neighbours as nearby
from pages.session import workspace
from pages.session.downloads import table_buttons
from pages.session.measure_tables import measured

loaded = workspace.require()
denoiser, images = loaded.denoiser, loaded.images
st.caption(
    "A number is evidence as far as it ranks the images that really come back above those "
    "that do not. Pictures drawn from the model are the ground truth."
)


def ground_truth() -> tuple[dict[str, Any], ImageSet, np.ndarray] | None:
    """What was drawn and what counts as a copy, in words; the drawn pictures; how often each image
    came back.
    """
    made = nearby.generations(loaded)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    if not made:
        st.info(
            "No pictures of this model are stored yet. Draw some below: they are kept, and you "
            "can draw more later.",
            icon=":material/brush:",
        )
        return None
    name = (
        row.segmented_control(
            "Pictures drawn",
            list(made),
            default=next(iter(made)),
            required=True,
            key="drawn",
            bind="query-params",
        )
        if len(made) > 1
        else next(iter(made))
    )
    matches = nearby.matches(loaded, made[name])
    known = [one for one in CRITERIA if one in matches]
    by = row.selectbox(
        "A copy is called by",
        known,
        format_func=lambda one: CRITERIA[one].title,
        key="copy_by",
        bind="query-params",
        width=330,
    )
    criterion = CRITERIA[by]
    cut = row.number_input(
        "below" if criterion.below else "above",
        0.0,
        10.0,
        float(criterion.threshold),
        0.01,
        format="%.3f",
        key=f"copy_cut_{by}",
        width=140,
        help=criterion.definition,
    )
    asked = {"drawn": name, "samples": len(made[name]), "criterion": by, "threshold": cut}
    return asked, made[name], reproductions(matches, len(images), by, cut)


def said(asked: dict[str, Any], samples: ImageSet, counts: np.ndarray) -> None:
    """What came back, in words."""
    trained = int((~held_out(images)).sum())
    total, distinct = int(counts.sum()), int((counts > 0).sum())
    columns = st.columns(4)
    columns[0].metric(
        "Pictures drawn",
        f"{len(samples):,}",
        help=f"{asked['drawn']}. Stored with how they were drawn.",
    )
    columns[1].metric(
        "Copies",
        f"{total:,}",
        help="Of the pictures drawn; the nearest of the distinct training images is copied.",
    )
    columns[2].metric(
        "Images that came back",
        f"{distinct:,} of {trained:,}",
        help="Different training images with at least one copy.",
    )
    columns[3].metric(
        "Share of copies, at most",
        f"{at_most(len(samples), total):.2%}",
        help="Of all pictures the model draws this way are copies, with "
        "95% confidence (one-sided, "
        "Clopper-Pearson).",
    )
    if not total:
        st.info(
            f"0 of {len(samples):,} pictures are copies: with 95% confidence at most "
            f"{at_most(len(samples)):.2%} of what the model draws is. Nothing came back, so no "
            "measure can be judged by it, and no AUC is given for reproduction.",
            icon=":material/info:",
        )


def quality_table(
    values: pd.DataFrame, counts: np.ndarray, asked: dict[str, Any]
) -> tuple[pd.DataFrame, str, tuple[np.ndarray, np.ndarray]] | None:
    sides = comparisons(images, counts)
    if not sides:
        st.info(
            "There is nothing to compare: no image came back, and no group called held-out is in "
            "the image set.",
            icon=":material/info:",
        )
        return None
    st.subheader("Which measure says so")
    chosen = st.segmented_control(
        "Images that should rank above others",
        list(sides),
        default=next(iter(sides)),
        required=True,
        key="sides",
        bind="query-params",
    )
    above, below = sides[chosen if chosen in sides else next(iter(sides))]
    table = _quality(
        values,
        above,
        below,
        (denoiser.digest, images.digest, above.tobytes(), below.tobytes(), _filled(values)),
    )
    if table.empty:
        st.info(
            "No measure has been measured on images of both sides. Measure some below.",
            icon=":material/info:",
        )
        return None
    left, right = st.columns([5, 3], gap="medium")
    with left:
        shown = table.assign(
            interval=[
                f"{low:.3f} to {high:.3f}"
                for low, high in zip(table["low"], table["high"], strict=True)
            ]
        )
        event = st.dataframe(
            shown[["title", "AUC", "interval", "TPR at 1% FPR", "forwards"]],
            hide_index=True,
            height=420,
            key="quality",
            on_select="rerun",
            selection_mode="multi-row",
            column_config={
                "title": st.column_config.TextColumn("Measure", width=195),
                "AUC": st.column_config.ProgressColumn(
                    "AUC",
                    width=100,
                    min_value=0,
                    max_value=1,
                    format="%.3f",
                    help="The chance that an image of the first kind ranks above one "
                    "of the second; 0.5 is guessing.",
                ),
                "interval": st.column_config.TextColumn(
                    "95% interval",
                    width=100,
                    help="Bootstrap over images. Images of one drawing are not "
                    "independent, so it is a little too "
                    "narrow.",
                ),
                "TPR at 1% FPR": st.column_config.NumberColumn(
                    "TPR",
                    width=52,
                    format="%.3f",
                    help="Share of the first kind found where at most 1% of the second is flagged.",
                ),
                "forwards": st.column_config.NumberColumn(
                    "Forwards", width=62, help="Network forwards an image."
                ),
            },
            alt="AUC, interval, true positive rate and cost of every measure",
        )
        st.caption(
            f"{chosen.capitalize()}: {int(table['above'].max()):,} images against "
            f"{int(table['below'].max()):,}. TPR is at 1% false positives. Select rows to see "
            "their curves."
        )
    picked = [int(row) for row in event.selection.rows] or _first_of_each(table)
    with right:
        curves = {}
        for row in picked[:6]:
            line = table.iloc[row]
            value = signed(values[[line["measure"]]])[line["measure"]].to_numpy()
            curves[f"{line['title']}, {line['AUC']:.3f}"] = tuple(
                value[side & ~np.isnan(value)] for side in (above, below)
            )
        st.plotly_chart(
            charts.roc_curves(curves),
            key="roc",
            config=charts.CONFIG,
            alt="ROC curves of the chosen measures",
        )
    here = workspace.manifest(
        loaded, "volume_growth", {}
    )  # of all measures, each with its own defaults
    details = {name: value for name, value in here.items() if name != "measure"} | {
        "parameters": {"compared": chosen, **asked}
    }
    table_buttons(table, details, "evidence")
    return table, chosen, (above, below)


def _first_of_each(table: pd.DataFrame) -> list[int]:
    """The best line of every kind of measure."""
    kinds = [MEASURES[name].run + MEASURES[name].column[:1] for name in table["measure"]]
    return [kinds.index(kind) for kind in dict.fromkeys(kinds)][:5]


def _filled(values: pd.DataFrame) -> tuple[int, ...]:
    return tuple(int(count) for count in values.count())


@st.cache_data(
    max_entries=16, scope="session", show_spinner="Areas under the curves, with intervals"
)
def _quality(
    _values: pd.DataFrame, _above: np.ndarray, _below: np.ndarray, key: tuple
) -> pd.DataFrame:
    return quality(denoiser, _values, _above, _below)


values, _, order = measured(loaded)
truth = ground_truth()
sampling(loaded)
counts = np.zeros(len(images), int)
if truth is not None:
    said(*truth)
    counts = truth[2]
    reproduced_gallery(loaded, truth[1], counts)
found = quality_table(values, counts, truth[0] if truth else {})
if found is not None:
    table, chosen, sides = found
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Cost beside quality")
        st.plotly_chart(
            charts.cost(table),
            key="cost",
            config=charts.CONFIG,
            alt="AUC against network forwards an image",
        )
    with right:
        st.subheader("Value against times reproduced")
        name = st.selectbox(
            "Measure",
            list(table["measure"]),
            format_func=lambda one: MEASURES[one].title,
            key="against",
            bind="query-params",
            label_visibility="collapsed",
        )
        st.plotly_chart(
            charts.against_count(
                values[name],
                counts,
                images.names,
                ~held_out(images),
                f"{MEASURES[name].title}, {MEASURES[name].unit}",
            ),
            key="count",
            config=charts.CONFIG,
            alt="Value of each image against how often it came back",
        )
scatter_panel(loaded, values, order, counts)
disagreement_panel(loaded, values, counts)
missing_panel(loaded, values)
st.subheader("What follows, and what does not")
st.markdown(
    f"""
- A high AUC for *{REPRODUCED}* says that on this model, with these pictures and this criterion, the measure ranks what comes back first. It does not say that it would on another model.
- **Membership is not memorisation.** A measure that tells trained images from held-out ones may see that the model knows them a little; most trained images never come back. And images of another kind than the trained ones are told apart by their kind: the group called {HELD_OUT} must be of the same kind.
- **A sharp basin is not a copy.** That the score points back to an image, or that its volume grows fast, says that the model could hold it; only drawing it unprompted shows that it does give it away.
- **Not drawn is not safe.** An image that came back in none of N pictures may come back in the next ones, or under guidance; the bound above is about all of them together.
- Plain pictures have high values without being memorised; the denoising loss and the likelihood stand in the table to show how much of the rest they already explain.
- A criterion can be wrong both ways: the ratio misses copies of what has a near twin unless near-duplicates are merged (they are here), and a distance calls plain pictures copies.
"""
)

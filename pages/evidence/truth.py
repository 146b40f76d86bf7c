"""What is reproduced: the generated images, the criterion of a copy, and how many are copies."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from torch import Tensor

from memlib import ImageSet
from memlib.evidence import at_most, different, reproductions
from memlib.extraction.matches import CRITERIA
from memlib.workspace import Workspace
from pages.evidence.panels import SHOWN, pictures
from pages.session import neighbours
from pages.session.messages import plain


@dataclass(frozen=True)
class Truth:
    """The generated images, how many are copies of each image (N,), and what was asked: which run
    and which criterion of a copy.
    """

    samples: ImageSet
    counts: np.ndarray
    asked: dict[str, Any]


def ground_truth(loaded: Workspace) -> Truth | None:
    """Draw the choice of a run and of the criterion of a copy; return None if no image is
    stored.
    """
    made = neighbours.generations(loaded)
    if not made:
        st.info(
            "No generated images of this model are stored yet. Generate some below: they are "
            "kept, and you can add more later.",
            icon=":material/brush:",
        )
        return None
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = next(iter(made))
    if len(made) > 1:
        name = row.segmented_control(
            "Generated images",
            list(made),
            format_func=plain,
            default=name,
            required=True,
            key="drawn",
            bind="query-params",
        )
    matches = neighbours.matches(loaded, made[name])
    by = row.selectbox(
        "A copy is called by",
        [one for one in CRITERIA if one in matches],
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
    return Truth(made[name], reproductions(matches, len(loaded.images), by, cut), asked)


def summary(loaded: Workspace, truth: Truth, groups: Tensor) -> None:
    """Draw what was reproduced in four numbers; images of one near-duplicate group (N,)
    count once.
    """
    trained, drawn = ~loaded.images.held_out, len(truth.samples)
    total = int(truth.counts.sum())
    columns = st.columns(4)
    columns[0].metric(
        "Generated images",
        f"{drawn:,}",
        help=f"{plain(truth.asked['drawn'])}. Stored with the settings they were drawn with.",
    )
    columns[1].metric(
        "Copies",
        f"{total:,}",
        help="Of the generated images. A generated image can be a copy only of its nearest "
        "training image.",
    )
    columns[2].metric(
        "Images reproduced",
        f"{different(groups, truth.counts > 0):,} of {different(groups, trained):,}",
        help="Different training images with at least one copy; near-duplicates count as one.",
    )
    columns[3].metric(
        "Share of copies, at most",
        f"{at_most(drawn, total):.2%}",
        help="At most this share of all images the model generates in this way are copies, with "
        "95% confidence (one-sided, Clopper-Pearson).",
    )
    if not total:
        st.info(
            f"0 of {drawn:,} pictures are copies: with 95% confidence at most "
            f"{at_most(drawn):.2%} of what the model draws is. Nothing came back, so no "
            "measure can be judged by it, and no AUC is given for reproduction.",
            icon=":material/info:",
        )


def reproduced_gallery(loaded: Workspace, counts: np.ndarray) -> None:
    """Draw the reproduced images, the most often first."""
    order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
    if not len(order):
        return
    title = f"The {len(order):,} reproduced images, near-duplicates included"
    with st.expander(title, icon=":material/content_copy:"):
        shown = order[: 4 * SHOWN]
        pictures(loaded.images, shown.tolist(), [f"{counts[place]:,} times" for place in shown])
        if len(order) > len(shown):
            st.caption(f"The first {len(shown)}.")

"""What is reproduced: the generated images, the criterion of a copy, and how many are copies."""

import numpy as np
import streamlit as st

from memlib.evidence import bounds, different, reproductions
from memlib.extraction.matches import CRITERIA
from memlib.workspace import Workspace
from pages.evidence.panels import SHOWN
from pages.ranking.pictures import choose_among
from pages.session import neighbours
from pages.session.messages import plain
from pages.session.neighbours import Truth, remembered


def ground_truth(loaded: Workspace) -> Truth | None:
    """Draw the choice of a run and of the criterion of a copy; return None if no image is
    stored.
    """
    made = neighbours.runs(loaded)
    if not made:
        st.info(
            "No generated images of this model are stored yet. Generate some below: they are "
            "kept, and you can add more later.",
            icon=":material/brush:",
        )
        return None
    name = next(iter(made))
    if len(made) > 1:
        name = st.segmented_control(
            "Generated images",
            list(made),
            format_func=plain,
            default=name,
            required=True,
            key="drawn",
            bind="query-params",
        )
    matches = neighbours.matches(loaded, made[name].images)
    row = st.container(horizontal=True)
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


def summary(loaded: Workspace, truth: Truth) -> None:
    """Draw what was reproduced in a sentence and four numbers; near-duplicates count once."""
    found = remembered(loaded, truth)
    trained, drawn = ~loaded.images.held_out, len(truth.samples)
    st.markdown(f"**{found.sentence()}**")
    columns = st.columns(4)
    columns[0].metric(
        "Generated images",
        f"{drawn:,}",
        help=f"{plain(truth.asked['drawn'])}. Stored with the settings they were drawn with.",
    )
    columns[1].metric(
        "Copies",
        f"{found.copies:,}",
        help="Of the generated images. A generated image can be a copy only of its nearest "
        "training image.",
    )
    columns[2].metric(
        "Images reproduced",
        f"{found.counts.seen:,} of {different(found.groups, trained):,}",
        help="Different training images with at least one copy; near-duplicates count as one.",
    )
    columns[3].metric(
        "Share of copies",
        f"{found.copies / drawn:.1%}",
        bounds(found.copies, drawn),
        delta_color="off",
        delta_arrow="off",
        help="Of all images the model generates in this way, so large a share are copies. "
        "Clopper-Pearson; where no copy was drawn the bound is one-sided.",
    )
    if not found.copies:
        st.info(
            "No image was reproduced, so no measure can be judged by it, and no AUC is given for "
            "reproduction.",
            icon=":material/info:",
        )


def reproduced_gallery(loaded: Workspace, counts: np.ndarray) -> None:
    """Draw the reproduced images, the most often first."""
    order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
    if not len(order):
        return
    title = f"The {len(order):,} reproduced images, near-duplicates included"
    room = st.expander(title, icon=":material/content_copy:", key="gallery", on_change="rerun")
    if not room.open:
        return
    with room:
        shown = order[: 4 * SHOWN]
        said = [f"{counts[place]:,} times" for place in shown]
        choose_among(loaded.images, shown.tolist(), said, "evidence.reproduced", title)
        if len(order) > len(shown):
            st.caption(f"The first {len(shown)}.")

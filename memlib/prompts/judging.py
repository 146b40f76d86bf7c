"""How well measures tell memorised prompts from others: by the labels of the list, or by what the
prompts give again.

The truth is soft: a label says that a prompt was found to be memorised by somebody, and of such
lists only a part gives its picture again. So both can be asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from memlib.evidence.quality import quality
from memlib.measures import Measure
from memlib.measures.conditional.scoring import AMONG
from memlib.prompts.prompt_list import MEMORISED, NOT_MEMORISED
from memlib.prompts.prompt_run import ORIGINAL_DISTANCE

LABELS, SEEDS_ALIKE, NEAR_ORIGINAL = "labels of the list", "pictures alike", "near the original"
NEAR = (
    0.25  # image units, within which pictures are called the same unless a visitor says otherwise
)


@dataclass(frozen=True)
class Truth:
    """Which prompts a measure should rank `above` which others (`below`), masks (N,); `said` is how
    they were told, and `by` the column that told them, which cannot be judged by itself.
    """

    name: str
    said: str
    above: np.ndarray
    below: np.ndarray
    by: str = ""

    @property
    def usable(self) -> bool:
        return bool(self.above.any() and self.below.any())


def labelled(table: pd.DataFrame) -> Truth:
    """Tell the prompts by the labels of the list; unlabelled ones are on neither side."""
    label = table["label"].to_numpy()
    sides = label == MEMORISED, label == NOT_MEMORISED
    return Truth(LABELS, "labels in the list", *sides)


def by_regeneration(table: pd.DataFrame, name: str, most: float = NEAR) -> Truth:
    """Tell the prompts by their pictures: those of different seeds differ by at most `most` in the
    tile where they differ most (Carlini et al. 2023), or one of them is at most that far from the
    original.

    Prompts without such a number are on neither side. Raises ValueError for another name.
    """
    column, said = {
        SEEDS_ALIKE: (AMONG, f"pictures of different seeds within {most:g} of each other"),
        NEAR_ORIGINAL: (ORIGINAL_DISTANCE, f"a picture within {most:g} of the original"),
    }[name]
    distance = table[column].to_numpy(float)
    return Truth(name, said, distance <= most, distance > most, column)


def truths_of(table: pd.DataFrame, most: float = NEAR) -> dict[str, Truth]:
    """Return every way to tell the prompts of a table that leaves some on both sides."""
    found = [labelled(table)]
    for name, column in ((SEEDS_ALIKE, AMONG), (NEAR_ORIGINAL, ORIGINAL_DISTANCE)):
        if column in table:
            found.append(by_regeneration(table, name, most))
    return {one.name: one for one in found if one.usable}


def families(table: pd.DataFrame) -> np.ndarray:
    """Label the prompts that count as one observation, (N,): those of one family, or of one
    original.
    """
    own = [
        family or original or f"\0{place}"
        for place, (family, original) in enumerate(
            zip(table["family"], table["original"], strict=True)
        )
    ]
    labels: np.ndarray = np.unique(own, return_inverse=True)[1]
    return labels


def prompt_quality(table: pd.DataFrame, measures: Sequence[Measure], truth: Truth) -> pd.DataFrame:
    """Compute how well each measure of a table of prompts tells them, best first: the columns of
    `evidence.quality` (AUC and TPR with 95% intervals over `families`, numbers of prompts).
    """
    judged = {one.column: one for one in measures if one.column in table and one.column != truth.by}
    return quality(
        None, table[list(judged)], truth.above, truth.below, families(table), measures=judged
    )


def sides_of(table: pd.DataFrame, measure: Measure, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of the prompts above and below, bigger is more memorised, for a ROC."""
    values = measure.direction * table[measure.column].to_numpy(float)
    known = ~np.isnan(values)
    return values[truth.above & known], values[truth.below & known]

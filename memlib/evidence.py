"""Evidence: which training images come back, and which number says so.

Ground truth is reproduction: pictures drawn from the model are matched with the training images, and every match counts for the image
it is a copy of. A measure is good evidence on this model as far as it ranks the images that come back above those that do not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, rankdata

from memlib.denoisers import Denoiser
from memlib.extraction.generations import Generations
from memlib.extraction.matches import CRITERIA, match, training_set
from memlib.images import ImageSet
from memlib.measures import MEASURES, Row
from memlib.measures.evidence import auc_interval, tpr_at
from memlib.neighbours import duplicates
from memlib.runs import result_keys

HELD_OUT = "held-out"
REPRODUCED, TRAINED = "reproduced against not", "trained against held-out"


def held_out(images: ImageSet) -> np.ndarray:
    """True (N,) for images of the group called held-out: they were not trained on."""
    return np.array([group == HELD_OUT for group in images.metadata.get("group", [""] * len(images))])


def match_samples(samples: ImageSet, images: ImageSet) -> pd.DataFrame:
    """Generated pictures matched with the images that were trained on, near-duplicates counted as one: `extraction.match`."""
    return match(Generations(samples, None, {}), training_set(images, duplicates(images)))


def copied(matches: pd.DataFrame, criterion: str = "ratio", threshold: float | None = None) -> np.ndarray:
    """The place of the image each generated picture is a copy of, -1 where it is none; a criterion of `extraction.CRITERIA`."""
    if criterion not in CRITERIA or criterion not in matches:
        raise ValueError(f"Copies can be called by {', '.join(name for name in CRITERIA if name in matches)}, not by {criterion!r}.")
    return np.where(CRITERIA[criterion].holds(matches[criterion].to_numpy(), threshold), matches["nearest"].to_numpy(), -1)


def reproductions(matches: pd.DataFrame, images: int, criterion: str = "ratio", threshold: float | None = None) -> np.ndarray:
    """How many of the generated pictures are copies of each image, (images,)."""
    found = copied(matches, criterion, threshold)
    return np.bincount(found[found >= 0], minlength=images)


def at_most(samples: int, hits: int = 0, confidence: float = 0.95) -> float:
    """The largest share of copies among all the model draws that `hits` of `samples` leave possible (one-sided Clopper-Pearson)."""
    return float(binomtest(hits, samples, alternative="less").proportion_ci(confidence, "exact").high)


def measure_table(denoiser: Denoiser, images: ImageSet, results: Mapping[str, Row]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values and standard errors of every measure with its default parameters, (N, measures), NaN where there is no result."""
    values, errors = {}, {}
    for name, measure in MEASURES.items():
        rows = _rows(denoiser, images, results, name)
        values[name] = [_number(row, measure.column) for row in rows]
        errors[name] = [_number(row, measure.error) for row in rows]
    return pd.DataFrame(values, dtype=np.float64), pd.DataFrame(errors, dtype=np.float64)


def _rows(denoiser: Denoiser, images: ImageSet, results: Mapping[str, Row], name: str) -> list[Row]:
    """Each image's result, an empty one where there is none; the likelihood is also known from the growth of the same path."""
    measure = MEASURES[name]
    keys = result_keys(denoiser.digest, images.ids, measure.run, measure.defaults(denoiser))
    rows: list[Row] = [results.get(keys[image], {}) for image in images.ids]
    if name == "log_likelihood" and not any(rows):
        growth = _rows(denoiser, images, results, "volume_growth")
        return [{"value": row["value"] + row["log_prior"], "stderr": row["stderr"]} if "log_prior" in row else {} for row in growth]
    return rows


def _number(row: Row, column: str) -> float:
    value = row.get(column, np.nan)
    return float(value)


def signed(values: pd.DataFrame) -> pd.DataFrame:
    """The values times their measures' directions: bigger is more memorised."""
    return values.mul([float(MEASURES[str(name)].direction) for name in values])


def ranks(values: pd.DataFrame) -> pd.DataFrame:
    """1 for the most memorised of the measured images; equal values share the better rank."""
    return signed(values).rank(ascending=False, method="min")


def comparisons(images: ImageSet, counts: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Named pairs of masks (N,): which images a measure should rank above which others. Those with an empty side are left out."""
    kept_out = held_out(images)
    found = {REPRODUCED: (~kept_out & (counts > 0), ~kept_out & (counts == 0)), TRAINED: (~kept_out, kept_out)}
    groups = np.array(images.metadata.get("group", [""] * len(images)))
    for group in sorted(set(groups[~kept_out]) - {""}):
        found[f"{group} against held-out"] = ((groups == group) & ~kept_out, kept_out)
    return {name: sides for name, sides in found.items() if sides[0].any() and sides[1].any()}


def quality(denoiser: Denoiser, values: pd.DataFrame, above: np.ndarray, below: np.ndarray, names: Iterable[str] = ()) -> pd.DataFrame:
    """How well each measure ranks images `above` over those `below`, best first: AUC with its 95% interval, TPR at 1% FPR, forwards.

    Only images with a value count; measures without one on either side are left out.
    """
    lines = []
    for name in names or map(str, values):
        value = signed(values[[name]])[name].to_numpy()
        one, other = (value[side & ~np.isnan(value)] for side in (above, below))
        if len(one) and len(other):
            area, low, high = auc_interval(one, other)
            numbers = {"AUC": area, "low": low, "high": high, "TPR at 1% FPR": tpr_at(one, other)}
            measure = MEASURES[name]
            forwards = measure.forwards(denoiser)
            lines.append({"measure": name, "title": measure.title, "above": len(one), "below": len(other), **numbers, "forwards": forwards})
    columns = ["measure", "title", "above", "below", "AUC", "low", "high", "TPR at 1% FPR", "forwards"]
    return pd.DataFrame(lines, columns=columns).sort_values("AUC", ascending=False, kind="stable", ignore_index=True)


def rank_agreement(values: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of every two measures, in their directions, over the images both have."""
    known = values.loc[:, values.nunique() > 1]
    return signed(known).corr(method="spearman")


def disagreement(values: pd.DataFrame, one: str, other: str) -> pd.Series:
    """How much higher `one` ranks each image than `other` does, as a share of the images both have, -1 to 1, by position."""
    both = signed(values[[one, other]]).dropna()
    order = both.apply(rankdata)
    difference: pd.Series = (order[one] - order[other]) / max(1, len(both) - 1)
    return difference


@dataclass(frozen=True)
class BaseRate:
    """What a threshold flags, and what it would flag if nothing were memorised. `rate` is None without held-out images."""

    flagged: int
    of: int
    rate: float | None
    low: float
    high: float
    held_out: int

    @property
    def expected(self) -> float | None:
        return None if self.rate is None else self.rate * self.of

    def __str__(self) -> str:
        said = f"{self.flagged:,} of {self.of:,} flagged"
        if self.rate is None:
            return f"{said}; how many of them by chance cannot be said: there are no held-out images of the same kind with this number."
        return (
            f"{said}; at {self.rate:.1%} false positives {self.expected:,.0f} expected by chance "
            f"(95%: {self.low * self.of:,.0f} to {self.high * self.of:,.0f}, from {self.held_out:,} held-out images)."
        )


def base_rate(value: np.ndarray, threshold: float, kept_out: np.ndarray) -> BaseRate:
    """Of the trained images with a value (bigger is more memorised), how many reach the threshold, and at which rate held-out ones do."""
    known = ~np.isnan(value)
    trained, other = value[known & ~kept_out], value[known & kept_out]
    flagged = int((trained >= threshold).sum())
    if not len(other):
        return BaseRate(flagged, len(trained), None, 0, 1, 0)
    test = binomtest(int((other >= threshold).sum()), len(other))
    interval = test.proportion_ci(0.95, "wilson")
    return BaseRate(flagged, len(trained), test.statistic, interval.low, interval.high, len(other))

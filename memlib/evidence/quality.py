"""How well each measure ranks the images it should rank first, and how far measures agree."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from memlib.denoisers import Denoiser
from memlib.evidence.reproduction import held_out
from memlib.evidence.text import interval
from memlib.images import ImageSet
from memlib.measures import MEASURES, Row
from memlib.runs import Results
from memlib.statistics import auc_interval, tpr_at

REPRODUCED, TRAINED = "reproduced against not", "trained against held-out"


def measure_table(
    denoiser: Denoiser, images: ImageSet, results: Results
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values and standard errors of every measure with its default parameters, (N, measures), NaN
    where there is no result.
    """
    values, errors = {}, {}
    for name, measure in MEASURES.items():
        rows = _rows(denoiser, images, results, name)
        values[name], errors[name] = (
            _column(images, rows, column) for column in (measure.column, measure.error)
        )
    return pd.DataFrame(values), pd.DataFrame(errors)


def _rows(denoiser: Denoiser, images: ImageSet, results: Results, name: str) -> Mapping[str, Row]:
    """A measure's results by image id; the likelihood is also known from the growth of the same
    path.
    """
    measure = MEASURES[name]
    rows = results.rows(denoiser.digest, measure.run, measure.defaults(denoiser))
    if name == "log_likelihood" and rows.keys().isdisjoint(images.ids):
        growth = _rows(denoiser, images, results, "volume_growth")
        return {
            image: {"value": row["value"] + row["log_prior"], "stderr": row["stderr"]}
            for image, row in growth.items()
            if "log_prior" in row
        }
    return rows


def _column(images: ImageSet, rows: Mapping[str, Row], column: str) -> np.ndarray:
    """One number of each image, NaN where it is not known."""
    if not rows:
        return np.full(len(images), np.nan)
    return np.array(
        [rows[image].get(column, np.nan) if image in rows else np.nan for image in images.ids],
        np.float64,
    )


def signed(values: pd.DataFrame) -> pd.DataFrame:
    """The values times their measures' directions: bigger is more memorised."""
    return values.mul([float(MEASURES[str(name)].direction) for name in values])


def ranks(values: pd.DataFrame) -> pd.DataFrame:
    """1 for the most memorised of the measured images; equal values share the better rank."""
    return signed(values).rank(ascending=False, method="min")


def comparisons(images: ImageSet, counts: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Named pairs of masks (N,): which images a measure should rank above which others.

    Those with an empty side are left out.
    """
    kept_out = held_out(images)
    found = {
        REPRODUCED: (~kept_out & (counts > 0), ~kept_out & (counts == 0)),
        TRAINED: (~kept_out, kept_out),
    }
    groups = np.array(images.metadata.get("group", [""] * len(images)))
    for group in sorted(set(groups[~kept_out]) - {""}):
        found[f"{group} against held-out"] = ((groups == group) & ~kept_out, kept_out)
    return {name: sides for name, sides in found.items() if sides[0].any() and sides[1].any()}


def quality(
    denoiser: Denoiser,
    values: pd.DataFrame,
    above: np.ndarray,
    below: np.ndarray,
    names: Iterable[str] = (),
) -> pd.DataFrame:
    """How well each measure ranks images `above` over those `below`, best first: AUC with its 95%
    interval, TPR at 1% FPR, forwards.

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
            lines.append(
                {
                    "measure": name,
                    "title": measure.title,
                    "above": len(one),
                    "below": len(other),
                    **numbers,
                    "forwards": forwards,
                }
            )
    columns = [
        "measure",
        "title",
        "above",
        "below",
        "AUC",
        "low",
        "high",
        "TPR at 1% FPR",
        "forwards",
    ]
    return pd.DataFrame(lines, columns=columns).sort_values(
        "AUC", ascending=False, kind="stable", ignore_index=True
    )


def rank_agreement(values: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of every two measures, in their directions, over the images both
    have.
    """
    known = values.loc[:, values.nunique() > 1].dropna(how="all")
    return signed(known).corr(method="spearman")


def disagreement(values: pd.DataFrame, one: str, other: str) -> pd.Series:
    """How much higher `one` ranks each image than `other` does, as a share of the images both have,
    -1 to 1, by position.
    """
    both = signed(values[[one, other]]).dropna()
    order = both.apply(rankdata)
    difference: pd.Series = (order[one] - order[other]) / max(1, len(both) - 1)
    return difference


def ladder(
    images: ImageSet, counts: np.ndarray, named: Mapping[str, Sequence[float] | np.ndarray]
) -> pd.DataFrame:
    """A line for each group and number of copies: images, how many came back, copies drawn of them,
    AUC against held-out images.

    `named` {name: values, bigger is more memorised}; the AUC comes with its 95% bootstrap interval
    over images.
    """
    kept_out, kinds = held_out(images), rungs(images)
    lines = []
    for kind in sorted(set(kinds), key=_by_copies):
        chosen = kinds == kind
        line = {
            "group": kind,
            "images": int(chosen.sum()),
            "came back": int((counts[chosen] > 0).sum()),
            "copies drawn": int(counts[chosen].sum()),
        }
        for name, values in named.items():
            one, other = (
                np.asarray(values)[side & ~np.isnan(values)] for side in (chosen, kept_out)
            )
            known = len(one) and len(other) and not (chosen & kept_out).any()
            line[name] = interval(*auc_interval(one, other)) if known else ""
        lines.append(line)
    return pd.DataFrame(lines)


def _by_copies(kind: str) -> tuple[str, int]:
    known = re.fullmatch(r"(.*) x(\d+)", kind, re.DOTALL)
    return (known[1], int(known[2])) if known else (kind, 0)


def rungs(images: ImageSet) -> np.ndarray:
    """Group and number of copies of each image, as "copied x32", as far as the metadata says."""
    groups = images.metadata.get("group", ["all"] * len(images))
    copies = images.metadata.get("copies", [""] * len(images))
    return np.array(
        [
            f"{group} x{count}" if count.isdecimal() else group
            for group, count in zip(groups, copies, strict=True)
        ]
    )

"""How well each measure ranks the images it should rank first, and how well measures agree."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.evidence.reproduction import clusters, different
from memlib.evidence.text import interval
from memlib.images import ImageSet
from memlib.measures import MEASURES, Measure, Row
from memlib.neighbours import duplicates
from memlib.runs import Results
from memlib.statistics import (
    FEWEST,
    Area,
    auc_difference,
    auc_interval,
    possible_best,
    tpr_interval,
)

REPRODUCED, TRAINED = "reproduced against not", "trained against held-out"
SIZES = ("above", "below", "clusters above", "clusters below")
RATES = ("TPR at 1% FPR", "TPR low", "TPR high")
DIFFERENCE = ("difference", "difference low", "difference high")  # from the first line's AUC
COLUMNS = ["measure", "title", *SIZES, "AUC", "low", "high", *RATES, "forwards"]


def measure_table(
    denoiser: Denoiser, images: ImageSet, results: Results
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return values and standard errors of every measure with its default parameters, (N,
    measures), NaN if there is no result.
    """
    values, errors = {}, {}
    for name, measure in MEASURES.items():
        rows = rows_of(denoiser, images, results, name)
        values[name], errors[name] = (
            _column(images, rows, column) for column in (measure.column, measure.error)
        )
    return pd.DataFrame(values), pd.DataFrame(errors)


def rows_of(denoiser: Denoiser, images: ImageSet, results: Results, name: str) -> Mapping[str, Row]:
    """Return a measure's results by image id; the likelihood also follows from the growth of the
    same path.
    """
    measure = MEASURES[name]
    rows = results.rows(denoiser.digest, measure.run, measure.defaults(denoiser))
    if name == "log_likelihood" and rows.keys().isdisjoint(images.ids):
        growth = rows_of(denoiser, images, results, "volume_growth")
        return {
            image: {"value": row["value"] + row["log_prior"], "stderr": row["stderr"]}
            for image, row in growth.items()
            if "log_prior" in row
        }
    return rows


def _column(images: ImageSet, rows: Mapping[str, Row], column: str) -> np.ndarray:
    """Return one number of each image, (N,), NaN if unknown."""
    if not rows:
        return np.full(len(images), np.nan)
    return np.array(
        [rows[image].get(column, np.nan) if image in rows else np.nan for image in images.ids],
        np.float64,
    )


def signed(
    values: pd.DataFrame, measures: Mapping[str, Measure] = MappingProxyType(MEASURES)
) -> pd.DataFrame:
    """Multiply values by the directions of their measures, so that bigger is more memorised."""
    return values.mul([float(measures[str(name)].direction) for name in values])


def ranks(values: pd.DataFrame) -> pd.DataFrame:
    """Return ranks: 1 for the most memorised of the measured images; equal values share the better
    rank.
    """
    return signed(values).rank(ascending=False, method="min")


def comparisons(
    images: ImageSet, counts: np.ndarray, groups: Tensor | None = None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return named pairs of masks (N,): the images a measure should rank above the others.

    An image that was not reproduced but has a near-duplicate that was is on neither side of the
    first pair. `groups` are `duplicates(images)`. Pairs with an empty side are left out.
    """
    kept_out = images.held_out
    groups = duplicates(images) if groups is None else groups
    came = ~kept_out & (counts > 0)
    alike = np.isin(groups.numpy(), groups.numpy()[came])
    found = {REPRODUCED: (came, ~kept_out & ~alike), TRAINED: (~kept_out, kept_out)}
    kinds = np.array(images.metadata.get("group", [""] * len(images)))
    for kind in sorted(set(kinds[~kept_out]) - {""}):
        found[f"{kind} against held-out"] = ((kinds == kind) & ~kept_out, kept_out)
    return {name: sides for name, sides in found.items() if sides[0].any() and sides[1].any()}


def quality(
    denoiser: Denoiser | None,
    values: pd.DataFrame,
    above: np.ndarray,
    below: np.ndarray,
    labels: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    measures: Mapping[str, Measure] = MappingProxyType(MEASURES),
) -> pd.DataFrame:
    """Compute how well each measure ranks images `above` over those `below`, best first.

    A line holds the AUC with its 95% interval, its difference from the first line's AUC with the
    paired interval, whether it may be the best of all (`possible_best`), the TPR at 1% FPR with its
    interval (NaN where there are too few images), how many images and clusters are on both sides,
    and network forwards (0 without a `denoiser`). Intervals count clusters: `labels` (N,) are
    `clusters(images, groups)`, or every image is one. Only images with a value count. Measures
    without one on either side are left out, and so are those of chosen images only, whose choice
    would count: unless `weights` (N,) say how many images each stands for, 0 where it was not
    chosen. Then there is no TPR. A measure that has values for `fewer` of the images than another
    stands last and cannot be the best.
    """
    labels = np.arange(len(values)) if labels is None else labels
    areas: dict[str, Area] = {}
    lines = []
    for name in map(str, values):
        if measures[name].chosen and weights is None:
            continue
        value = signed(values[[name]], measures)[name].to_numpy()
        known = ~np.isnan(value) & (weights is None or weights > 0)
        sides = [side & known for side in (above, below)]
        if not all(side.any() for side in sides):
            continue
        one, other = (value[side] for side in sides)
        own, theirs = (labels[side] for side in sides)
        heavy = None if weights is None else (weights[sides[0]], weights[sides[1]])
        areas[name] = Area.of(one, other, (own, theirs), heavy)
        low, high = areas[name].interval()
        enough = len(np.unique(theirs)) >= FEWEST and weights is None
        rates = tpr_interval(one, other, (own, theirs)) if enough else (np.nan,) * 3
        counts = (len(one), len(other), len(np.unique(own)), len(np.unique(theirs)))
        line: dict[str, object] = dict(zip(SIZES, counts, strict=True)) | dict(
            zip(RATES, rates, strict=True)
        )
        line |= {"measure": name, "title": measures[name].title, "AUC": areas[name].value}
        forwards = measures[name].forwards(denoiser) if denoiser else 0
        lines.append(line | {"low": low, "high": high, "forwards": forwards})
    table = pd.DataFrame(lines, columns=COLUMNS)
    table = table.assign(fewer=_fewer(table) & (weights is None)).sort_values(
        ["fewer", "AUC"], ascending=[True, False], kind="stable", ignore_index=True
    )
    whole = set(table["measure"][~table["fewer"]])
    best = possible_best({name: area for name, area in areas.items() if name in whole})
    table["may be best"] = [name in best for name in table["measure"]]
    first = next(iter(table["measure"]), "")
    apart = [auc_difference(areas[name], areas[first]) for name in table["measure"]]
    table[list(DIFFERENCE)] = np.array(apart).reshape(-1, 3)
    return table


def _fewer(table: pd.DataFrame) -> np.ndarray:
    """Which lines of `quality` are about fewer images than another line is."""
    images = (table["above"] + table["below"]).to_numpy(int)
    fewer: np.ndarray = images < images.max(initial=0)
    return fewer


def rank_agreement(values: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's rank correlation of every pair of measures, in their directions, over the
    images that have both.
    """
    known = values.loc[:, values.nunique() > 1].dropna(how="all")
    return signed(known).corr(method="spearman")


def disagreement(values: pd.DataFrame, one: str, other: str) -> pd.Series:
    """Return how much higher `one` ranks each image than `other` does, as a share of the images
    that have both, -1 to 1, by position.
    """
    both = signed(values[[one, other]]).dropna()
    order = both.apply(rankdata)
    difference: pd.Series = (order[one] - order[other]) / max(1, len(both) - 1)
    return difference


def ladder(
    images: ImageSet,
    counts: np.ndarray,
    named: Mapping[str, Sequence[float] | np.ndarray],
    groups: Tensor | None = None,
) -> pd.DataFrame:
    """Make a line for each group and number of copies: images, how many were reproduced, copies
    drawn of them, AUC against held-out images.

    Images are counted by near-duplicate group: `groups` are `duplicates(images)`. `named` is {name:
    values}, bigger is more memorised; the AUC has its 95% interval over clusters.
    """
    groups = duplicates(images) if groups is None else groups
    kept_out, kinds, labels = images.held_out, rungs(images), clusters(images, groups)
    lines = []
    for kind in sorted(set(kinds), key=_by_copies):
        chosen = kinds == kind
        line: dict[str, object] = {
            "group": kind,
            "images": different(groups, chosen),
            "came back": different(groups, chosen & (counts > 0)),
            "copies drawn": int(counts[chosen].sum()),
        }
        for name, values in named.items():
            line[name] = auc_text(np.asarray(values), chosen, kept_out, labels)
        lines.append(line)
    return pd.DataFrame(lines)


def auc_text(values: np.ndarray, above: np.ndarray, below: np.ndarray, labels: np.ndarray) -> str:
    """Write the AUC of the images `above` over those `below` with its interval; "" if a side has no
    value or both share an image.
    """
    sides = [side & ~np.isnan(values) for side in (above, below)]
    if (above & below).any() or not all(side.any() for side in sides):
        return ""
    (one, own), (other, theirs) = ((values[side], labels[side]) for side in sides)
    return interval(*auc_interval(one, other, (own, theirs)))


def _by_copies(kind: str) -> tuple[str, int]:
    known = re.fullmatch(r"(.*) x(\d+)", kind, re.DOTALL)
    return (known[1], int(known[2])) if known else (kind, 0)


def rungs(images: ImageSet) -> np.ndarray:
    """Return group and number of copies of each image, such as "copied x32", as far as the metadata
    has them.
    """
    groups = images.metadata.get("group", ["all"] * len(images))
    copies = images.metadata.get("copies", [""] * len(images))
    return np.array(
        [
            f"{group} x{count}" if count.isdecimal() else group
            for group, count in zip(groups, copies, strict=True)
        ]
    )

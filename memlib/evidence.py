"""Evidence: which training images come back, and which number says so.

Ground truth is reproduction: pictures drawn from the model are matched with the training images,
and every match counts for the image it is a copy of. A measure is good evidence on this model as
far as it ranks the images that come back above those that do not.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest, rankdata
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.extraction.matches import CRITERIA, training_set
from memlib.images import ImageSet
from memlib.measures import MEASURES, Row
from memlib.measures.evidence import auc_interval, tpr_at
from memlib.neighbours import duplicates, match_ratio, nearest
from memlib.runs import Results

REPRODUCED, TRAINED = "reproduced against not", "trained against held-out"


def held_out(images: ImageSet) -> np.ndarray:
    """True (N,) for images of the group called held-out: they were not trained on."""
    return images.held_out


def match_samples(
    samples: ImageSet, images: ImageSet, groups: Tensor | None = None
) -> pd.DataFrame:
    """Each generated picture's nearest training image, and its nearest in another near-duplicate
    group: distances and their ratio.

    The part of `extraction.match` that the ground truth needs; `groups` are `duplicates(images)`.
    """
    training = training_set(images, duplicates(images) if groups is None else groups)
    if len(torch.unique(training.groups[training.members])) < 2:
        raise ValueError("Matching needs at least two different training images.")
    queries, members = samples.batch(range(len(samples))), training.subset(training.members)
    found = nearest(queries, members, 2, groups=training.groups[training.members])
    columns = {
        "nearest": training.members[found.index[:, 0]],
        "second": training.members[found.index[:, 1]],
    }
    numbers = {
        "distance": found.distance[:, 0],
        "second_distance": found.distance[:, 1],
        "ratio": match_ratio(found),
    }
    return pd.DataFrame({name: values.numpy() for name, values in (columns | numbers).items()})


def copied(
    matches: pd.DataFrame, criterion: str = "ratio", threshold: float | None = None
) -> np.ndarray:
    """The place of the image each generated picture is a copy of, -1 where it is none; by a column
    that is one of `CRITERIA`.
    """
    if criterion not in CRITERIA or criterion not in matches:
        raise ValueError(
            f"Copies can be called by {', '.join(name for name in CRITERIA if name in matches)}, "
            f"not by {criterion!r}."
        )
    return np.where(
        CRITERIA[criterion].holds(matches[criterion].to_numpy(), threshold),
        matches["nearest"].to_numpy(),
        -1,
    )


def reproductions(
    matches: pd.DataFrame, images: int, criterion: str = "ratio", threshold: float | None = None
) -> np.ndarray:
    """How many of the generated pictures are copies of each image, (images,)."""
    found = copied(matches, criterion, threshold)
    return np.bincount(found[found >= 0], minlength=images)


def reproduced(
    matches: pd.DataFrame,
    images: ImageSet,
    criterion: str = "ratio",
    threshold: float | None = None,
) -> pd.DataFrame:
    """A line for each image that came back, the most often first: name, id, group if known, times,
    distance of its closest copy.
    """
    found = copied(matches, criterion, threshold)
    times, closest = (
        reproductions(matches, len(images), criterion, threshold),
        np.full(len(images), np.inf),
    )
    np.minimum.at(closest, found[found >= 0], matches["distance"].to_numpy()[found >= 0])
    order = np.lexsort((closest, -times))[: int((times > 0).sum())]
    columns = {"name": images.names, "id": images.ids} | (
        {"group": images.metadata["group"]} if "group" in images.metadata else {}
    )
    known = {name: [values[place] for place in order] for name, values in columns.items()}
    return pd.DataFrame(known | {"times": times[order], "distance": closest[order]})


def at_most(samples: int, hits: int = 0, confidence: float = 0.95) -> float:
    """The largest share of copies among all the model draws that `hits` of `samples` leave possible
    (one-sided Clopper-Pearson).
    """
    return float(
        binomtest(hits, samples, alternative="less").proportion_ci(confidence, "exact").high
    )


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


@dataclass(frozen=True)
class BaseRate:
    """What a threshold flags, and what it would flag if nothing were memorised.

    `rate` is None without held-out images.
    """

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
            return (
                f"{said}; how many of them by chance cannot be said: there are no held-out "
                "images of the same kind with this number."
            )
        return (
            f"{said}; at {self.rate:.1%} false positives {self.expected:,.0f} expected by chance "
            f"(95%: {self.low * self.of:,.0f} to {self.high * self.of:,.0f}, from "
            f"{self.held_out:,} held-out images)."
        )


def base_rate(value: np.ndarray, threshold: float, kept_out: np.ndarray) -> BaseRate:
    """Of the trained images with a value (bigger is more memorised), how many reach the threshold,
    and at which rate held-out ones do.
    """
    known = ~np.isnan(value)
    trained, other = value[known & ~kept_out], value[known & kept_out]
    flagged = int((trained >= threshold).sum())
    if not len(other):
        return BaseRate(flagged, len(trained), None, 0, 1, 0)
    test = binomtest(int((other >= threshold).sum()), len(other))
    interval = test.proportion_ci(0.95, "wilson")
    return BaseRate(flagged, len(trained), test.statistic, interval.low, interval.high, len(other))


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


def interval(value: float, low: float, high: float) -> str:
    """ ".994 (.978 to 1)"."""
    return f"{short(value)} ({short(low)} to {short(high)})" if low < high else short(value)


def short(value: float) -> str:
    """Three digits after the point, without the 0 before it."""
    return "1" if value >= 0.9995 else f"{value:.3f}".removeprefix("0")


def statement(samples: int, counts: np.ndarray, criterion: str, threshold: float) -> str:
    """What came back, in one sentence."""
    total = int(counts.sum())
    rule = f"{criterion} below {threshold:.3g}"
    if not total:
        return (
            f"0 of {samples:,} pictures drawn are copies by {rule}: at most "
            f"{at_most(samples):.2%} of what the model draws, with 95% confidence."
        )
    return (
        f"{total:,} of {samples:,} pictures drawn are copies by {rule} (at most "
        f"{at_most(samples, total):.1%} of what the model draws, with 95% confidence), "
        f"of {int((counts > 0).sum()):,} different images."
    )


def table_line(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of a table of this module as text, AUC and its interval in one cell."""
    if "AUC" not in table:
        return list(map(str, table)), [[str(cell) for cell in line] for line in table.to_numpy()]
    heads = ["measure", "AUC (95% interval)", "TPR at 1% FPR", "images", "others", "forwards"]
    cells = [
        [
            line["title"],
            interval(line["AUC"], line["low"], line["high"]),
            short(line["TPR at 1% FPR"]),
            str(line["above"]),
            str(line["below"]),
            f"{line['forwards']:,}",
        ]
        for line in table.to_dict("records")
    ]
    return heads, cells

"""What follows from a history of verdicts: the current verdicts, what each reviewer may see, how
well they agree, what to do with the images.

A reviewer is blind to the others on an image until deciding on it. Agreement uses the last verdict
of each of two reviewers before both had decided: from then on each could see the other's verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from memlib.audit.verdicts import VERDICTS
from memlib.images import ImageSet


def standing(history: pd.DataFrame) -> pd.DataFrame:
    """Return the current entry of each reviewer and image, without verdicts that were undone."""
    last = (
        history[history["stands"]]
        .sort_values("revision")
        .drop_duplicates(["reviewer", "image"], keep="last")
    )
    return last[last["verdict"].notna()].sort_values("id", ignore_index=True)


def visible(history: pd.DataFrame, reviewer: str) -> pd.DataFrame:
    """Return the entries a reviewer may see: their own, and the others' on images for which the
    reviewer has a current verdict.
    """
    holds = standing(history)
    decided = set(holds.loc[holds["reviewer"] == reviewer, "image"])
    return history[(history["reviewer"] == reviewer) | history["image"].isin(decided)]


def undoable(history: pd.DataFrame, reviewer: str) -> list[str]:
    """List the reviewer's actions that can be undone, oldest first."""
    own = history[(history["reviewer"] == reviewer) & history["stands"]]
    done = own[own["undoes"].isna() & ~own["action"].isin(own["undoes"].dropna())]
    return list(dict.fromkeys(done["action"]))


@dataclass(frozen=True)
class Agreement:
    """Two reviewers' blind verdicts on the images both decided.

    `kappa` is NaN if chance alone would make them agree.
    """

    reviewers: tuple[str, str]
    table: pd.DataFrame  # one line per image: image and a column for each reviewer
    matrix: np.ndarray  # counts; rows are the first reviewer's verdicts, in the order of VERDICTS
    kappa: float

    @property
    def share(self) -> float:
        """The share of the images that got the same verdict."""
        return float(np.trace(self.matrix) / self.matrix.sum())


def agreements(history: pd.DataFrame) -> list[Agreement]:
    """Return Cohen's kappa of every pair of reviewers who decided the same images, (agreed -
    chance) / (1 - chance).
    """
    from sklearn.metrics import cohen_kappa_score, confusion_matrix  # takes seconds to import

    given = history[history["stands"] & history["verdict"].notna()].sort_values("id")
    found = []
    for first, second in combinations(sorted(given["reviewer"].unique()), 2):
        lines = []
        for image, entries in given[given["reviewer"].isin((first, second))].groupby(
            "image", sort=True
        ):
            mine, theirs = (entries[entries["reviewer"] == name] for name in (first, second))
            if len(mine) and len(theirs):
                seen = max(
                    mine["id"].iloc[0], theirs["id"].iloc[0]
                )  # from here on they are not blind
                lines.append(
                    (
                        image,
                        *(one.loc[one["id"] <= seen, "verdict"].iloc[-1] for one in (mine, theirs)),
                    )
                )
        if lines:
            table = pd.DataFrame(lines, columns=["image", first, second])
            alike = table[first].nunique() == 1 and (table[first] == table[second]).all()
            kappa = (
                float("nan")
                if alike
                else float(cohen_kappa_score(table[first], table[second], labels=list(VERDICTS)))
            )
            found.append(
                Agreement(
                    (first, second),
                    table,
                    confusion_matrix(table[first], table[second], labels=list(VERDICTS)),
                    kappa,
                )
            )
    return found


def outcomes(history: pd.DataFrame) -> pd.DataFrame:
    """Return one line per image: the verdict its reviewers share, or "disputed"; who decided; and
    what to do.

    A memorised image is to be removed from the training set, a partly memorised one to be modified,
    as Hasegawa & Yasuda propose (arXiv 2503.19429); a disputed image that a reviewer called either
    is to be settled first.
    """
    lines = []
    for image, entries in standing(history).groupby("image", sort=True):
        said = set(entries["verdict"])
        verdict = said.pop() if len(said) == 1 else "disputed"
        action = {"memorised": "remove", "partly memorised": "modify"}.get(verdict, "keep")
        if verdict == "disputed":
            action = "settle" if said & {"memorised", "partly memorised"} else "keep"
        lines.append(
            {
                "image": image,
                "verdict": verdict,
                "action": action,
                "reviewers": ", ".join(sorted(entries["reviewer"])),
            }
        )
    return pd.DataFrame(lines, columns=["image", "verdict", "action", "reviewers"])


def removal_list(history: pd.DataFrame, images: ImageSet, groups: np.ndarray) -> pd.DataFrame:
    """Return what to do with which training image: id, name, action, and near-duplicates (from
    `groups`) that have no verdict of their own.

    A copy left in the training set keeps the image memorised, so undecided near-duplicates of an
    image that is to be removed or modified are listed, with the action "look".
    """
    place = {image: index for index, image in reversed(list(enumerate(images.ids)))}
    found = {
        line["image"]: line
        for line in outcomes(history).to_dict("records")
        if line["image"] in place
    }
    lines = [
        {
            "id": image,
            "name": images.names[place[image]],
            "action": line["action"],
            "verdict": line["verdict"],
            "reviewers": line["reviewers"],
            "near_duplicate_of": "",
        }
        for image, line in found.items()
        if line["action"] != "keep"
    ]
    for image, line in found.items():
        if line["action"] in ("remove", "modify"):
            for mate in np.flatnonzero(groups == groups[place[image]]):
                if images.ids[mate] not in found:
                    lines.append(
                        {
                            "id": images.ids[mate],
                            "name": images.names[mate],
                            "action": "look",
                            "verdict": "",
                            "reviewers": "",
                            "near_duplicate_of": image,
                        }
                    )
    table = pd.DataFrame(
        lines, columns=["id", "name", "action", "verdict", "reviewers", "near_duplicate_of"]
    )
    order = pd.Categorical(table["action"], ["remove", "modify", "settle", "look"])
    return (
        table.assign(order=order)
        .sort_values(["order", "name"], kind="stable")
        .drop(columns="order")
        .drop_duplicates("id", ignore_index=True)
    )


def changed(frozen: dict[str, Any], now: dict[str, Any], tolerance: float = 1e-3) -> list[str]:
    """Describe how the evidence differs now from that of a verdict; numbers differ if they change
    by more than a share `tolerance`.

    Evidence is {"model", "images": digests, "flagged": {"measure", "threshold"} or none, "values":
    {measure: {"value", ...}}}. Thresholds are compared if both are of one measure.
    """
    reasons = [
        f"the {name} have changed" if name == "images" else f"the {name} has changed"
        for name in ("model", "images")
        if frozen.get(name) != now.get(name)
    ]
    before, after = frozen.get("flagged") or {}, now.get("flagged") or {}
    if before.get("measure") == after.get("measure") and not _close(
        before.get("threshold"), after.get("threshold"), tolerance
    ):
        reasons.append(
            f"the threshold of {before['measure']} was {before['threshold']:.5g}, is "
            f"{after['threshold']:.5g}"
        )
    old, new = frozen.get("values") or {}, now.get("values") or {}
    for name in sorted(set(old) | set(new)):
        was, is_now = (values.get(name, {}).get("value") for values in (old, new))
        if not _close(was, is_now, tolerance):
            said = [f"{one:.5g}" if one is not None else "unknown" for one in (was, is_now)]
            reasons.append(f"{name} was {said[0]}, is {said[1]}")
    return reasons


def _close(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= tolerance * max(abs(one), abs(other))


def progress(history: pd.DataFrame, images: Sequence[str]) -> dict[str, int]:
    """Return how many of the images each reviewer has decided."""
    holds = standing(history)
    counts = holds.loc[holds["image"].isin(images), "reviewer"].value_counts()
    return {str(name): int(count) for name, count in counts.items()}

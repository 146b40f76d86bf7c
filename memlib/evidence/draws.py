"""Many draws without their pictures: which training images each came near, and how often.

Counting is the truth that an estimated rate is held against: of n draws X come within the
tolerance of an image, and X / n with its Clopper-Pearson interval is the rate.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta
from torch import Tensor

from memlib.images import ImageSet
from memlib.measures import Row
from memlib.neighbours import nearest

BLOCK = 1024  # pictures compared at once
NEIGHBOURS = 16  # looked at first for each picture; more where all of them are near
OFTEN = 10  # times drawn from which on a count is a rate to compare with


@dataclass(frozen=True)
class Draws:
    """What `count` pictures of one sampler came near: a line of `pairs` has the number of a
    picture, the id of an image and their root mean square distance, for all below `within`.
    """

    count: int
    within: float
    pairs: pd.DataFrame  # draw, id, distance

    @classmethod
    def of(cls, pictures: ImageSet, images: ImageSet, within: float) -> "Draws":
        """What the pictures of a run came near."""
        steps = range(0, len(pictures), BLOCK)
        blocks = (pictures.batch(range(at, min(len(pictures), at + BLOCK))) for at in steps)
        pairs = (near_images(*one, images, within) for one in zip(steps, blocks, strict=True))
        return cls(len(pictures), within, pd.concat(pairs, ignore_index=True))

    def write(self, folder: Path, plan: Mapping[str, Any]) -> None:
        """Keep the pairs and what was drawn; `plan` says with which model and sampler."""
        folder.mkdir(parents=True, exist_ok=True)
        small = self.pairs.astype({"draw": np.uint32, "distance": np.float32})
        small.to_parquet(folder / "pairs.parquet", index=False, compression="zstd")
        details = {"draws": self.count, "within": self.within, "plan": dict(plan)}
        (folder / "manifest.json").write_text(json.dumps(details, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> tuple["Draws", dict[str, Any]]:
        """What `write` kept: the draws, and their plan."""
        details = json.loads((folder / "manifest.json").read_text())
        pairs = pd.read_parquet(folder / "pairs.parquet")
        return cls(details["draws"], details["within"], pairs), details["plan"]

    def times(self, images: ImageSet, tolerance: float) -> np.ndarray:
        """How many pictures came within the tolerance of each image, (N,)."""
        return self._counted(self._near(tolerance), images)

    def credited(self, images: ImageSet, tolerance: float) -> np.ndarray:
        """The same with every picture counted for its nearest image alone, so that counts of
        different images add up, (N,).
        """
        near = self._near(tolerance).sort_values("distance", kind="stable")
        return self._counted(near.drop_duplicates("draw"), images)

    def _near(self, tolerance: float) -> pd.DataFrame:
        if tolerance > self.within:
            raise ValueError(
                f"Distances were kept to {self.within:g}, so copies below {tolerance:g} are not "
                "all known."
            )
        return self.pairs[self.pairs["distance"] < tolerance]

    @staticmethod
    def _counted(pairs: pd.DataFrame, images: ImageSet) -> np.ndarray:
        times = pairs["id"].value_counts()
        return np.array([times.get(image, 0) for image in images.ids])


def near_images(first: int, pictures: Tensor, images: ImageSet, within: float) -> pd.DataFrame:
    """Every pair of a picture (Q, C, H, W) and an image of the set that are nearer than `within`,
    as `Draws.pairs`; pictures are numbered from `first`.
    """
    k = min(NEIGHBOURS, len(images))
    found = nearest(pictures, images, k)
    while k < len(images) and bool((found.distance[:, -1] < within).any()):
        k = min(2 * k, len(images))
        found = nearest(pictures, images, k)
    draw, place = np.nonzero((found.distance < within).numpy())
    return pd.DataFrame(
        {
            "draw": first + draw,
            "id": [images.ids[at] for at in found.index.numpy()[draw, place]],
            "distance": found.distance.numpy()[draw, place],
        }
    )


def count_interval(
    times: np.ndarray, draws: int, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """The Clopper-Pearson interval of the rates of images that came back `times` (N,) in `draws`;
    two-sided.
    """
    tail = (1 - level) / 2
    low = np.where(times > 0, beta.ppf(tail, times, draws - times + 1), 0.0)
    high = np.where(times < draws, beta.ppf(1 - tail, times + 1, draws - times), 1.0)
    return low, high


def rates_and_counts(
    rows: Mapping[str, Row], images: ImageSet, times: np.ndarray, draws: int
) -> pd.DataFrame:
    """A line for each image with an estimated reproduction rate: its place, the rate and its ends,
    the counted rate and its ends, all as rates; and whether the two intervals overlap.

    An estimate that is a limit has 0 or 1 at its open end. `times` (N,) are counts of the same
    sampler under the same tolerance.
    """
    places = [place for place, image in enumerate(images.ids) if image in rows]
    known: Sequence[Row] = [rows[images.ids[place]] for place in places]
    low, high = count_interval(times[places], draws)
    table = pd.DataFrame(
        {
            "place": places,
            "rate": [10 ** row["value"] for row in known],
            "rate low": [0.0 if row["sign"] < 0 else 10 ** row["low"] for row in known],
            "rate high": [10 ** row["high"] for row in known],
            "sign": [int(row["sign"]) for row in known],
            "times": times[places],
            "counted": times[places] / draws,
            "counted low": low,
            "counted high": high,
        }
    )
    table["overlap"] = (table["rate low"] <= table["counted high"]) & (
        table["counted low"] <= table["rate high"]
    )
    return table


@dataclass(frozen=True)
class Agreement:
    """How far estimated rates agree with counts: of the images drawn at least `OFTEN` times."""

    images: int  # drawn so often
    overlapping: int  # of them
    error: float  # median |log10| of the estimate over the count
    bias: float  # median log10 of the estimate over the count
    width: float  # median width of the estimate's interval, decades
    limits: int  # of them are limits, not estimates

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Agreement | None":
        """From `rates_and_counts`; None where no image was drawn so often."""
        often = table[table["times"] >= OFTEN]
        if often.empty:
            return None
        ratio = np.log10(often["rate"].to_numpy() / often["counted"].to_numpy())
        low, high = (
            np.log10(np.maximum(often[name].to_numpy(), 1e-300))
            for name in ("rate low", "rate high")
        )
        return cls(
            len(often),
            int(often["overlap"].sum()),
            float(np.median(np.abs(ratio))),
            float(np.median(ratio)),
            float(np.median(high - low)),
            int((often["sign"] != 0).sum()),
        )

"""Many draws without their pixels: which training images each is near, and how often.

Counts are the truth with which estimated rates are compared: if X of n draws are within the
tolerance of an image, its rate is X / n with its Clopper-Pearson interval.
"""

import json
import math
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

BLOCK = 1024  # generated images compared together
NEIGHBOURS = 16  # looked at first for each picture; more where all of them are near
STEP = 1e-4  # of stored distances
OFTEN = 10  # fewest draws of an image for a comparison of rates


@dataclass(frozen=True)
class Draws:
    """The training images near `count` draws of one sampler: a line of `pairs` has the number of a
    draw, the id of an image and their root mean square distance, for all below `within`. If it is
    `mirrored`, that of the picture or its mirror image, whichever is less.
    """

    count: int
    within: float
    pairs: pd.DataFrame  # draw, id, distance
    mirrored: bool = False

    @classmethod
    def of(
        cls, pictures: ImageSet, images: ImageSet, within: float, mirrored: bool = False
    ) -> "Draws":
        """Find the training images near the generated images of a run."""
        steps = range(0, len(pictures), BLOCK)
        blocks = (pictures.batch(range(at, min(len(pictures), at + BLOCK))) for at in steps)
        pairs = (
            near_images(*one, images, within, mirrored) for one in zip(steps, blocks, strict=True)
        )
        return cls(len(pictures), within, pd.concat(pairs, ignore_index=True), mirrored)

    def write(self, folder: Path, plan: Mapping[str, Any]) -> None:
        """Store the pairs and the number of draws; `plan` says with which model and sampler.

        Distances are rounded down to a multiple of STEP, so that a threshold of four decimals
        divides them as before.
        """
        folder.mkdir(parents=True, exist_ok=True)
        distances = self.pairs["distance"].to_numpy(np.float32)
        steps = np.arange(0, self.within + STEP, STEP).astype(np.float32)
        down = steps[np.searchsorted(steps, distances, side="right") - 1]
        small = self.pairs.assign(distance=down).astype({"draw": np.uint32})
        small.to_parquet(
            folder / "pairs.parquet",
            index=False,
            compression="zstd",
            compression_level=19,
            use_dictionary=["id", "distance"],  # both repeat; the numbers of the draws rise
            column_encoding={"draw": "DELTA_BINARY_PACKED"},
        )
        details = {"draws": self.count, "within": self.within, "plan": dict(plan)}
        if self.mirrored:
            details["mirrored"] = True
        (folder / "manifest.json").write_text(json.dumps(details, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> tuple["Draws", dict[str, Any]]:
        """Read what `write` stored: the draws, and their plan."""
        details = json.loads((folder / "manifest.json").read_text())
        pairs = pd.read_parquet(folder / "pairs.parquet")
        mirrored = bool(details.get("mirrored", False))
        return cls(details["draws"], details["within"], pairs, mirrored), details["plan"]

    def times(self, images: ImageSet, tolerance: float) -> np.ndarray:
        """Count the draws within the tolerance of each image, (N,)."""
        return self._counted(self._near(tolerance), images)

    def times_of(self, image: str, tolerance: float) -> int:
        """How many pictures came within the tolerance of the image with this id."""
        return int((self._near(tolerance)["id"] == image).sum())

    def credited(self, images: ImageSet, tolerance: float) -> np.ndarray:
        """Count every draw for its nearest image only, so that counts of different images can be
        added, (N,).
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


def near_images(
    first: int, pictures: Tensor, images: ImageSet, within: float, mirrored: bool = False
) -> pd.DataFrame:
    """Return every pair of a generated image (Q, C, H, W), with `mirrored` or its mirror image, and
    an image of the set nearer than `within`, as `Draws.pairs`; generated images are numbered from
    `first`.
    """
    k = min(NEIGHBOURS, len(images))
    found = nearest(pictures, images, k, mirrored=mirrored)
    while k < len(images) and bool((found.distance[:, -1] < within).any()):
        k = min(2 * k, len(images))
        found = nearest(pictures, images, k, mirrored=mirrored)
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
    """Return the two-sided Clopper-Pearson interval of the rates of images drawn `times` (N,) in
    `draws`.
    """
    tail = (1 - level) / 2
    low = np.where(times > 0, beta.ppf(tail, times, draws - times + 1), 0.0)
    high = np.where(times < draws, beta.ppf(1 - tail, times + 1, draws - times), 1.0)
    return low, high


def rates_and_counts(
    rows: Mapping[str, Row], images: ImageSet, times: np.ndarray, draws: int
) -> pd.DataFrame:
    """Return a line for each image with an estimated reproduction rate: its place, the rate and the
    ends of its interval, the counted rate and the ends of its interval; and whether the two
    intervals overlap.

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
    """How far estimated rates agree with counts, of the images drawn at least `OFTEN` times."""

    images: int  # drawn so often
    estimates: int  # of them have an estimate; the others have a limit
    overlapping: int  # of the estimates have an interval that overlaps the count's
    holding: int  # of the limits allow the count
    error: float  # median |log10| of estimate over count; NaN without estimates
    bias: float  # median log10 of estimate over count
    width: float  # median width of the estimates' intervals, decades

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Agreement | None":
        """Compare the lines of `rates_and_counts`; None where no image was drawn so often."""
        often = table[table["times"] >= OFTEN]
        if often.empty:
            return None
        known = often[often["sign"] == 0]
        low, rate, high, counted = (
            np.log10(np.maximum(known[name].to_numpy(), 1e-300))
            for name in ("rate low", "rate", "rate high", "counted")
        )
        middle = np.median if len(known) else lambda values: math.nan
        return cls(
            len(often),
            len(known),
            int(known["overlap"].sum()),
            int(often.loc[often["sign"] != 0, "overlap"].sum()),
            float(middle(np.abs(rate - counted))),
            float(middle(rate - counted)),
            float(middle(high - low)),
        )

    @property
    def limits(self) -> int:
        return self.images - self.estimates

    def sentence(self) -> str:
        """Say it in words."""
        said = f"Images drawn at least {OFTEN} times: {self.images:,}. "
        if self.estimates:
            said += (
                f"With an estimate: {self.estimates:,} of them, for {self.overlapping:,} of which "
                "its interval overlaps the count's; the median estimate is "
                f"{self.error:.2f} decades off ({self.bias:+.2f} with its sign), its interval "
                f"{self.width:.2f} decades wide. "
            )
        if self.limits:
            said += (
                f"With only a limit, because the weights of their paths are too uneven: "
                f"{self.limits:,}; for {self.holding:,} the limit allows the count."
            )
        return said.strip()

"""One image: what came back of it and where it stands among the others; and a picture from outside
beside the images of a set.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.evidence.draws import near_images
from memlib.evidence.quality import rows_of
from memlib.evidence.remembered import Remembered, counted_in_words
from memlib.evidence.reproduction import bounds
from memlib.evidence.text import short
from memlib.images import ImageSet
from memlib.measures import MEASURES
from memlib.measures.result import interval
from memlib.neighbours import NEAR_DUPLICATE, nearest
from memlib.runs import Results

LEADING = ("volume_growth", "k_1_at_0.5", "denoising_loss")  # the first that is known is told


@dataclass(frozen=True)
class Standing:
    """One measure of an image: its value, standard error and 95% interval, NaN where unknown, and
    its rank among the `of` images that have one; 1 is the most memorised.
    """

    measure: str
    value: float
    error: float
    low: float
    high: float
    rank: int
    of: int


def standings(
    denoiser: Denoiser,
    images: ImageSet,
    results: Results,
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    place: int,
) -> dict[str, Standing]:
    """Return the measures that the image at `place` has, by name; `tables` are values and standard
    errors of `measure_table`, and their `ranks`.
    """
    found, image = {}, images.ids[place]
    lines = [table.to_numpy()[place] for table in tables]
    for name, value, error, rank in zip(map(str, tables[0]), *lines, strict=True):
        if np.isnan(value):
            continue
        measure, low, high = MEASURES[name], np.nan, np.nan
        row = rows_of(denoiser, images, results, name).get(image)
        if row is not None and measure.error:
            low, high = interval(
                row, measure.asked(denoiser).degrees, measure.column, measure.error
            )
        of = int(tables[0][name].count())
        found[name] = Standing(name, float(value), float(error), low, high, int(rank), of)
    return found


@dataclass(frozen=True)
class About:
    """What is known of the image at `place`: its measures, and what came back (None where that is
    not counted).
    """

    place: int
    standings: Mapping[str, Standing]
    trained: bool = True
    found: Remembered | None = None

    @property
    def group(self) -> np.ndarray:
        """A mask (N,) of the training images of its near-duplicate group."""
        assert self.found is not None
        labels = self.found.groups.numpy()
        mask: np.ndarray = (labels == labels[self.place]) & self.found.trained
        return mask

    @property
    def times(self) -> int:
        """How many copies of its near-duplicate group were drawn."""
        return 0 if self.found is None else int(self.found.times[self.group].sum())

    def sentence(self) -> str:
        """Say how often it came back and how it ranks; the subject, its name, goes before."""
        first = next((name for name in LEADING if name in self.standings), "")
        first = first or next(iter(self.standings), "")
        rank = ""
        if first:
            one = self.standings[first]
            rank = f"ranks {ordinal(one.rank)} of {one.of:,} by {MEASURES[first].words}"
        if not self.trained:
            return f"was not trained on, and {rank or 'is not measured yet'}."
        if self.found is None:
            said = rank or "is not measured yet"
            return f"{said}; how often it comes back is not counted yet."
        rate = counted_in_words(self.times, self.found.draws)
        drawn = f"{self.found.draws:,} pictures drawn"
        came = f"came back in {self.times:,} of {drawn}, {rate},"
        if not self.times:
            came = f"came back in none of {drawn} ({rate})"
        return f"{came} and {rank or 'is not measured yet'}."


def ordinal(number: int) -> str:
    """Write a place: 1st, 2nd, 3rd, 4th, 11th, 1,021st."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{'th' if number % 100 in (11, 12, 13) else ending}"


@dataclass(frozen=True)
class Resemblance:
    """The training image nearest to a picture from outside: its place in the set, their root mean
    square distance, whether the picture's mirror image is the nearer one, and how many training
    images it was compared with.
    """

    place: int
    distance: float
    mirrored: bool
    among: int

    @property
    def copy(self) -> bool:
        """Whether the two are near-duplicates."""
        return self.distance < NEAR_DUPLICATE

    def sentence(self) -> str:
        """Say whether the picture is a copy; of a copy, "The nearest training image is" and its
        name go before.
        """
        if not self.copy:
            return (
                f"No training image is nearer than {short(self.distance)}: your picture is none of "
                f"the {self.among:,} training images, and no copy of one."
            )
        way = "mirrored, " if self.mirrored else ""
        if not self.distance:
            return f"{way}and your picture is the same, pixel for pixel."
        copy = "a mirrored copy" if self.mirrored else "a copy"
        return f"at a distance of {short(self.distance)}: your picture is {copy} of it."


def resemblance(picture: Tensor, images: ImageSet) -> Resemblance:
    """Find the training image of a set nearest to a picture (C, H, W), which may be mirrored.

    Raises ValueError if all the images were held out.
    """
    members = np.flatnonzero(~images.held_out)
    if not len(members):
        raise ValueError("All the images are held out; name the images that were trained on.")
    training = images if len(members) == len(images) else images.subset(members.tolist())
    found = nearest(picture[None], training, 1, mirrored=True)
    return Resemblance(
        int(members[int(found.index)]), float(found.distance), bool(found.mirrored), len(members)
    )


def times_drawn(picture: Tensor, pictures: ImageSet) -> int:
    """Count the generated images that are copies of a picture (C, H, W): nearer than a
    near-duplicate may be.
    """
    return len(near_images(0, picture[None], pictures, NEAR_DUPLICATE))


def surpassed(value: float, values: np.ndarray, direction: int) -> tuple[int, int]:
    """Return how many of the known values (N,) say less memorised than `value`, and how many are
    known.
    """
    known = values[~np.isnan(values)]
    return int((direction * known < direction * value).sum()), len(known)


def surpassed_in_words(measure: str, value: float, groups: Mapping[str, np.ndarray]) -> str:
    """Say how many of the images of each group, by name, a measure calls less memorised than a
    picture with this value; groups without a value are left out, and "" is returned if all are.
    """
    parts = []
    for group, values in groups.items():
        less, of = surpassed(value, values, MEASURES[measure].direction)
        if of:
            parts.append(f"{less:,} of {of:,} {group} images, {less / of:.1%} ({bounds(less, of)})")
    if not parts:
        return ""
    return f"By {MEASURES[measure].words} it is more memorised than {' and '.join(parts)}."

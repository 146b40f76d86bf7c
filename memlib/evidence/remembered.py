"""What a model gives away, from pictures drawn from it without guidance: in numbers and sentences.

Near-duplicates are one image throughout. Every interval is of 95%.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from torch import Tensor

from memlib.evidence.draws import OFTEN
from memlib.evidence.reproduction import at_most, bounds, counted_rate
from memlib.evidence.text import best_of
from memlib.evidence.unseen import (
    Counts,
    Estimate,
    can_come_back,
    chance_of_new,
    expected_images,
    new_images,
)
from memlib.extraction import CRITERIA, Plan
from memlib.extraction.plan import SEEK
from memlib.measures import Row, rate_in_words

NEXT = 10_000  # pictures of the forecast, or as many as were drawn


@dataclass(frozen=True)
class Candidate:
    """An image that comes back: the place of one of its near-duplicate group, and how many copies
    of the group were drawn.
    """

    place: int
    times: int


@dataclass(frozen=True)
class Remembered:
    """How many of `draws` pictures are copies of each image, (N,), with the near-duplicate groups
    (N,) and which images were trained on (N,).

    Guided draws tell nothing of later ones.
    """

    draws: int
    times: np.ndarray
    groups: Tensor
    trained: np.ndarray
    guided: bool = False

    @property
    def copies(self) -> int:
        return int(self.times.sum())

    @cached_property
    def counts(self) -> Counts:
        """The copies of each near-duplicate group that came back."""
        return Counts.of(self.times, self.groups, self.draws, self.trained)

    def sentence(self) -> str:
        """Say what was copied, and how many images twice as many pictures would be copies of."""
        found, drawn = self.counts, f"{self.draws:,} pictures drawn"
        if not self.copies:
            return (
                f"0 of {drawn} are copies of any of {found.images:,} different training images; "
                f"at most {at_most(self.draws):.2%} of what the model draws are, with 95% "
                "confidence."
            )
        said = (
            f"{self.copies:,} of {drawn}, {self.copies / self.draws:.1%} "
            f"({bounds(self.copies, self.draws)}), are copies of {found.seen:,} of "
            f"{found.images:,} different training images"
        )
        if self.guided:
            return f"{said}."
        later = self.later()
        return (
            f"{said}; among {2 * self.draws:,}, copies of {later.value:.0f} (95%: {later.low:.0f} "
            f"to {later.high:.0f}) can be expected."
        )

    def later(self) -> Estimate:
        """How many different images come back among twice as many pictures."""
        return expected_images(self.counts, [2 * self.draws])[0]

    def to_find(self) -> list[str]:
        """Say how much is left to find, a sentence each; nothing where nothing came back."""
        found = self.counts
        if not found.seen:
            return []
        chance, bound = chance_of_new(found), can_come_back(found)
        more = min(NEXT, self.draws)
        new = new_images(found, more)
        return [
            f"The next {more:,} pictures would bring about {new.value:.0f} new images (95%: "
            f"{new.low:.0f} to {new.high:.0f}).",
            f"The next picture is a copy of an image not seen yet with a chance of "
            f"{_percent(chance.value)} (95%: {_percent(chance.low)} to {_percent(chance.high)}).",
            f"At least {bound.value:.0f} images can come back (95%: {bound.low:.0f} to "
            f"{bound.high:.0f}); {found.seen:,} have. It is a lower bound: images too rare to be "
            "seen at all are not counted.",
        ]

    def curve(self, points: int) -> tuple[list[int], list[Estimate]]:
        """Numbers of pictures up to twice those drawn, so many in each half, and how many different
        images come back among them.
        """
        halves = (
            np.linspace(0, self.draws, points),
            np.linspace(self.draws, 2 * self.draws, points),
        )
        sizes = sorted({round(size) for half in halves for size in half.tolist()})
        return sizes, expected_images(self.counts, sizes)

    def candidates(self, rates: np.ndarray | None = None) -> list[Candidate]:
        """One image of each near-duplicate group that came back or has a rate, the likeliest first:
        by copies drawn, then by `rates` (N,), NaN where none is estimated.

        The image of a group is the one with the most copies, then the highest rate.
        """
        known = np.full(len(self.times), np.nan) if rates is None else rates
        rate = np.where(np.isnan(known), -np.inf, known)
        _, label = np.unique(self.groups.numpy(), return_inverse=True)
        total = np.bincount(label, self.times).astype(int)[label]
        best = np.full(int(label.max(initial=-1)) + 1, -np.inf)
        np.maximum.at(best, label, rate)
        order = np.lexsort((-rate, -self.times, label, -best[label], -total))
        kept = [i for i in order if self.trained[i] and (total[i] or best[label[i]] > -np.inf)]
        _, first = np.unique(label[kept], return_index=True)
        return [Candidate(int(kept[i]), int(total[kept[i]])) for i in sorted(first)]

    def once(self) -> list[int]:
        """Places of the images that came back exactly once."""
        return [one.place for one in self.candidates() if one.times == 1]


def counted_in_words(times: int, draws: int) -> str:
    """Say the rate of copies that were counted, as `rate_in_words` says one that was estimated."""
    if not times:
        row: Row = {"value": math.log10(at_most(draws)), "sign": -1}
        return rate_in_words(row)
    rate = counted_rate(times, draws)
    ends = {name: math.log10(getattr(rate, name)) for name in ("value", "low", "high")}
    return rate_in_words(ends | {"sign": 0})


def drawn_how(plan: Plan) -> str:
    """Say how a run was drawn: sampler, steps, guidance."""
    kind = "stochastic" if plan.eta else "deterministic"
    order = " of second order" if plan.order == 2 else ""
    guided = f"guided with strength {plan.strength:g}" if plan.surrogate else "without guidance"
    if plan.method == SEEK:
        guided = "in search of different images"
    return f"by the {kind} sampler with {plan.steps:,} steps{order}, {guided}"


def copy_rule(criterion: str, threshold: float) -> str:
    """Say what is called a copy: "nearest over second nearest below 0.333 (over 3 times nearer to
    one training image than to any other)".
    """
    rule = CRITERIA[criterion]
    said = f"{rule.title.lower()} {'below' if rule.below else 'above'} {threshold:.3g}"
    if criterion != "ratio" or not threshold:
        return said
    return f"{said} (over {1 / threshold:.2g} times nearer to one training image than to any other)"


def believe(table: pd.DataFrame, by_copies: bool) -> str:
    """Say which measure to believe here, by a table of `quality`; it compares what came back with
    what did not, or what was trained on with what was held out.
    """
    if by_copies:
        came = int(table["clusters above"].iloc[0])
        few = f"Too few copies to say: only {came:,} different image{'s' * (came != 1)} came back. "
        return f"{few if came < OFTEN else 'Judged by what came back: '}{best_of(table)}"
    return (
        f"Judged by what was trained on: {best_of(table)} That a model knows an image does not "
        "mean that it gives it away."
    )


def _percent(share: float) -> str:
    """A share in percent, to two digits."""
    return f"{float(f'{100 * share:.2g}'):g}%"

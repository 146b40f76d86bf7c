"""How many new images an attack still finds for its forwards, and when to stop it."""

import math
from dataclasses import dataclass, field

import torch
from scipy.stats import nbinom
from torch import Tensor

from memlib.evidence.unseen import Estimate
from memlib.extraction import Generations
from memlib.extraction.plan import SEEK
from memlib.extraction.seeking.found import Found

WINDOW = 10_000  # network forwards that a forecast looks back and ahead
TAIL = 0.025
BLOCK = 256  # images compared together


@dataclass
class Pace:
    """The pace at which images are found that the model draws twice, in `found` groups of its own
    nearly equal images: no training image is needed, and draws need not be independent, as those
    of an adaptive attack are not. An image drawn once may be anything; one that comes again is
    suspected to be a copy.
    """

    found: Found
    falling: bool = True  # whether draws are independent; a search keeps its pace
    spent: float = 0.0  # network forwards so far
    again: list[float] = field(default_factory=list)  # spent when a group was first drawn again

    @classmethod
    def of(cls, run: Generations) -> "Pace":
        """Follow a run from its first image to its last."""
        pace = cls(Found(run.images.shape), run.method != SEEK)
        pace.follow(run)
        return pace

    def follow(self, run: Generations) -> None:
        """Take in the images that a run has drawn since. A guidance step is not charged."""
        first, plan = int(self.found.times.sum()), run.plan
        each = run.forwards()
        if each is None:
            each = torch.full((len(run),), plan.steps if plan else 0)
        for start in range(first, len(run), BLOCK):
            part = slice(start, min(len(run), start + BLOCK))
            self.add(run.images.batch(range(part.start, part.stop)), each[part])

    def add(self, images: Tensor, forwards: Tensor) -> None:
        """Take in images (B, C, H, W) and the forwards of each (B,), in the order they were
        drawn.
        """
        known = self.found.times.clone()
        after = self.spent + forwards.double().cumsum(0)
        for group, at in zip(self.found.add(images).tolist(), after.tolist(), strict=True):
            if group >= len(known):
                known = torch.cat([known, torch.zeros(group + 1 - len(known), dtype=torch.long)])
            known[group] += 1
            if known[group] == 2:
                self.again.append(at)
        self.spent = float(after[-1]) if len(after) else self.spent

    def forecast(self) -> Estimate:
        """Return how many new images the next WINDOW forwards will draw for the second time.

        If X of them came with the last w = min(WINDOW, t / 2) of t forwards, f X are expected,

            f = ln((t + WINDOW) / t) / ln(t / (t - w)),

        since images whose rates are spread evenly over decades are found at a pace that falls as
        1 / t by independent draws. A search draws again what it drew, and its pace did not fall
        where runs of the demo were replayed: f = WINDOW / w. The interval is of 95%, for a Poisson
        number of that mean: quantiles of the negative binomial distributions (X, 1 / (1 + f)) and
        (X + 1, 1 / (1 + f)).
        """
        if not self.spent:
            return Estimate(0.0, 0.0, math.inf)
        window = min(WINDOW, self.spent / 2)
        count = sum(at > self.spent - window for at in self.again)
        factor = WINDOW / window
        if self.falling:
            factor = math.log1p(WINDOW / self.spent) / -math.log1p(-window / self.spent)
        low = float(nbinom.ppf(TAIL, count, 1 / (1 + factor))) if count else 0.0
        high = float(nbinom.ppf(1 - TAIL, count + 1, 1 / (1 + factor)))
        return Estimate(factor * count, low, high)

    def price(self) -> float:
        """Return what the next new image is expected to cost, in network forwards."""
        expected = self.forecast().value
        return WINDOW / expected if expected else math.inf

    def sentence(self) -> str:
        """Say what was found and what the next forwards would bring."""
        next_ones = self.forecast()
        return (
            f"{len(self.again):,} images were drawn twice with {self.spent:,.0f} forwards; the "
            f"next {WINDOW:,} would bring about {next_ones.value:.0f} more (95%: "
            f"{next_ones.low:.0f} to {next_ones.high:.0f})."
        )

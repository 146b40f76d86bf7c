"""How many different images come back among any number of pictures, from counts and scores.

Counts alone carry a forecast to twice the draws (memlib.evidence.unseen). Beyond, the rates of the
images not seen yet are needed; scores predict them (memlib.evidence.prediction.screening). An image
that has not come back in n draws is one of those with small rates: its rate has the predicted
distribution times (1 - R)^n.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import log_expit
from torch import Tensor

from memlib.evidence.prediction.screening import Calibration, best_score, no_score, normal_law
from memlib.evidence.remembered import Remembered
from memlib.evidence.unseen import Estimate
from memlib.measures import MEASURES

REPEATS = 200  # draws of the parameters of the calibration
GRID = np.linspace(-5, 5, 41)  # z, in place of an integral over its normal law


@dataclass(frozen=True)
class GroupScores:
    """The mean score of each near-duplicate group that was trained on, (G,), the label of its
    cluster (G,), and the group of each image (N,), -1 for one that was not trained on.
    """

    scores: np.ndarray
    clusters: np.ndarray
    of_image: np.ndarray

    @classmethod
    def of(
        cls, scores: np.ndarray, groups: Tensor, clusters: np.ndarray, trained: np.ndarray
    ) -> "GroupScores":
        """Group the scores of images (N,), NaN where unknown, by their near-duplicate groups."""
        of_image = np.full(len(scores), -1)
        _, first, label = np.unique(groups.numpy()[trained], return_index=True, return_inverse=True)
        of_image[trained] = label
        known = trained & np.isfinite(scores)
        many = np.bincount(of_image[known], minlength=len(first))
        total = np.bincount(of_image[known], scores[known], minlength=len(first))
        mean = np.where(many > 0, total / np.maximum(many, 1), np.nan)
        return cls(mean, clusters[trained][first], of_image)

    def times(self, counts: np.ndarray) -> np.ndarray:
        """Add the counts of images (N,) by group, (G,)."""
        own = self.of_image >= 0
        return np.bincount(self.of_image[own], counts[own], minlength=len(self.scores)).astype(int)


def images_among(
    found: Calibration, scores: np.ndarray, times: np.ndarray, draws: int, sizes: Sequence[int]
) -> list[Estimate]:
    """Return how many different images are copied among m pictures, of which `draws` are drawn and
    show image i `times` (G,); for each m of `sizes`, with the 95% interval of that number.

        S + sum over images not seen of E[ 1 - (1 - R_i)^(m - draws) | not seen ]

    The interval is the prediction's: it holds the error of the calibration, the spread of rates
    with equal scores, and the chance of the draws. Near-duplicates are one image, `scores` (G,)
    theirs. An image without a score is never expected. Raises ValueError for sizes below `draws`.
    """
    more = np.asarray(sizes) - draws
    if len(more) and more.min() < 0:
        raise ValueError(
            f"{draws:,} pictures are drawn already; {min(sizes):,} of them are no forecast."
        )
    seen = int((times > 0).sum())
    rest = found.standardised(scores[(times == 0) & np.isfinite(scores)])
    generator = np.random.default_rng(0)
    doubt = generator.multivariate_normal(found.theta, found.covariance, REPEATS, method="eigh")
    expected = _new(rest, found.theta, draws, more)[0]
    simulated = []
    for theta in doubt:
        mean, variance = _new(rest, theta, draws, more)
        simulated.append(mean + np.sqrt(variance) * generator.standard_normal())
    low, high = np.quantile(simulated, (0.025, 0.975), axis=0)
    return [
        Estimate(seen + float(value), seen + max(0.0, float(a)), seen + min(len(rest), float(b)))
        for value, a, b in zip(expected, low, high, strict=True)
    ]


def _new(
    s: np.ndarray, theta: np.ndarray, draws: int, more: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of the number of images seen first among `more` (M,) draws."""
    centre, tau = normal_law(theta, s)
    at = centre[:, None] + tau[:, None] * GRID
    missed = log_expit(-at)  # of one draw
    weight = np.exp(draws * missed - GRID**2 / 2)
    weight /= weight.sum(1, keepdims=True)
    chance = np.stack([1 - (weight * np.exp(size * missed)).sum(1) for size in more])
    return chance.sum(1), np.maximum(0, chance * (1 - chance)).sum(1)


@dataclass(frozen=True)
class Forecast:
    """A forecast from pictures drawn without guidance, and the measure that predicts rates."""

    score: str
    calibration: Calibration
    known: GroupScores
    times: np.ndarray  # (G,)
    draws: int

    @classmethod
    def of(cls, values: pd.DataFrame, found: Remembered, clusters: np.ndarray) -> "Forecast | str":
        """Calibrate a measure of `values` (N, measures) to what was drawn; why not, where not."""
        name = best_score(values)
        if not name:
            return no_score()
        scores = values[name].to_numpy(float)
        known = GroupScores.of(scores, found.groups, clusters, found.trained)
        times = known.times(found.times)
        try:
            fitted = Calibration.fit(known.scores, times, found.draws, known.clusters)
        except ValueError as error:
            return str(error)
        if not fitted.helps:
            return f"The {MEASURES[name].words} does not help to predict rates here."
        return cls(name, fitted, known, times, found.draws)

    def among(self, size: int) -> Estimate:
        """How many different images come back among so many pictures, those drawn included."""
        args = (self.calibration, self.known.scores, self.times, self.draws)
        return images_among(*args, [size])[0]

    def sentence(self, size: int) -> str:
        """Say it in words."""
        found = self.among(size)
        return (
            f"Among {size:,} pictures, copies of about {found.value:.0f} different images (95%: "
            f"{found.low:.0f} to {found.high:.0f}) are predicted, from the "
            f"{MEASURES[self.score].words} and how often images like it in that came back."
        )

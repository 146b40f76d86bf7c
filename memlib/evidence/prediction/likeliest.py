"""Which images of a set are likeliest to come back: their rates as far as they are counted,
estimated or predicted, and whose rate is worth an estimate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from memlib.evidence.draws import OFTEN
from memlib.evidence.prediction.screening import (
    FEWEST,
    Calibration,
    Predicted,
    best_score,
    cross_fitted,
    no_score,
)
from memlib.measures import MEASURES, Row

MOST = 20_000  # images of a calibration; of more, so many are chosen at random
CONTROL = 5  # of the images to estimate, one in so many is chosen at random
FAIR = 0.9  # share of counts within 95% intervals below which these are called too narrow


@dataclass(frozen=True)
class Screen:
    """The rates of N images by what they are known from. `times` (N,) in `draws`, None where
    nothing is counted, are of the sampler and criterion of the estimates, `rows` by image id.
    """

    ids: Sequence[str]
    score: str  # the measure that predicts, "" if none is known of the set
    scores: np.ndarray  # (N,)
    times: np.ndarray | None
    draws: int
    rows: Mapping[str, Row]
    clusters: np.ndarray

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        values: pd.DataFrame,
        times: np.ndarray | None,
        draws: int,
        rows: Mapping[str, Row],
        clusters: np.ndarray,
    ) -> "Screen":
        """Choose the score among the values of all measures (N, measures)."""
        name = best_score(values)
        scores = values[name].to_numpy(float) if name else np.full(len(ids), np.nan)
        return cls(ids, name, scores, times, draws, rows, clusters)

    @cached_property
    def calibration(self) -> Calibration | str:
        """Fitted to the counts, or where nothing is counted to the estimates; why not, if not."""
        if not self.score:
            return no_score()
        chosen = np.flatnonzero(np.isfinite(self.scores))
        if len(chosen) > MOST:
            chosen = np.sort(np.random.default_rng(0).choice(chosen, MOST, replace=False))
        try:
            if self.times is not None:
                return Calibration.fit(
                    self.scores[chosen], self.times[chosen], self.draws, self.clusters[chosen]
                )
            known = [i for i in chosen.tolist() if self.ids[i] in self.rows]
            value, stderr, sign = (
                np.array([self.rows[self.ids[i]][name] for i in known], float)
                for name in ("value", "stderr", "sign")
            )
            own = (self.scores[known], value, stderr, sign, self.clusters[known])
            return Calibration.fit_estimates(*own)
        except ValueError as error:
            return str(error)

    @cached_property
    def predicted(self) -> Predicted | None:
        """The predicted rates; None without a calibration, and where the score is of no help."""
        found = self.calibration
        if isinstance(found, str) or not found.helps:
            return None
        return found.predict(self.scores)

    @cached_property
    def crossed(self) -> Predicted | None:
        """The rate of each image as predicted from images of other clusters; None where nothing is
        counted or the score is of no help.
        """
        if self.predicted is None or self.times is None:
            return None
        return cross_fitted(self.scores, self.times, self.draws, self.clusters)

    def sentence(self) -> str:
        """Say from what rates are predicted, or why they are not."""
        found = self.calibration
        if isinstance(found, str):
            return found
        title = MEASURES[self.score].words
        if not found.helps:
            _, low, high = found.slope
            return (
                f"The {title} does not help to predict rates on this model: the interval of its "
                f"slope, {low:.2g} to {high:.2g} decades a standard deviation, contains 0."
            )
        if self.times is None:
            return f"Predicted from the {title}, by the estimated rates of images like it in that."
        return (
            f"Predicted from the {title}, by how often images like it in that came back in "
            f"{self.draws:,} pictures of the stochastic sampler."
        )

    def covered(self) -> str:
        """Say how many counts lie within the intervals predicted from the other images, and whether
        that is as many as it should be; "" where that cannot be said.
        """
        if self.crossed is None or self.times is None:
            return ""
        known = np.isfinite(self.scores)
        times = self.times[known]
        inside = self.crossed.at(known).covers(times, self.draws)
        parts = [f"{inside.mean():.1%} of {len(times):,} counts"]
        least = float(inside.mean())
        for fewest, words in ((1, "drawn at all"), (OFTEN, f"drawn at least {OFTEN} times")):
            some = times >= fewest
            if some.sum() >= FEWEST:
                parts.append(f"{inside[some].mean():.1%} of the {some.sum():,} {words}")
                least = min(least, float(inside[some].mean()))
        said = (
            "Each image predicted from images of other families, the 95% intervals hold "
            f"{', '.join(parts)}."
        )
        return said if least >= FAIR else f"{said} They are too narrow: do not trust them."

    def worth_estimating(self, count: int) -> list[int]:
        """Places of images whose rate is neither estimated nor counted from at least OFTEN copies:
        `count` likeliest ones by prediction or score, and one for each CONTROL of them at random
        among the others; one of each cluster. In the order of the set.
        """
        if not self.score:
            return []
        likely = (
            self.predicted.value
            if self.predicted is not None
            else MEASURES[self.score].direction * self.scores
        )
        open_ = [
            place
            for place in np.argsort(-likely, kind="stable").tolist()
            if np.isfinite(likely[place])
            and self.ids[place] not in self.rows
            and (self.times is None or self.times[place] < OFTEN)
        ]
        _, first = np.unique(self.clusters[open_], return_index=True)
        order = [open_[place] for place in sorted(first.tolist())]
        rest = order[count:]
        some = min(len(rest), count // CONTROL)
        control = np.random.default_rng(0).permutation(rest)[:some]
        return sorted([*order[:count], *control.astype(int).tolist()])

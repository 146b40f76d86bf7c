"""Rates of a whole set, predicted from a cheap score.

Image i was drawn X_i times in n draws, or its rate was estimated. With its score s_i, standardised,

    X_i ~ Binomial(n, R_i),   logit R_i = a + b s_i + c s_i^2 + tau_i z_i,   z_i ~ N(0, 1),
    ln tau_i = t + d s_i,

a random-effects logistic regression, by maximum likelihood with weak priors. The integral over z is
adaptive Gauss-Hermite quadrature (Liu & Pierce 1994), the covariance of the parameters the sandwich
estimator over clusters (Liang & Zeger 1986). A prediction is the distribution of R for an image
with this score: for images too rare to be drawn it extrapolates a normal law.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit, logsumexp, ndtr
from scipy.stats import binom, norm
from scipy.stats import t as student

from memlib.measures import MEASURES, Row

NODES = 24  # of the quadrature over z
FEWEST = 8  # fewest clusters with a copy, or with an estimate
FOLDS = 5
# measures that may be the score, the first one known of nearly all images is
SCORES = ("integrated_loss", "k_1_at_0.5", "denoising_loss", "volume_growth")
NEARLY = 0.9
LEAST = -7.0  # log10 of rates below which a prediction is only an upper limit
SOUND = 0.95  # confidence of limits and intervals
# prior standard deviations of a, b, c, t, d
PRIOR = np.array([np.inf, 5.0, 5.0, 1.0, 1.0])
POINTS = 100  # quantiles that stand for a distribution
BOUNDS = (-4.0, 3.0)  # of ln tau
DECADE = math.log(10)

# log likelihood of each image given its mean and tau, and its slopes in mean and ln tau, each (N,)
Likelihood = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Predicted:
    """Predicted log10 rates of N images with the ends of their 95% intervals; NaN without score.

    `centre` and `spread` (N,) are of logit R: its mean, and the root of tau^2 and the variance of
    the mean.
    """

    centre: np.ndarray
    spread: np.ndarray
    degrees: float

    @property
    def value(self) -> np.ndarray:
        """log10 of the median rate."""
        return self._at(0.0)

    @property
    def low(self) -> np.ndarray:
        return self._at(-float(student.ppf((1 + SOUND) / 2, self.degrees)))

    @property
    def high(self) -> np.ndarray:
        return self._at(float(student.ppf((1 + SOUND) / 2, self.degrees)))

    def _at(self, quantile: float) -> np.ndarray:
        ends: np.ndarray = log_expit(self.centre + quantile * self.spread) / DECADE
        return ends

    def at(self, places: np.ndarray) -> "Predicted":
        """The predictions of some images."""
        return Predicted(self.centre[places], self.spread[places], self.degrees)

    def row(self, place: int) -> Row:
        """One image's prediction as `rate_in_words` says it; an upper limit below 1e-7, and where
        nothing is known a limit of 1.
        """
        value, low, high = (float(ends[place]) for ends in (self.value, self.low, self.high))
        if not value > LEAST:
            return {"value": 0.0 if math.isnan(high) else max(high, LEAST), "sign": -1}
        return {"value": value, "low": low, "high": high, "sign": 0}

    def tails(self, times: np.ndarray, draws: int) -> np.ndarray:
        """Return the smaller of P[X <= x] and P[X >= x] for counts x (N,) in `draws`."""
        place = (np.arange(POINTS) + 0.5) / POINTS
        rate = expit(self.centre[:, None] + self.spread[:, None] * student.ppf(place, self.degrees))
        below = binom.cdf(times[:, None], draws, rate).mean(1)
        above = binom.sf(times[:, None] - 1, draws, rate).mean(1)
        smaller: np.ndarray = np.minimum(below, above)
        return smaller

    def covers(self, times: np.ndarray, draws: int) -> np.ndarray:
        """Whether the 95% interval of a count contains the one found, (N,)."""
        inside: np.ndarray = self.tails(times, draws) > (1 - SOUND) / 2
        return inside


@dataclass(frozen=True)
class Calibration:
    """What a score says of rates: `theta` is (a, b, c, t, d) for scores from which `middle` is
    taken and which are divided by `scale`; `covariance` is theirs; `clusters` had a copy.
    """

    theta: np.ndarray
    covariance: np.ndarray
    middle: float
    scale: float
    clusters: int

    @classmethod
    def fit(
        cls, scores: np.ndarray, times: np.ndarray, draws: int, clusters: np.ndarray
    ) -> "Calibration":
        """Fit to images with scores (N,), drawn `times` (N,) in `draws`; images with an equal label
        of `clusters` (N,) are one observation. Images without a score do not count.

        Raises ValueError if fewer than FEWEST clusters were drawn.
        """
        known = np.isfinite(scores)
        scores, times, clusters = scores[known], times[known].astype(float), clusters[known]
        start = logit((times.sum() + 0.5) / (draws * len(times) + 1)) - 1 if len(times) else 0.0
        drawn = len(np.unique(clusters[times > 0]))
        return cls._fit(scores, _counted(times, draws), clusters, drawn, float(start), "drawn")

    @classmethod
    def fit_estimates(
        cls,
        scores: np.ndarray,
        value: np.ndarray,
        stderr: np.ndarray,
        sign: np.ndarray,
        clusters: np.ndarray,
    ) -> "Calibration":
        """Fit to estimated log10 rates (N,), their standard errors in decades and their signs: 0
        for an estimate, +1 or -1 for a lower or an upper limit, which holds at 95%.

        Raises ValueError if fewer than FEWEST clusters have an estimate.
        """
        known = np.isfinite(scores) & np.isfinite(value)
        middle = logit(np.clip(10.0 ** value[known], 1e-300, 1 - 1e-6))
        kind, error = sign[known], np.where(sign[known] == 0, DECADE * stderr[known], 0.0)
        drawn = len(np.unique(clusters[known][kind == 0]))
        start = float(np.median(middle[kind == 0])) if drawn else 0.0
        likelihood = _estimated(middle, error, kind)
        return cls._fit(scores[known], likelihood, clusters[known], drawn, start, "estimated")

    @classmethod
    def _fit(
        cls,
        scores: np.ndarray,
        likelihood: Likelihood,
        clusters: np.ndarray,
        drawn: int,
        start: float,
        verb: str,
    ) -> "Calibration":
        if drawn < FEWEST:
            raise ValueError(
                f"Only {drawn:,} different images were {verb}; at least {FEWEST} are needed to "
                "predict the rates of others."
            )
        middle, scale = float(scores.mean()), float(scores.std()) or 1.0
        s = (scores - middle) / scale
        means, widths = np.column_stack([np.ones_like(s), s, s**2]), np.column_stack([s**0, s])

        def parts(theta: np.ndarray) -> tuple[float, np.ndarray]:
            """The log posterior, and its slopes by image (N, 5)."""
            tau = np.exp(np.clip(widths @ theta[3:], *BOUNDS))
            value, along, wide = likelihood(means @ theta[:3], tau)
            each = np.column_stack([means * along[:, None], widths * wide[:, None]])
            return (
                float(value.sum() - ((theta / PRIOR) ** 2).sum() / 2),
                each - theta / PRIOR**2 / len(s),
            )

        def cost(theta: np.ndarray) -> tuple[float, np.ndarray]:
            value, each = parts(theta)
            return -value, -each.sum(0)

        first = np.array([start, 0.0, 0.0, 0.5, 0.0])
        theta = minimize(cost, first, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
        step = 1e-4 * np.eye(len(theta))
        bend = np.array([cost(theta + one)[1] - cost(theta - one)[1] for one in step]) / 2e-4
        inverse = np.linalg.pinv((bend + bend.T) / 2, hermitian=True)
        names, label = np.unique(clusters, return_inverse=True)
        sums = np.zeros((len(names), len(theta)))
        np.add.at(sums, label, parts(theta)[1])
        many = len(names) / max(1, len(names) - 1)
        return cls(theta, inverse @ (many * sums.T @ sums) @ inverse, middle, scale, drawn)

    @property
    def slope(self) -> tuple[float, float, float]:
        """b: decades for one standard deviation of the score, with the ends of its 95% interval."""
        b, half = self.theta[1], norm.ppf((1 + SOUND) / 2) * math.sqrt(self.covariance[1, 1])
        return float(b / DECADE), float((b - half) / DECADE), float((b + half) / DECADE)

    @property
    def helps(self) -> bool:
        """Whether the score says anything of the rate: the interval of its slope is without 0."""
        _, low, high = self.slope
        return bool(low * high > 0)

    def standardised(self, scores: np.ndarray) -> np.ndarray:
        """Return s (N,), moved to where a + b s + c s^2 turns if it is beyond, so that predictions
        rise or fall with the score throughout.
        """
        s: np.ndarray = (scores - self.middle) / self.scale
        _, b, c = self.theta[:3]
        if not b * c:
            return s
        turn = -b / (2 * c)
        within: np.ndarray = np.minimum(s, turn) if turn > 0 else np.maximum(s, turn)
        return within

    def predict(self, scores: np.ndarray) -> Predicted:
        """Predict the rates of images with scores (N,)."""
        centre, tau = normal_law(self.theta, self.standardised(scores))
        s = self.standardised(scores)
        means = np.column_stack([np.ones_like(s), s, s**2])
        doubt = np.einsum("ni,ij,nj->n", means, self.covariance[:3, :3], means)
        degrees = max(2.0, self.clusters - 2)
        return Predicted(centre, np.sqrt(tau**2 + np.maximum(0, doubt)), degrees)


def normal_law(theta: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and tau of logit R (N,) at standardised scores."""
    a, b, c, t, d = theta
    return a + b * s + c * s**2, np.exp(np.clip(t + d * s, *BOUNDS))


def best_score(values: pd.DataFrame) -> str:
    """The measure that serves as score, of a table of values (N, measures); "" if none does."""
    share = values.notna().mean()
    return next((name for name in SCORES if share.get(name, 0.0) >= NEARLY), "")


def no_score() -> str:
    """Say what to measure where no measure can serve as score."""
    titles = ", ".join(MEASURES[name].title for name in SCORES)
    return f"To predict rates, measure one of these of all images: {titles}."


def cross_fitted(
    scores: np.ndarray, times: np.ndarray, draws: int, clusters: np.ndarray
) -> Predicted:
    """Predict each image's rate from the others': clusters are dealt to FOLDS folds, and each fold
    is predicted by a calibration of the rest. Raises ValueError as `Calibration.fit` does.
    """
    _, label = np.unique(clusters, return_inverse=True)
    dealt = np.random.default_rng(0).permutation(int(label.max(initial=0)) + 1)[label] % FOLDS
    centre, spread = np.full(len(times), np.nan), np.full(len(times), np.nan)
    degrees = math.inf
    for fold in range(FOLDS):
        own = dealt == fold
        rest = Calibration.fit(scores[~own], times[~own], draws, clusters[~own])
        found = rest.predict(scores[own])
        centre[own], spread[own] = found.centre, found.spread
        degrees = min(degrees, found.degrees)
    return Predicted(centre, spread, degrees)


def _counted(times: np.ndarray, draws: int) -> Likelihood:
    nodes, weights = np.polynomial.hermite.hermgauss(NODES)

    def likelihood(mean: np.ndarray, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        centre, width = posterior(mean, tau, times, draws)
        at = centre[:, None] + math.sqrt(2) * width[:, None] * nodes
        apart = (at - mean[:, None]) / tau[:, None]
        terms = (
            times[:, None] * log_expit(at)
            + (draws - times)[:, None] * log_expit(-at)
            - apart**2 / 2
            + nodes**2
            + np.log(weights)
        )
        total = logsumexp(terms, axis=1)
        share = np.exp(terms - total[:, None])
        value = total + np.log(width / tau / math.sqrt(math.pi))
        return value, (share * apart).sum(1) / tau, (share * apart**2).sum(1) - 1

    return likelihood


def posterior(
    mean: np.ndarray, tau: np.ndarray, times: np.ndarray, draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mode of logit R given a count, and the width there, (N,), by Newton's method: the
    logarithm is concave.
    """
    at = np.array(mean, float)
    for _ in range(60):
        rate = expit(at)
        slope = times - draws * rate - (at - mean) / tau**2
        bend = draws * rate * (1 - rate) + 1 / tau**2
        step = np.clip(slope / bend, -2.0, 2.0)
        at += step
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    rate = expit(at)
    return at, (draws * rate * (1 - rate) + 1 / tau**2) ** -0.5


def _estimated(middle: np.ndarray, error: np.ndarray, sign: np.ndarray) -> Likelihood:
    """Estimates have normal errors; a limit holds with probability SOUND, so that it says little
    where it is far from the mean.
    """

    def likelihood(mean: np.ndarray, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        width = np.hypot(tau, error)
        apart = (middle - mean) / width
        value = -(apart**2) / 2 - np.log(width)
        along, wide = apart / width, (apart**2 - 1) * (tau / width) ** 2
        side = np.where(sign == 0, 1, -sign) * apart  # P[limit holds] = Phi(side)
        chance = (1 - SOUND) + (2 * SOUND - 1) * ndtr(side)
        slope = (2 * SOUND - 1) * norm.pdf(side) / chance
        limit = sign != 0
        value = np.where(limit, np.log(chance), value)
        along = np.where(limit, slope * sign / width, along)
        return value, along, np.where(limit, -slope * side, wide)

    return likelihood

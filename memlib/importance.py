"""Means of importance-sampled terms: how far they can be trusted, and their intervals."""

import math

import numpy as np
from scipy.stats import t as student
from torch import Tensor

SOUND = 0.7  # largest Pareto shape of terms with a reliable mean (Vehtari et al.)
FEWEST = 8  # fewest effective terms for an estimate
MARKOV = 20  # P[estimate >= 20 mean] <= 1/20, whatever the weights
NONE_SEEN = 3.0  # -ln .05: with no hit among n terms, less than 3 / n of them are, at 95%
PRIOR, PRIOR_SIZE = 0.5, 10  # the prior shape of a tail, and its weight in values


def effective_size(terms: np.ndarray) -> float:
    """Count terms (n,) >= 0 by weight: (sum t)^2 / sum t^2 (Kish)."""
    return float(terms.sum() ** 2 / (terms**2).sum())


def pareto_shape(terms: np.ndarray) -> float:
    """Return the shape k of the Pareto tail of the largest terms (n,) >= 0.

    The min(n / 5, 3 sqrt n) largest, minus the next one, are fitted by a generalised Pareto
    distribution (Zhang & Stephens 2009), and k is shrunk towards 0.5 with the weight of ten values.
    Above 1/2 the variance of the terms is not finite, above 1 their mean is not (Vehtari et al.,
    arXiv 1507.02646). NaN if the largest terms are equal.
    """
    order = np.sort(np.asarray(terms, np.float64))
    count = math.ceil(min(0.2 * len(order), 3 * math.sqrt(len(order))))
    excess = order[-count:] - order[-count - 1]
    excess = excess[excess > 0]
    size = len(excess)
    if size < 2 or excess[-1] == excess[0]:
        return math.nan
    grid = 30 + int(math.sqrt(size))
    quartile = excess[int(size / 4 + 0.5) - 1]
    rate = 1 / excess[-1] + (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3 * quartile)
    shape = np.log1p(-rate[:, None] * excess).mean(1)
    likelihood = size * (np.log(-rate / shape) - shape - 1)
    share = np.exp(likelihood - likelihood.max())
    best = float((rate * share).sum() / share.sum())
    found = float(np.log1p(-best * excess).mean())
    return (found * size + PRIOR * PRIOR_SIZE) / (size + PRIOR_SIZE)


def skewed_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of the interval of the mean of a skewed sample (n,), after Hall (1992).

    Student's t of the sample is replaced by t + b (t^2 / 3 + 1 / 6) + b^2 t^3 / 27, b the skewness
    over sqrt(n), which is monotone in t and has no skewness of its own.
    """
    count, mean, spread = len(values), float(values.mean()), float(values.std(ddof=1))
    if not spread:
        return mean, mean
    skew = float(((values - mean) ** 3).mean()) / spread**3 / math.sqrt(count)
    quantile = float(student.ppf((1 + level) / 2, count - 1))

    def student_of(transformed: float) -> float:
        if abs(skew) < 1e-6:
            return transformed
        return float((np.cbrt(1 + skew * (transformed - skew / 6)) - 1) / (skew / 3))

    low, high = (
        mean - student_of(end) * spread / math.sqrt(count) for end in (quantile, -quantile)
    )
    return low, high


def log10_mean(
    terms: Tensor, weights: Tensor
) -> tuple[float, float, float, float, float, float, float]:
    """Return log10 of the mean of terms w 1{hit} >= 0, which is at most 1, its standard error in
    decades, the ends of its 95% interval, its sign, the Pareto shape and the share of hits, from
    the logs of the terms, -inf without a hit, and of all weights w (P,).

    The sign is 0 for an estimate, +1 for a lower limit by Markov's inequality, where the terms are
    too uneven, and -1 for an upper limit, where there is no hit.
    """
    decade, count = math.log(10), len(terms)
    share = float(terms.isfinite().double().mean())
    if not share:
        limit = min(0.0, (float(weights.max()) + math.log(NONE_SEEN / count)) / decade)
        return limit, math.nan, math.nan, limit, -1, math.nan, share
    top = float(terms.max())
    scaled = (terms - top).exp().numpy()
    mean, khat = float(scaled.mean()), pareto_shape(scaled)
    value = min(0.0, (math.log(mean) + top) / decade)
    error = float(scaled.std(ddof=1)) / mean / math.sqrt(count)
    effective = effective_size(scaled)
    if effective < FEWEST or (khat > SOUND and effective < count / 2):
        limit = value - math.log10(MARKOV)
        return limit, error / decade, limit, 0.0, 1, khat, share
    low, high = ((math.log(max(end, 1e-300)) + top) / decade for end in skewed_interval(scaled))
    return value, error / decade, min(low, 0.0), min(high, 0.0), 0, khat, share

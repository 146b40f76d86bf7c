"""The reproduction rate in the plane: how often the stochastic sampler ends near a mode, counted,
estimated and exact.

A point belongs to the mode with the nearest mean, if that is within a radius r of it. The exact
rate is the mixture's own mass there,

    sum_k w_k P[ m_k + S_k^(1/2) n belongs to mode i ],     n ~ N(0, I),

which is the weight of mode i where all widths are 0.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from memlib.flow import sample
from memlib.landscapes.mixtures import Mode, mixture
from memlib.measures import reproduction_rate
from memlib.seeds import generator

POINTS = 20_000  # of each mode, for its mass; a share of them is within 0.004 of the truth
SHOWN = 8  # modes whose rates are computed


def basins(
    modes: Sequence[Mode], radius: float, *, draws: int = 1024, steps: int = 50, seed: int = 0
) -> pd.DataFrame:
    """Compute for each of the first SHOWN modes its weight, the exact rate, how many of `draws`
    points of the sampler belong to it, and the estimated rate with the ends of its interval, which
    is open where `sign` is not 0.
    """
    landscape, shown = mixture(modes), min(SHOWN, len(modes))
    means = torch.tensor([[one.x, one.y] for one in modes]).view(-1, 1, 1, 2)
    drawn = sample(landscape, draws, steps=steps, seed=seed, eta=1.0)
    rates = reproduction_rate(
        landscape,
        means[:shown],
        tolerance=radius / math.sqrt(2),  # a root mean square of two coordinates
        among=means,
        steps=steps,
        seed=seed,
    )
    normal = torch.randn(POINTS, 2, generator=generator(seed), dtype=torch.float64)
    exact = np.zeros(len(modes))
    weights = np.array([one.weight for one in modes])
    for one, weight in zip(modes, weights / weights.sum(), strict=True):
        values, axes = torch.linalg.eigh(one.covariance)
        points = normal * values.clamp(min=0).sqrt() @ axes.T + torch.tensor([one.x, one.y])
        exact += weight * _belonging(points, means, radius) / POINTS
    return pd.DataFrame(
        {
            "weight": (weights / weights.sum())[:shown],
            "exact": exact[:shown],
            "times": _belonging(drawn.flatten(1).double(), means, radius)[:shown],
            "estimated": 10 ** rates.value.double().numpy(),
            "low": 10 ** rates.low.nan_to_num(-torch.inf).double().numpy(),
            "high": 10 ** rates.high.double().numpy(),
            "sign": rates.sign.int().numpy(),
        }
    )


def _belonging(points: Tensor, means: Tensor, radius: float) -> np.ndarray:
    """Count the points (P, 2) that belong to each mode, (K,)."""
    distance, nearest = torch.cdist(points, means.flatten(1).double()).min(1)
    return torch.bincount(nearest[distance < radius], minlength=len(means)).numpy()

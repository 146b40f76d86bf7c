"""The estimates of a mixture's fields, by the functions that measure images.

Shapes are those of memlib.landscapes.truth.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.plaplace import p_laplace
from memlib.measures.volume import log_prior, volume_growth


def estimated_averages(
    denoiser: Denoiser,
    points: Tensor,
    sigmas: Sequence[float],
    radii: Sequence[float],
    powers: Sequence[float],
    *,
    directions: int,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Estimate `disc_averages` by `p_laplace` from a number of directions; return it with the
    standard error, both (P, L, M).
    """
    values, errors = [], []
    for sigma, radius in zip(sigmas, radii, strict=True):
        found = p_laplace(
            denoiser, points, sigma, p=list(powers), directions=directions, radius=radius, seed=seed
        )
        unit = torch.tensor(
            [(radius / sigma**2) ** (p - 1) * 2 / radius for p in powers], dtype=torch.float64
        )[:, None]
        values.append(found.divergence.double())
        errors.append(found.stderr.double() * unit)
    return torch.stack(values, 1), torch.stack(errors, 1)


def estimated_growth(
    denoiser: Denoiser,
    points: Tensor,
    sigmas: Sequence[float],
    *,
    probes: int | Literal["exact"],
    seed: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Estimate growth up to each level by `volume_growth`; return it with its standard error, both
    (L, M), and the log prior of the latents, (M,).

    The path takes one step per level. The standard error is that of the random probes, NaN for a
    single probe and for "exact"; it does not include the error of the steps.
    """
    found = volume_growth(denoiser, points, sigmas=sigmas, probes=probes, seed=seed)
    value, error = (
        torch.cat([torch.zeros_like(part[:, :1]), part], 1).double()
        for part in (found.curve, found.curve_stderr)
    )
    if probes == "exact":
        error = torch.full_like(error, math.nan)
    prior = log_prior(found.latent, sigmas[-1]).sum((1, 2, 3))
    return value.T, error.T, prior


def repeated_flux(
    denoiser: Denoiser,
    points: Tensor,
    sigma: float,
    *,
    radius: float,
    directions: int,
    repeats: int,
    method: Literal["boundary", "volume"] = "boundary",
) -> Tensor:
    """Estimate K_1 at points (M, 1, 1, 2) with seeds 0 to repeats - 1, (repeats, M)."""
    estimates = [
        p_laplace(
            denoiser, points, sigma, directions=directions, radius=radius, method=method, seed=seed
        )
        for seed in range(repeats)
    ]
    return torch.stack([estimate.value for estimate in estimates])

"""The first steps of a sampler with guidance, at the noise levels of Stable Diffusion's pipelines.

The papers' state is x = alpha y, alpha = 1 / sqrt(1 + sigma^2), which has the variance 1 of the
starting noise n: y = n / alpha at every level. Their score and its Jacobian are those of x,

    s = -eps / (sigma alpha),        H = ds / dx = -(d eps / dy) / (sigma alpha^2).
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import descending
from memlib.seeds import generator


def alpha(sigma: float) -> float:
    """Return 1 / sqrt(1 + sigma^2)."""
    return 1 / math.sqrt(1 + sigma**2)


def starting_noise(denoiser: Denoiser, count: int, seed: int = 0, first: int = 0) -> Tensor:
    """Return the noise (count, *shape), of variance 1, from which `sample(..., seed=seed,
    first=first)` starts its images.
    """
    draws = [generator(seed, first + index) for index in range(count)]
    return torch.stack([torch.randn(denoiser.shape, generator=draw) for draw in draws])


def sampler_levels(denoiser: Denoiser, steps: int) -> Tensor:
    """Return the noise levels (steps + 1,) of DDIM as Stable Diffusion's pipelines space it, the
    last 0: every (T / steps)th of T trained timesteps, from timestep 1. Levels evenly spaced in ln
    sigma for a denoiser without such timesteps.
    """
    schedule = getattr(denoiser, "schedule", None)
    if schedule is None or schedule.family != "variance preserving":
        return descending(denoiser, steps)
    count = len(schedule.sigmas)
    if not 1 <= steps < count:
        raise ValueError(f"The model has {count} timesteps, not enough for {steps} steps.")
    times = torch.arange(steps).flip(0) * (count // steps) + 1
    levels = torch.as_tensor(schedule.sigmas, dtype=torch.float64)[times]
    usable = levels[levels <= denoiser.sigma_max]
    return torch.cat([usable, torch.zeros(1, dtype=torch.float64)])


def level_at(denoiser: Denoiser, share: float) -> float:
    """Return the noise level after this share of the trained timesteps: .01 is timestep 10 of 1000.
    The lowest level for a denoiser without timesteps.
    """
    schedule = getattr(denoiser, "schedule", None)
    if schedule is None:
        return denoiser.sigma_floor
    place = min(round(share * len(schedule.sigmas)), len(schedule.sigmas) - 1)
    return float(schedule.sigmas[place])


def guided_steps(
    denoiser: Denoiser, null: Denoiser, noise: Tensor, levels: Tensor, count: int, scale: float
) -> Iterator[tuple[float, Tensor, Tensor, Tensor]]:
    """Yield sigma, y, eps_c and eps_0 at the first `count` of the sampler's `levels`, from starting
    noise (B, C, H, W). Between them y follows DDIM with guidance, y' = y + (sigma' - sigma) (eps_0
    + w d eps).
    """
    y = denoiser.check(noise) / alpha(float(levels[0]))
    for k in range(count):
        sigma = float(levels[k])
        with_prompt, without = denoiser.noise(y, sigma), null.noise(y, sigma)
        yield sigma, y, with_prompt, without
        y = y + (float(levels[k + 1]) - sigma) * (without + scale * (with_prompt - without))

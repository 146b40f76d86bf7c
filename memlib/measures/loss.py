"""The denoising loss, which training minimises (Ho et al. 2020, arXiv 2006.11239): the first
control to compare a measure with. It is small for an image the model remembers, and for an easy
image.

At one noise level it is E |noise(y, sigma) - n|^2 / d with n ~ N(0, I) and y = x + sigma n. Over
all levels, in nats,

    L(x) = integral over ln sigma of E |noise(y, sigma) - n|^2

is the part of the diffusion model's bound on -log p(x) above the lowest level (Kingma et al. 2021;
Kong et al. 2023). It is also the mean of -log w of a path of the stochastic sampler that follows
the noising of x down to that level, in the limit of small steps; so -L is the part of the log
reproduction rate that is lost above it (memlib.measures.reproduction_rate).
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import rounded_ends
from memlib.measures.measure import Measure
from memlib.measures.result import Result, standard_error
from memlib.measures.settings import AtOneLevel, Ranged, noise_level
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import generator

LOWEST = 0.5  # the lowest level where the model knows noise that is ten times as strong


@dataclass(frozen=True, kw_only=True)
class LossSettings(AtOneLevel):
    """Settings of the denoising loss."""

    draws: int = option(16, "Draws", "Noised copies of each image.", low=1, high=4096)

    def forwards(self, denoiser: Denoiser) -> int:
        return self.draws

    @property
    def degrees(self) -> int:
        return self.draws - 1


@dataclass(frozen=True)
class DenoisingLoss(Result):
    """Mean squared error of the predicted noise per dimension, at one noise level; draws
    (B, n, 1).
    """

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr")


@torch.no_grad()
def denoising_loss(
    denoiser: Denoiser,
    images: Tensor,
    sigma: float,
    *,
    draws: int = LossSettings.draws,
    seed: int = LossSettings.seed,
    callback: Progress | None = None,
) -> DenoisingLoss:
    """Return the mean of |noise(x + sigma n, sigma) - n|^2 / d over `draws` normal n, shared by all
    images (B, C, H, W); one forward per draw.

    Training minimises it (Ho et al. 2020): it is small for images the model knows, and for easy
    ones. It is 0 for an isolated point; for N(0, v I) it is (v / (v + sigma^2))^2 at the mean and v
    / (v + sigma^2) on average over its samples.
    """
    if draws < 1:
        raise ValueError(f"At least one draw is needed, not {draws}.")
    x = denoiser.check(images).float()
    noise = torch.stack(
        [torch.randn(denoiser.shape, generator=generator(seed, draw)) for draw in range(draws)]
    ).to(x.device)[:, None]
    error = (
        denoiser.noise((x + sigma * noise).flatten(0, 1), sigma).view(draws, *x.shape) - noise
    ) ** 2 / denoiser.dimension
    if callback:
        callback(1, 1)
    each = error.sum((2, 3, 4)).T[..., None].cpu()
    heat = error.mean(0).sum(1).cpu()
    return DenoisingLoss(
        value=heat.sum((1, 2)), stderr=standard_error(each), map=heat, draws=each, evaluations=draws
    )


class NoisedRange(Ranged):
    """Settings of a measure over a range of noised states, by default from LOWEST up."""

    def for_model(self, denoiser: Denoiser) -> Self:
        high = self.sigma_max or rounded_ends(denoiser)[1]
        low = self.sigma_min or min(LOWEST, float(f"{high / 10:.3g}"))
        return replace(self, sigma_min=low, sigma_max=high)


@dataclass(frozen=True, kw_only=True)
class IntegratedSettings(NoisedRange):
    """Settings of the integrated loss."""

    sigma_min: float | None = noise_level(
        None,
        "Lowest noise level σ",
        "Below it the loss is not counted: there it says how detailed an image is.",
        optional=True,
        address="low",
    )
    levels: int = option(8, "Levels", "Noise levels, evenly spaced in ln σ.", low=1, high=1000)
    draws: int = option(2, "Draws", "Noised copies of each image a level.", low=1, high=4096)

    def forwards(self, denoiser: Denoiser) -> int:
        return self.levels * self.draws

    @property
    def degrees(self) -> int:
        return self.draws - 1


@dataclass(frozen=True)
class IntegratedLoss(Result):
    """Loss of B images, in nats; draws (B, n, levels) are the parts of each level."""

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr")


@torch.no_grad()
def integrated_loss(
    denoiser: Denoiser,
    images: Tensor,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    levels: int = IntegratedSettings.levels,
    draws: int = IntegratedSettings.draws,
    seed: int = IntegratedSettings.seed,
    callback: Progress | None = None,
) -> IntegratedLoss:
    """Return the integral over ln sigma of E |noise(x + sigma n, sigma) - n|^2 for images x (B, C,
    H, W) in [-1, 1], by the midpoint rule; levels * draws forwards each.

    The range is by default from 0.5, or a tenth of the highest level, to the model's highest level.
    Noise is drawn once per (seed, draw, level) and shared by all images. It is 0 for an isolated
    point, and d / 2 ln((1 + v / sigma_min^2) / (1 + v / sigma_max^2)) on average over samples of
    N(0, v I). `callback(done, total)` counts levels. Raises ValueError for settings that are not
    allowed.
    """
    asked = IntegratedSettings(
        sigma_min=sigma_min, sigma_max=sigma_max, levels=levels, draws=draws, seed=seed
    ).for_model(denoiser)
    x = denoiser.check(images).float()
    low, high = float(asked.sigma_min or 0), float(asked.sigma_max or 0)
    width = math.log(high / low) / levels
    parts = torch.empty(len(x), draws, levels)
    heat = torch.zeros(len(x), *x.shape[2:])
    for level in range(levels):
        sigma = low * math.exp((level + 0.5) * width)
        for draw in range(draws):
            noise = torch.randn(denoiser.shape, generator=generator(seed, draw * levels + level))
            noise = noise.to(x.device)
            lost = width * (denoiser.noise(x + sigma * noise, sigma) - noise).square().sum(1).cpu()
            parts[:, draw, level] = lost.sum((1, 2))
            heat += lost / draws
        if callback:
            callback(level + 1, levels)
    return IntegratedLoss(
        value=heat.sum((1, 2)),
        stderr=standard_error(parts),
        map=heat,
        draws=parts,
        evaluations=levels * draws,
    )


ENTRIES = (
    Measure(
        name="denoising_loss",
        title="Denoising loss",
        function=denoising_loss,
        settings=LossSettings(),
        direction=-1,
        unit="per dimension",
        definition="How far the predicted noise is from the noise that was added, at one "
        "noise level.",
        formula=r"\mathbb{E}_n \left\lVert \frac{y - D}{\sigma} - n \right\rVert^2 / d, \quad "
        r"y = x + \sigma n",
        limits="A control: training minimises it, and it is small for every easy image.",
        citation="Ho et al., Denoising Diffusion Probabilistic Models, arXiv 2006.11239",
    ),
    Measure(
        name="integrated_loss",
        title="Integrated loss",
        function=integrated_loss,
        settings=IntegratedSettings(),
        direction=-1,
        unit="nats",
        definition="How far the predicted noise is from the noise that was added, over all noise "
        "levels from 0.5 up: what the model does not know of the image.",
        formula=r"\int \mathbb{E}_n \left\lVert \frac{y - D}{\sigma} - n \right\rVert^2 "
        r"\mathrm{d} \ln \sigma, \quad y = x + \sigma n",
        limits="A control: it is small for every plain image. Few noised copies a level leave the "
        "noise of single levels in it.",
        citation="Kingma et al., Variational Diffusion Models, arXiv 2107.00630; Kong et al., "
        "Information-Theoretic Diffusion, arXiv 2302.03792",
    ),
)

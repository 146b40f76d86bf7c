"""The rate of volume growth at noised states of an image, where the network was trained.

Volume growth (memlib.measures.volume) follows the path of the image itself. At small sigma that
path is off the distribution the network knows: the image has no noise on it. Here the same rate is
taken at y = x + sigma n instead, without a path, and integrated over ln sigma.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.loss import NoisedRange
from memlib.measures.measure import Measure
from memlib.measures.result import Result, standard_error
from memlib.measures.volume import diagonal
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import generator, rademacher


@dataclass(frozen=True, kw_only=True)
class NoisedGrowthSettings(NoisedRange):
    """Settings of growth at noised states."""

    levels: int = option(
        4, "Levels", "Noise levels, evenly spaced in ln σ.", low=1, high=1000, address="levels"
    )
    draws: int = option(
        2,
        "Draws",
        "Noised copies of each image a level, each with one random direction.",
        low=1,
        high=4096,
        address="draws",
    )

    def forwards(self, denoiser: Denoiser) -> int:
        return 2 * self.levels * self.draws

    @property
    def degrees(self) -> int:
        return self.draws - 1


@dataclass(frozen=True)
class NoisedGrowth(Result):
    """Growth of B images, in nats; draws (B, n, levels) are the parts of each level."""

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "map", "draws")


@torch.no_grad()
def noised_growth(
    denoiser: Denoiser,
    images: Tensor,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    levels: int = NoisedGrowthSettings.levels,
    draws: int = NoisedGrowthSettings.draws,
    seed: int = NoisedGrowthSettings.seed,
    callback: Progress | None = None,
) -> NoisedGrowth:
    """Return the integral over ln sigma of E [d - tr J(x + sigma n)] for images x (B, C, H, W) in
    [-1, 1], J = dD/dy, by the midpoint rule, and its map; 2 * levels * draws forwards each.

    The range is that of the integrated loss. It is d ln(sigma_max / sigma_min) for an isolated
    point, and for N(0, v I) the integral of d sigma^2 / (v + sigma^2). The trace is Hutchinson's,
    by finite differences. Noise and directions are drawn once per (seed, draw, level) and shared by
    all images. `callback(done, total)` counts levels.
    """
    asked = NoisedGrowthSettings(
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
            place = draw * levels + level
            noise = torch.randn(denoiser.shape, generator=generator(seed, place)).to(x)
            signs = rademacher((1, 1, *denoiser.shape), seed, place, 1)
            frozen = width * diagonal(denoiser, x + sigma * noise, sigma, signs)[1][0].sum(1).cpu()
            parts[:, draw, level] = frozen.sum((1, 2))
            heat += frozen / draws
        if callback:
            callback(level + 1, levels)
    return NoisedGrowth(
        value=heat.double().sum((1, 2)).float(),
        stderr=standard_error(parts),
        map=heat,
        draws=parts,
        evaluations=asked.forwards(denoiser),
    )


ENTRIES = (
    Measure(
        name="noised_growth",
        title="Growth at noised states",
        function=noised_growth,
        settings=NoisedGrowthSettings(),
        direction=+1,
        unit="nats",
        definition="The rate of volume growth at noised copies of the image, over all noise levels "
        "from 0.5 up. It is measured where the network was trained, and follows no path.",
        formula=r"\int \mathbb{E}_n \left(d - \operatorname{tr} \frac{\partial D}{\partial y}"
        r"\right) \mathrm{d}\ln\sigma, \quad y = x + \sigma n",
        limits="It is not the growth of the image's own volume, but its average around the image. "
        "Plain images have high values without being memorised.",
        citation="Afterimage; the rate is that of Hasegawa & Yasuda, arXiv 2503.19429",
    ),
)

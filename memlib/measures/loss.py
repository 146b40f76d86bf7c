"""The denoising loss, which training minimises (Ho et al. 2020, arXiv 2006.11239): the first
control to compare a measure with.

It is small for an image the model remembers, and for an easy image.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.measure import Measure
from memlib.measures.result import Result, standard_error
from memlib.measures.settings import AtOneLevel
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import generator


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
)

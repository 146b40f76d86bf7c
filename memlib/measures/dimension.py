"""FLIPD, the local dimension of the model's distribution at an image: a control (Kamkari et al.
2024, arXiv 2406.03537).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.measure import Measure
from memlib.measures.result import Result, standard_error
from memlib.measures.settings import AtOneLevel
from memlib.measures.volume import diagonal
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import rademacher


@dataclass(frozen=True, kw_only=True)
class DimensionSettings(AtOneLevel):
    """Settings of FLIPD."""

    probes: int = option(8, "Probes", "Random directions.", low=1, high=4096)

    def forwards(self, denoiser: Denoiser) -> int:
        return self.probes + 1

    @property
    def degrees(self) -> int:
        return self.probes - 1


@dataclass(frozen=True)
class LocalDimension(Result):
    """FLIPD, the local intrinsic dimension of the model's distribution at the image; draws (B,
    probes, 1).
    """

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr")


@torch.no_grad()
def flipd(
    denoiser: Denoiser,
    images: Tensor,
    sigma: float,
    *,
    probes: int = DimensionSettings.probes,
    seed: int = DimensionSettings.seed,
    callback: Progress | None = None,
) -> LocalDimension:
    """Estimate tr J + |noise|^2 at the images (B, C, H, W) themselves, in dimensions; J = dD/dy by
    Rademacher probes, with probes + 1 forwards.

    d + sigma^2 (tr grad s + |s|^2) of Kamkari et al. 2024 (arXiv 2406.03537): for a distribution on
    a k-dimensional linear subspace it is k at small sigma. It is small if the model sees few ways
    to vary the image, because it is memorised or plain.
    """
    if probes < 1:
        raise ValueError(f"At least one probe is needed, not {probes}.")
    y = denoiser.check(images).float()
    noise, frozen = diagonal(denoiser, y, sigma, rademacher((probes, 1, *denoiser.shape), seed))
    parts = 1 - frozen + noise**2
    if callback:
        callback(1, 1)
    each = parts.sum((2, 3, 4)).T[..., None].cpu()
    heat = parts.mean(0).sum(1).cpu()
    return LocalDimension(
        value=heat.double().sum((1, 2)).float(),
        stderr=standard_error(each),
        map=heat,
        draws=each,
        evaluations=probes + 1,
    )


ENTRIES = (
    Measure(
        name="flipd",
        title="Local dimension (FLIPD)",
        function=flipd,
        settings=DimensionSettings(),
        direction=-1,
        unit="dimensions",
        definition="The number of directions in which the model can vary the image, at one noise "
        "level.",
        formula=r"\operatorname{tr} \frac{\partial D}{\partial y} + \left\lVert \frac{y - "
        r"D}{\sigma} \right\rVert^2 \text{ at } y = x",
        limits="A control: plain images have a low local dimension without being memorised. "
        "One noise level shows one scale only.",
        citation="Kamkari et al., A Geometric View of Data Complexity: Efficient Local "
        "Intrinsic Dimension Estimation with Diffusion Models, arXiv 2406.03537",
    ),
)

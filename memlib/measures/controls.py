"""What a measure of memorisation must be held against: simpler numbers that a plain picture or an
easy one also moves.

An image can score high because the model remembers it or because it is simple. The denoising loss,
the log likelihood, the local dimension and the size of its PNG see the second; what they explain of
a measure is no memorisation.
"""

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.images import to_pixels
from memlib.measures.result import Result, standard_error
from memlib.measures.volume import diagonal, log_prior, volume_growth
from memlib.seeds import generator, rademacher


@dataclass(frozen=True)
class DenoisingLoss(Result):
    """Mean squared error of the predicted noise a dimension, at one noise level; draws (B, n, 1)."""

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr")


@dataclass(frozen=True)
class LocalDimension(Result):
    """FLIPD, the local intrinsic dimension of the model's distribution at the image; draws (B,
    probes, 1).
    """

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr")


@dataclass(frozen=True)
class LogLikelihood(Result):
    """log p(image; sigma_min) in nats: volume growth plus the log prior of the latent."""

    bits_per_dimension: Tensor  # (B,)

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "bits_per_dimension")


@torch.no_grad()
def denoising_loss(
    denoiser: Denoiser,
    images: Tensor,
    sigma: float,
    *,
    draws: int = 16,
    seed: int = 0,
    callback: Any = None,
) -> DenoisingLoss:
    """mean of |noise(x + sigma n, sigma) - n|^2 / d over `draws` normal n, shared by all images (B,
    C, H, W); one forward a draw.

    What training minimises (Ho et al. 2020): smaller for what the model knows, and for what is
    easy. 0 for an isolated point; for N(0, v I) it is (v / (v + sigma^2))^2 at the mean and v / (v
    + sigma^2) on average over its samples.
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


@torch.no_grad()
def flipd(
    denoiser: Denoiser,
    images: Tensor,
    sigma: float,
    *,
    probes: int = 8,
    seed: int = 0,
    callback: Any = None,
) -> LocalDimension:
    """tr J + |noise|^2 at the images (B, C, H, W) themselves, in dimensions; J = dD/dy by
    Rademacher probes, probes + 1 forwards.

    d + sigma^2 (tr grad s + |s|^2) of Kamkari et al. 2024 (arXiv 2406.03537): for a distribution on
    a k-dimensional flat, k at small sigma. Small where the model sees few ways to vary the image,
    by memory or because it is plain.
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


def log_likelihood(denoiser: Denoiser, images: Tensor, **parameters: Any) -> LogLikelihood:
    """log p(image; sigma_min) = volume growth + log N(latent; 0, sigma_max^2 I), with the
    parameters of `volume_growth`.

    The density of the data noised to sigma_min, taken at the clean image (Song et al. 2021,
    instantaneous change of variables; arXiv 2011.13456). `bits_per_dimension` as
    `bits_per_dimension` below.
    """
    growth = volume_growth(denoiser, images, **parameters)
    assert growth.map is not None
    heat = growth.map + log_prior(growth.latent, float(growth.sigmas[-1])).sum(1).float()
    value = heat.double().sum((1, 2)).float()
    return LogLikelihood(
        value=value,
        stderr=growth.stderr,
        map=heat,
        draws=growth.draws,
        evaluations=growth.evaluations,
        bits_per_dimension=torch.as_tensor(bits_per_dimension(value, denoiser.dimension)),
    )


def bits_per_dimension(log_likelihood: Any, dimension: int) -> Any:
    """-log p / (d ln 2) + 7: the code length of 8-bit pixels, whose 256 values stand 2/256 apart in
    [-1, 1].

    Comparable with published figures only for a density at sigma_min near 0.
    """
    return 7 - log_likelihood / (dimension * math.log(2))


def png_size(images: Iterable[Tensor]) -> np.ndarray:
    """Bytes of each image (C, H, W) as an optimised PNG, int64 (N,): how complex the picture is."""
    sizes = []
    for image in images:
        pixels, stream = to_pixels(image), io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(
            stream, "PNG", optimize=True
        )
        sizes.append(stream.tell())
    return np.array(sizes, dtype=np.int64)


def regress_out(values: np.ndarray, control: np.ndarray) -> np.ndarray:
    """values (N,) minus their least-squares line on `control` (N,): what the control does not
    explain, mean 0.
    """
    centred = np.asarray(control, dtype=np.float64) - np.mean(control)
    spread = float((centred**2).sum())
    slope = float((centred * values).sum()) / spread if spread > 0 else 0.0
    return np.asarray(values - np.mean(values) - slope * centred)

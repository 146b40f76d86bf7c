"""Volume growth of the probability-flow ODE: how much latent volume an image owns (Hasegawa & Yasuda, arXiv 2503.19429).

Carried from the image to the latent along dy / d sigma = noise(y, sigma), an infinitesimal volume grows by
log |det dy_T / dy_0| = integral of tr(d noise / dy) d sigma. With J = dD/dy the Jacobian of the denoiser,

    log growth = integral of (d - tr J) d ln sigma,      I - J = sigma * d noise / dy.

d - tr J counts the dimensions already decided at noise level sigma. A memorised image decides all of them at once
(J = 0) and reaches d ln(sigma_max / sigma_min), the ceiling of every exact denoiser, since its J = Cov[x0 | y] / sigma^2 is never
negative; a direction in which the model still sees choice adds little. A trained network can pass the ceiling: near what it
has memorised it corrects more steeply than any distribution allows.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import Callback, ladder, ode_step
from memlib.seeds import rademacher

PERTURBATION = 0.05  # finite-difference displacement a coordinate, in units of sigma


@dataclass(frozen=True)
class VolumeGrowth:
    """Log volume growth of B images, in nats, in noise-level coordinates. Tensors are on the CPU."""

    value: Tensor  # (B,) the log growth, the sum of `map`
    stderr: Tensor  # (B,) of the Hutchinson estimate; NaN with one probe
    sigmas: Tensor  # (T + 1,) the noise levels
    curve: Tensor  # (B, T) growth accumulated from sigmas[0] up to sigmas[1], ..., sigmas[T]
    map: Tensor  # (B, H, W) each pixel's part of the value, channels added
    latent: Tensor  # (B, C, H, W) y at sigmas[T]
    log_prior: Tensor  # (B,) log N(latent; 0, sigma_max^2 I)
    evaluations: int  # network forwards an image

    @property
    def log_growth(self) -> Tensor:
        return self.value

    @property
    def heatmap(self) -> Tensor:
        return self.map

    def row(self, index: int) -> dict[str, float | np.ndarray]:
        """What is kept of one image."""
        numbers = {name: float(getattr(self, name)[index]) for name in ("value", "stderr", "log_prior")}
        return numbers | {name: getattr(self, name)[index].numpy().copy() for name in ("curve", "map")}


@torch.no_grad()
def volume_growth(
    denoiser: Denoiser,
    images: Tensor,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    steps: int = 12,
    probes: int = 2,
    seed: int = 0,
    callback: Callback | None = None,
) -> VolumeGrowth:
    """Estimate log |det dy_T / dy_0| of images (B, C, H, W) in [-1, 1], with its map over the pixels.

    At each of steps + 1 noise levels, evenly spaced in ln sigma, the diagonal of I - J is estimated with Rademacher
    probes v as v * (noise(y + h v) - noise(y)) * sigma / h, h = 0.05 sigma (Hutchinson's diagonal estimator by finite
    differences), and summed with trapezoid weights in ln sigma; its sum over the pixels is an unbiased trace. The path is
    the second-order ODE step of memlib.flow from the image itself, no noise added. Cost: (steps + 1) (probes + 1)
    network forwards an image. Probes are drawn once per (seed, level) and shared by all images, so a value does not
    depend on its batch. Compare values only within one noise range: the ceiling d ln(sigma_max / sigma_min) moves with it.
    `callback(done, total)` counts noise levels. Raises ValueError for images or a noise range the denoiser cannot take.
    """
    if probes < 1:
        raise ValueError(f"At least one probe is needed, not {probes}.")
    y, previous = denoiser.check(images).float(), None
    sigmas = ladder(denoiser, steps, sigma_min, sigma_max)
    gaps = sigmas.log().diff()
    weights = (torch.cat([gaps, gaps.new_zeros(1)]) + torch.cat([gaps.new_zeros(1), gaps])) / 2  # trapezoid
    heat = torch.zeros(len(y), *denoiser.shape[1:], device=y.device)
    rates, variance = [], torch.zeros(len(y), device=y.device)
    for k, sigma in enumerate(sigmas.tolist()):
        signs = rademacher((probes, 1, *denoiser.shape), seed, k).to(y.device)
        displaced = (y + (PERTURBATION * sigma) * signs).flatten(0, 1)  # (probes * B, C, H, W)
        noise, moved = denoiser.noise(torch.cat([y, displaced]), sigma).tensor_split([len(y)])
        frozen = signs * (moved.view(probes, *y.shape) - noise) / PERTURBATION  # (probes, B, C, H, W)
        rate = frozen.sum((2, 3, 4))
        heat += float(weights[k]) * frozen.sum(2).mean(0)
        rates.append(rate.mean(0))
        if probes > 1:
            variance += float(weights[k]) ** 2 * rate.var(0) / probes
        if k < steps:
            denoised = y - sigma * noise
            y, previous = ode_step(y, denoised, previous, sigmas, k), denoised
        if callback:
            callback(k + 1, steps + 1)
    heat, y, rate = heat.cpu(), y.cpu(), torch.stack(rates, 1).cpu().double()
    top = float(sigmas[-1])
    return VolumeGrowth(
        value=heat.double().sum((1, 2)).float(),
        stderr=variance.sqrt().cpu() if probes > 1 else torch.full((len(y),), math.nan),
        sigmas=sigmas,
        curve=((rate[:, :-1] + rate[:, 1:]) / 2 * gaps).cumsum(1).float(),
        map=heat,
        latent=y,
        log_prior=(-((y.double() / top) ** 2).sum((1, 2, 3)) / 2 - denoiser.dimension * math.log(math.sqrt(2 * math.pi) * top)).float(),
        evaluations=(steps + 1) * (probes + 1),
    )

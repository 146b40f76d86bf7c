"""Volume growth of the probability-flow ODE: how much latent volume leads to an image (Hasegawa &
Yasuda, arXiv 2503.19429).

Carried from the image to the latent along dy / d sigma = noise(y, sigma), an infinitesimal volume
grows by log |det dy_T / dy_0| = integral of tr(d noise / dy) d sigma. With J = dD/dy the Jacobian
of the denoiser,

    log growth = integral of (d - tr J) d ln sigma,      I - J = sigma * d noise / dy.

d - tr J counts the dimensions that are determined at noise level sigma. A memorised image
determines all of them (J = 0) and reaches d ln(sigma_max / sigma_min), the ceiling of every exact
denoiser, since its J = Cov[x0 | y] / sigma^2 is never negative; a direction in which the model
still sees alternatives adds little. A trained network can pass the ceiling: near what it has
memorised it corrects more steeply than any distribution allows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import corrected_step, ladder, ode_step, quadrature
from memlib.measures.measure import Measure
from memlib.measures.result import Result, standard_error
from memlib.measures.settings import Ranged
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import rademacher

PERTURBATION = 0.05  # finite-difference displacement per coordinate, in units of sigma
DIRECTIONS = 32  # unit directions displaced together for the exact diagonal, each in both senses
STRETCH = 5.0  # of the last step in ln sigma to the first: the rate changes most at small sigma


@dataclass(frozen=True, kw_only=True)
class GrowthSettings(Ranged):
    """Settings of volume growth."""

    steps: int = option(
        12,
        "Steps",
        "From the lowest noise level to the highest, in ln σ; shorter at low levels.",
        low=2,
        high=2000,
        address="steps",
    )
    probes: int | Literal["exact"] = option(
        2,
        "Probes",
        "Random directions at each level. More make the value and the map less noisy.",
        low=1,
        high=1024,
        choices=("exact",),
        address="probes",
    )
    keep_maps: bool = option(False, "Keep maps", "Keep the map up to each level.", implied=True)

    def forwards(self, denoiser: Denoiser) -> int:
        points = 2 * denoiser.dimension if self.probes == "exact" else int(self.probes)
        return (self.steps + 1) * (points + 1)

    def sigmas(self, denoiser: Denoiser) -> Tensor:
        """Return the steps + 1 noise levels, ascending."""
        return ladder(denoiser, self.steps, self.sigma_min, self.sigma_max, STRETCH)

    @property
    def degrees(self) -> float:
        return math.inf if self.probes == "exact" else int(self.probes) - 1


@dataclass(frozen=True)
class VolumeGrowth(Result):
    """Log volume growth of B images, in nats, in noise-level coordinates; `value` is the sum of
    `map`.

    draws (B, probes, T + 1) are each probe's weighted rates d - tr J at each noise level.
    """

    sigmas: Tensor  # (T + 1,) the noise levels
    curve: Tensor  # (B, T) growth accumulated from sigmas[0] up to sigmas[1], ..., sigmas[T]
    latent: Tensor  # (B, C, H, W) y at sigmas[T]
    log_prior: Tensor  # (B,) log N(latent; 0, sigma_max^2 I)
    curve_stderr: Tensor  # (B, T) standard error of `curve`
    maps: Tensor | None = (
        None  # (B, T, H, W) the map accumulated like `curve`; the last one is `map`
    )
    map_stderr: Tensor | None = None  # (B, H, W) standard error of `map`; NaN with one probe

    kept: ClassVar[tuple[str, ...]] = (
        "value",
        "stderr",
        "log_prior",
        "curve",
        "draws",
        "map",
        "maps",
        "map_stderr",
    )

    @property
    def log_growth(self) -> Tensor:
        return self.value


@torch.no_grad()
def volume_growth(
    denoiser: Denoiser,
    images: Tensor,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    steps: int = GrowthSettings.steps,
    probes: int | Literal["exact"] = GrowthSettings.probes,
    seed: int = GrowthSettings.seed,
    sigmas: Sequence[float] | Tensor | None = None,
    keep_maps: bool = GrowthSettings.keep_maps,
    callback: Progress | None = None,
) -> VolumeGrowth:
    """Estimate log |det dy_T / dy_0| of images (B, C, H, W) in [-1, 1], with its map over the
    pixels.

    At each of steps + 1 noise levels the diagonal of I - J is estimated with Rademacher probes v as
    v * (noise(y + h v) - noise(y)) * sigma / h, h = 0.05 sigma (Hutchinson's diagonal estimator by
    finite differences), and integrated over ln sigma by memlib.flow's `quadrature`; its sum over
    the pixels is an unbiased trace. The path starts at the image itself, without added noise, and
    takes memlib.flow's second-order step, each corrected once the next denoised image is known. The
    steps are shorter at small sigma, where the rate changes most; `sigmas`, ascending levels,
    replace the range and `steps`. Cost: (steps + 1) (probes + 1) network forwards per image.

    The standard error is that of the random probes. On the demo the error of the steps is smaller:
    a few nats of about 23,000 at the default settings, while that of two probes is 6.

    Probes are drawn once per (seed, level) and shared by all images, so a value does not depend on
    its batch. `probes="exact"` takes central differences along all d unit directions instead, 2 d +
    1 forwards per level: the exact trace, standard error 0. `keep_maps` also returns the map
    accumulated up to each level and its standard error: T + 1 maps per image.

    Compare values only within one noise range: the ceiling d ln(sigma_max / sigma_min) moves with
    it. `callback(done, total)` counts noise levels, or parts of them. Raises ValueError for images
    or a noise range the denoiser cannot take.
    """
    exact = probes == "exact"
    if not exact and int(probes) < 1:
        raise ValueError(f"At least one probe is needed, not {probes}.")
    levels = (
        ladder(denoiser, steps, sigma_min, sigma_max, STRETCH)
        if sigmas is None
        else torch.as_tensor(sigmas, dtype=torch.float64)
    )
    y, previous = denoiser.check(images).float(), None
    start, last = y, len(levels) - 1
    rates, fields = [], []
    for k, sigma in enumerate(levels.tolist()):
        if exact:
            noise, frozen = _exact_diagonal(denoiser, y, sigma, callback, k, last + 1)
        else:
            noise, frozen = diagonal(
                denoiser, y, sigma, rademacher((int(probes), 1, *denoiser.shape), seed, k)
            )
        rates.append(frozen.sum((2, 3, 4)).cpu().double())
        fields.append(frozen.sum(2).cpu())  # (probes, B, H, W)
        denoised = y - sigma * noise
        if previous is not None:
            y = corrected_step(start, previous, denoised, levels, k - 1)
        if k < last:
            start, y = y, ode_step(y, denoised, previous, levels, k)
            previous = denoised
        if callback and not exact:
            callback(k + 1, last + 1)
    upto = quadrature(levels).cumsum(0)  # (T, T + 1), from sigmas[0] to each level
    rate = torch.stack(rates, 2).transpose(0, 1)  # (B, probes, T + 1)
    draws = rate * upto[-1]
    level_maps = torch.stack([field.mean(0) for field in fields], 1)  # (B, T + 1, H, W)
    heat = torch.einsum("k,bkhw->bhw", upto[-1].float(), level_maps)
    no_error = 0.0 if exact else math.nan
    several = len(fields[0]) > 1
    y, count = y.cpu(), len(fields[0])
    return VolumeGrowth(
        value=heat.double().sum((1, 2)).float(),
        stderr=torch.zeros(len(y)) if exact else standard_error(draws),
        map=heat,
        draws=draws.float(),
        evaluations=(last + 1) * ((2 * denoiser.dimension if exact else int(probes)) + 1),
        sigmas=levels,
        curve=(rate.mean(1) @ upto.T).float(),
        curve_stderr=(rate.var(1) @ upto.T.square() / count).sqrt().float()
        if several
        else torch.full((len(y), last), no_error),
        latent=y,
        log_prior=log_prior(y, float(levels[-1])).sum((1, 2, 3)).float(),
        maps=torch.einsum("tk,bkhw->bthw", upto.float(), level_maps) if keep_maps else None,
        map_stderr=_map_error(fields, upto[-1], no_error) if keep_maps else None,
    )


def _map_error(fields: list[Tensor], weights: Tensor, alone: float) -> Tensor:
    """Return the standard error (B, H, W) of the map from each level's (probes, B, H, W); `alone`
    if a level has one probe.
    """
    if len(fields[0]) < 2:
        return torch.full(fields[0].shape[1:], alone)
    parts = [
        weight**2 * field.var(0) / len(field)
        for weight, field in zip(weights.tolist(), fields, strict=True)
    ]
    return torch.stack(parts).sum(0).sqrt()


def diagonal(denoiser: Denoiser, y: Tensor, sigma: float, signs: Tensor) -> tuple[Tensor, Tensor]:
    """Return noise(y, sigma) (B, C, H, W), and the estimate of the diagonal of I - J by each probe
    of `signs` (K, 1, C, H, W), (K, B, C, H, W).
    """
    signs = signs.to(y.device)
    displaced = (y + (PERTURBATION * sigma) * signs).flatten(0, 1)  # (K * B, C, H, W)
    noise, moved = denoiser.noise(torch.cat([y, displaced]), sigma).tensor_split([len(y)])
    return noise, signs * (moved.view(len(signs), *y.shape) - noise) / PERTURBATION


def _exact_diagonal(
    denoiser: Denoiser, y: Tensor, sigma: float, callback: Progress | None, k: int, levels: int
) -> tuple[Tensor, Tensor]:
    """Return noise(y, sigma), and the exact diagonal of I - J, (1, B, C, H, W), by central
    differences along every coordinate.
    """
    noise, d = denoiser.noise(y, sigma), denoiser.dimension
    result = torch.empty_like(y).flatten(1)
    for start in range(0, d, DIRECTIONS):
        part = torch.arange(start, min(d, start + DIRECTIONS), device=y.device)
        unit = torch.nn.functional.one_hot(part, d).to(y).view(-1, 1, *denoiser.shape)
        step = PERTURBATION * sigma * unit
        both = torch.stack([y + step, y - step])  # (2, directions, B, C, H, W)
        ahead, behind = denoiser.noise(both.flatten(0, 2), sigma).view(both.shape)
        change = ((ahead - behind) * unit).sum((2, 3, 4)) / (2 * PERTURBATION)
        result[:, part] = change.T
        if callback:
            callback(k * d + start + len(part), levels * d)
    return noise, result.view(1, *y.shape)


def log_prior(latent: Tensor, sigma: float) -> Tensor:
    """Return log N(latent; 0, sigma^2) of every value separately, float64, of the shape of
    `latent`.
    """
    return -((latent.double() / sigma) ** 2) / 2 - math.log(math.sqrt(2 * math.pi) * sigma)


ENTRIES = (
    Measure(
        name="volume_growth",
        title="Volume growth",
        function=volume_growth,
        settings=GrowthSettings(),
        direction=+1,
        unit="nats",
        definition="How much a small volume around the image grows on its way to the latent. "
        "The more latent space leads to an image, the more easily the model "
        "reproduces it.",
        formula=r"\log\left|\det\frac{\mathrm{d}y_T}{\mathrm{d}y_0}\right| = \int \left(d - "
        r"\operatorname{tr} \frac{\partial D}{\partial y}\right) \mathrm{d}\ln\sigma",
        limits="It is the change-of-variables part of a likelihood: flat, simple images have "
        "high values without being memorised. Values depend on the noise range and can "
        "only be compared within one. A trained network can exceed the ceiling that "
        "holds for exact models.",
        citation="Hasegawa & Yasuda, Quantifying the Ease of Reproducing Training Data in "
        "Unconditional Diffusion Models, arXiv 2503.19429",
    ),
)

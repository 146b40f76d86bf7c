"""Volume growth of the probability-flow ODE: how much latent volume an image owns (Hasegawa &
Yasuda, arXiv 2503.19429).

Carried from the image to the latent along dy / d sigma = noise(y, sigma), an infinitesimal volume
grows by log |det dy_T / dy_0| = integral of tr(d noise / dy) d sigma. With J = dD/dy the Jacobian
of the denoiser,

    log growth = integral of (d - tr J) d ln sigma,      I - J = sigma * d noise / dy.

d - tr J counts the dimensions already decided at noise level sigma. A memorised image decides all
of them at once (J = 0) and reaches d ln(sigma_max / sigma_min), the ceiling of every exact
denoiser, since its J = Cov[x0 | y] / sigma^2 is never negative; a direction in which the model
still sees choice adds little. A trained network can pass the ceiling: near what it has memorised it
corrects more steeply than any distribution allows.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import ladder, ode_step
from memlib.measures.measure import Measure
from memlib.measures.result import Result, standard_error
from memlib.measures.settings import Ranged, option
from memlib.progress import Progress
from memlib.seeds import rademacher

PERTURBATION = 0.05  # finite-difference displacement a coordinate, in units of sigma
DIRECTIONS = 64  # unit directions displaced together for the exact diagonal


@dataclass(frozen=True, kw_only=True)
class GrowthSettings(Ranged):
    """What volume growth is asked to do."""

    steps: int = option(
        12,
        "Steps",
        "Noise levels on the path, evenly spaced in ln σ.",
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
    keep_maps: bool = option(False, "Keep maps", "Also the map up to each level.", implied=True)

    def forwards(self, denoiser: Denoiser) -> int:
        directions = denoiser.dimension if self.probes == "exact" else int(self.probes)
        return (self.steps + 1) * (directions + 1)

    @property
    def degrees(self) -> float:
        return math.inf if self.probes == "exact" else int(self.probes) - 1


@dataclass(frozen=True)
class VolumeGrowth(Result):
    """Log volume growth of B images, in nats, in noise-level coordinates; `value` is the sum of
    `map`.

    draws (B, probes, T + 1) are each probe's trapezoid-weighted rates d - tr J at each noise level.
    """

    sigmas: Tensor  # (T + 1,) the noise levels
    curve: Tensor  # (B, T) growth accumulated from sigmas[0] up to sigmas[1], ..., sigmas[T]
    latent: Tensor  # (B, C, H, W) y at sigmas[T]
    log_prior: Tensor  # (B,) log N(latent; 0, sigma_max^2 I)
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
    keep_maps: bool = GrowthSettings.keep_maps,
    callback: Progress | None = None,
) -> VolumeGrowth:
    """Estimate log |det dy_T / dy_0| of images (B, C, H, W) in [-1, 1], with its map over the
    pixels.

    At each of steps + 1 noise levels, evenly spaced in ln sigma, the diagonal of I - J is estimated
    with Rademacher probes v as v * (noise(y + h v) - noise(y)) * sigma / h, h = 0.05 sigma
    (Hutchinson's diagonal estimator by finite differences), and summed with trapezoid weights in ln
    sigma; its sum over the pixels is an unbiased trace. The path is the second-order ODE step of
    memlib.flow from the image itself, no noise added. Cost: (steps + 1) (probes + 1) network
    forwards an image. Probes are drawn once per (seed, level) and shared by all images, so a value
    does not depend on its batch. `probes="exact"` takes all d unit directions instead: no estimate,
    standard error 0. `keep_maps` also returns the map accumulated up to each level and its standard
    error: T + 1 maps an image.

    Compare values only within one noise range: the ceiling d ln(sigma_max / sigma_min) moves with
    it. `callback(done, total)` counts noise levels, or parts of them. Raises ValueError for images
    or a noise range the denoiser cannot take.
    """
    exact = probes == "exact"
    if not exact and int(probes) < 1:
        raise ValueError(f"At least one probe is needed, not {probes}.")
    y, previous = denoiser.check(images).float(), None
    sigmas = ladder(denoiser, steps, sigma_min, sigma_max)
    gaps = sigmas.log().diff()
    weights = (
        torch.cat([gaps, gaps.new_zeros(1)]) + torch.cat([gaps.new_zeros(1), gaps])
    ) / 2  # trapezoid
    heat = torch.zeros(len(y), *denoiser.shape[1:], device=y.device)
    variance, rates = torch.zeros_like(heat), []
    maps: list[Tensor] = []
    for k, sigma in enumerate(sigmas.tolist()):
        if exact:
            noise, frozen = _exact_diagonal(denoiser, y, sigma, callback, k, steps + 1)
        else:
            noise, frozen = diagonal(
                denoiser, y, sigma, rademacher((int(probes), 1, *denoiser.shape), seed, k)
            )
        rates.append(frozen.sum((2, 3, 4)))
        level = frozen.sum(2)  # (probes, B, H, W)
        if keep_maps:
            below = float(gaps[k - 1]) / 2 if k else 0.0
            maps.append(heat + below * level.mean(0))  # the trapezoid rule up to here
            if len(level) > 1:
                variance += float(weights[k]) ** 2 * level.var(0) / len(level)
        heat += float(weights[k]) * level.mean(0)
        if k < steps:
            denoised = y - sigma * noise
            y, previous = ode_step(y, denoised, previous, sigmas, k), denoised
        if callback and not exact:
            callback(k + 1, steps + 1)
    heat, y = heat.cpu(), y.cpu()
    each = torch.stack(rates, 2).cpu().double().transpose(0, 1)  # (B, probes, T + 1)
    rate = each.mean(1)
    draws = (each * weights).float()
    no_error = torch.full_like(variance, 0.0 if exact else math.nan)
    top = float(sigmas[-1])
    return VolumeGrowth(
        value=heat.double().sum((1, 2)).float(),
        stderr=torch.zeros(len(y)) if exact else standard_error(draws),
        map=heat,
        draws=draws,
        evaluations=(steps + 1) * (denoiser.dimension + 1 if exact else int(probes) + 1),
        sigmas=sigmas,
        curve=((rate[:, :-1] + rate[:, 1:]) / 2 * gaps).cumsum(1).float(),
        latent=y,
        log_prior=log_prior(y, top).sum((1, 2, 3)).float(),
        maps=torch.stack(maps[1:], 1).cpu() if keep_maps else None,
        map_stderr=(variance.sqrt() if probes != 1 and not exact else no_error).cpu()
        if keep_maps
        else None,
    )


def diagonal(denoiser: Denoiser, y: Tensor, sigma: float, signs: Tensor) -> tuple[Tensor, Tensor]:
    """noise(y, sigma) (B, C, H, W), and what each probe of `signs` (K, 1, C, H, W) says of the
    diagonal of I - J, (K, B, C, H, W).
    """
    signs = signs.to(y.device)
    displaced = (y + (PERTURBATION * sigma) * signs).flatten(0, 1)  # (K * B, C, H, W)
    noise, moved = denoiser.noise(torch.cat([y, displaced]), sigma).tensor_split([len(y)])
    return noise, signs * (moved.view(len(signs), *y.shape) - noise) / PERTURBATION


def _exact_diagonal(
    denoiser: Denoiser, y: Tensor, sigma: float, callback: Progress | None, k: int, levels: int
) -> tuple[Tensor, Tensor]:
    """noise(y, sigma), and the diagonal of I - J itself, (1, B, C, H, W), by one displacement along
    every coordinate.
    """
    noise, d = denoiser.noise(y, sigma), denoiser.dimension
    result = torch.empty_like(y).flatten(1)
    for start in range(0, d, DIRECTIONS):
        part = torch.arange(start, min(d, start + DIRECTIONS), device=y.device)
        unit = torch.nn.functional.one_hot(part, d).to(y).view(-1, 1, *denoiser.shape)
        moved = denoiser.noise((y + PERTURBATION * sigma * unit).flatten(0, 1), sigma).view(
            len(part), *y.shape
        )
        result[:, part] = ((moved - noise) * unit).sum((2, 3, 4)).T / PERTURBATION
        if callback:
            callback(k * d + start + len(part), levels * d)
    return noise, result.view(1, *y.shape)


def log_prior(latent: Tensor, sigma: float) -> Tensor:
    """log N(latent; 0, sigma^2) of every value by itself, float64, the shape of `latent`."""
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
        limits="It is the change-of-variables part of a likelihood: flat, simple pictures "
        "score high without being memorised. Values depend on the noise range and can "
        "only be compared within one. A trained network can exceed the ceiling that "
        "holds for exact models.",
        citation="Hasegawa & Yasuda, Quantifying the Ease of Reproducing Training Data in "
        "Unconditional Diffusion Models, arXiv 2503.19429",
    ),
)

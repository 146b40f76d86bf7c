"""Maps by subtraction: what a model knows and a reference model does not, pixel by pixel.

With eps the predicted noise of the model and eps_ref that of an earlier or other one, at the same
state y,

    score difference      sum over channels of (eps - eps_ref)^2 = sigma^2 (s - s_ref)^2
    curvature difference  -sum over channels of diag(H - H_ref) sigma^2 = diag d(eps - eps_ref)/dy
                          times sigma, rectified

s is the score and H its Jacobian (Kim & Lee, ICML 2026, arXiv 2605.26756). In these units a map can
be integrated over ln sigma: at noised states y = x + sigma n the integral of the score difference
is, on average over the model's own images, the divergence in nats between the model and its
reference (Song et al. 2021, arXiv 2101.09258). The same two functions give the differences between
a prompt and none (memlib.measures.conditional.difference_maps).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.differences.products import along, apart
from memlib.measures.measure import Measure
from memlib.measures.result import Result, standard_error
from memlib.measures.settings import Settings, noise_level, unknown
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import generator, rademacher

PROBED = 2**23  # values of probes in memory at once, 32 MB


def score_gap(denoiser: Denoiser, reference: Denoiser, y: Tensor, sigma: float) -> Tensor:
    """Return the sum over channels of (eps - eps_ref)^2 at states y (B, C, H, W): (B, H, W)."""
    return apart(denoiser, reference, y, sigma).square().sum(1)


def curvature_gap(
    denoiser: Denoiser,
    reference: Denoiser,
    y: Tensor,
    sigma: float,
    signs: Tensor,
    callback: Progress | None = None,
) -> Tensor:
    """Return the sum over channels of diag d(eps - eps_ref)/dy at states y (B, C, H, W): (B, H, W),
    the mean of v * (J v) over signs v (K, C, H, W), exact products of 4 forwards each.
    """
    total, step = torch.zeros_like(y), max(1, PROBED // y.numel())
    for start in range(0, len(signs), step):
        v = signs[start : start + step].to(y).repeat_interleave(len(y), 0)  # probe by probe
        several = y.repeat(len(v) // len(y), 1, 1, 1)
        product = v * along(denoiser, reference, several, sigma, v)
        total += product.view(-1, *y.shape).sum(0)
        if callback:
            callback(min(start + step, len(signs)), len(signs))
    return (total / len(signs)).sum(1)


@dataclass(frozen=True, kw_only=True)
class ApartSettings(Settings):
    """Settings of a difference to a reference model."""

    sigmas: tuple[float, ...] = noise_level(
        (0.5, 1.0, 2.0), "Noise levels σ", "The map is the mean over them.", most=64
    )
    draws: int = option(
        2,
        "Draws",
        "Noised copies of each image a level; 0 for the image itself.",
        low=0,
        high=4096,
        address="draws",
    )

    def forwards(self, denoiser: Denoiser) -> int:
        return 2 * len(self.sigmas) * max(1, self.draws)

    @property
    def degrees(self) -> float:
        return self.draws - 1 if self.draws else math.inf

    def refusal(self, denoiser: Denoiser) -> str:
        return unknown(denoiser, *self.sigmas)


@dataclass(frozen=True, kw_only=True)
class CurvatureApartSettings(ApartSettings):
    """Settings of the curvature difference."""

    probes: int = option(
        2, "Probes", "Random directions at each state.", low=1, high=4096, address="probes"
    )

    def forwards(self, denoiser: Denoiser) -> int:
        return 2 * self.probes * super().forwards(denoiser)


@dataclass(frozen=True)
class Apart(Result):
    """The difference of B images, the mean over pixels; draws (B, n, 1), None at the image
    itself.
    """

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "map")


@torch.no_grad()
def score_apart(
    denoiser: Denoiser,
    reference: Denoiser,
    images: Tensor,
    *,
    sigmas: tuple[float, ...] = ApartSettings.sigmas,
    draws: int = ApartSettings.draws,
    seed: int = ApartSettings.seed,
    callback: Progress | None = None,
) -> Apart:
    """Return the mean over pixels of the sum over channels of (eps - eps_ref)^2, averaged over
    noise levels and draws, for images (B, C, H, W), and its map; 2 forwards a state.
    """
    asked = ApartSettings(sigmas=sigmas, draws=draws, seed=seed)
    y = denoiser.check(images).float()

    def gap(state: Tensor, sigma: float, place: int) -> Tensor:
        return score_gap(denoiser, reference, state, sigma)

    parts = _averaged(y, asked, gap, callback)
    return _result(parts, parts.mean(1), asked.draws, asked.forwards(denoiser))


@torch.no_grad()
def curvature_apart(
    denoiser: Denoiser,
    reference: Denoiser,
    images: Tensor,
    *,
    sigmas: tuple[float, ...] = CurvatureApartSettings.sigmas,
    draws: int = CurvatureApartSettings.draws,
    probes: int = CurvatureApartSettings.probes,
    seed: int = CurvatureApartSettings.seed,
    callback: Progress | None = None,
) -> Apart:
    """Return the mean over pixels of max(0, sigma sum over channels of diag d(eps - eps_ref)/dy),
    averaged over noise levels and draws before it is rectified, and its map; 4 forwards a probe.

    Since it is rectified, draws do not average to it, and its standard error is NaN. Noise and
    probes are shared by all images and by both models.
    """
    asked = CurvatureApartSettings(sigmas=sigmas, draws=draws, probes=probes, seed=seed)
    y = denoiser.check(images).float()

    def gap(state: Tensor, sigma: float, place: int) -> Tensor:
        signs = rademacher((probes, *denoiser.shape), seed, place, 1)
        return sigma * curvature_gap(denoiser, reference, state, sigma, signs)

    parts = _averaged(y, asked, gap, callback)
    return _result(None, parts.mean(1).clamp(min=0), 0, asked.forwards(denoiser))


def _averaged(
    y: Tensor,
    asked: ApartSettings,
    gap: Callable[[Tensor, float, int], Tensor],
    callback: Progress | None,
) -> Tensor:
    """Return the mean over levels of the maps of every draw, (B, draws, H, W), by pixel."""
    rows = max(1, asked.draws)
    parts = torch.zeros(len(y), rows, *y.shape[2:])
    total = len(asked.sigmas) * rows
    for place in range(total):
        sigma, draw = asked.sigmas[place // rows], place % rows
        noise = torch.randn(y.shape[1:], generator=generator(asked.seed, place)).to(y)
        state = y + sigma * noise if asked.draws else y
        parts[:, draw] += gap(state, sigma, place).cpu()
        if callback:
            callback(place + 1, total)
    return parts / (len(asked.sigmas) * math.prod(y.shape[2:]))


def _result(parts: Tensor | None, heat: Tensor, draws: int, evaluations: int) -> Apart:
    each = None if parts is None or not draws else parts.double().sum((2, 3))[..., None].float()
    value = heat.double().sum((1, 2)).float()
    error = torch.full_like(value, torch.nan) if each is None else standard_error(each)
    return Apart(value=value, stderr=error, map=heat, draws=each, evaluations=evaluations)


SOURCE = (
    "Kim & Lee, Localizing Memorized Regions in Diffusion Models via Coordinate-Wise Curvature "
    "Differences, ICML 2026, arXiv 2605.26756"
)
LIMITS = (
    "It shows what the model learned after its reference. What repeats may have been learned "
    "before, and then it is dark."
)

# `function(denoiser, reference, images, **settings.parameters, callback=None)` returns a `Result`
SUBTRACTIONS: dict[str, Measure] = {
    entry.name: entry
    for entry in (
        Measure(
            name="score_apart",
            title="Score difference to the reference",
            function=score_apart,
            settings=ApartSettings(),
            direction=+1,
            unit="mean over pixels",
            definition="How differently the model and its reference predict the noise.",
            formula=r"\overline{\textstyle\sum_{\text{channels}} (\epsilon - "
            r"\epsilon_{\text{ref}})^2}",
            limits=LIMITS,
            citation=SOURCE,
        ),
        Measure(
            name="curvature_apart",
            title="Curvature difference to the reference",
            function=curvature_apart,
            settings=CurvatureApartSettings(),
            direction=+1,
            unit="mean over pixels",
            definition="How much more the model fixes each pixel than its reference does.",
            formula=r"\overline{\max\left(0, \sigma \textstyle\sum_{\text{channels}} "
            r"\operatorname{diag} \frac{\partial (\epsilon - \epsilon_{\text{ref}})}{\partial y}"
            r"\right)}",
            limits=LIMITS,
            citation=SOURCE,
        ),
    )
}

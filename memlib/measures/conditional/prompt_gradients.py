"""How the prompt changes the gradient of the squared predicted noise, at the first step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.conditional.predictions_apart import PUBLISHED_LIMITS, SamplingSettings
from memlib.measures.conditional.prompt_measure import PromptMeasure
from memlib.measures.conditional.sampler import alpha, sampler_levels
from memlib.measures.result import Result
from memlib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class GradientSettings(SamplingSettings):
    """Settings of the gradient difference."""

    def forwards(self, denoiser: Denoiser) -> int:
        return 6


def gradient_difference(
    denoiser: Denoiser,
    null: Denoiser,
    latents: Tensor,
    *,
    of: int = GradientSettings.of,
    seed: int = GradientSettings.seed,
    callback: Progress | None = None,
) -> Result:
    """Return |grad |eps_c|^2 / 2 - grad |eps_0|^2 / 2|^2 at the first of `of` sampling steps, from
    starting noise `latents` (B, C, H, W). The map is its sum over channels.

    The gradients are with respect to the papers' state x = alpha y: (d eps / dy)^T eps / alpha,
    one backward pass each, counted as two forwards. One latent is held in memory at a time. `seed`
    is not used.
    """
    sigma = float(sampler_levels(denoiser, of)[0])
    y, found = denoiser.check(latents) / alpha(sigma), []
    for place in range(len(y)):
        parts = []
        for one in (denoiser, null):
            with torch.enable_grad():
                point = y[place : place + 1].detach().requires_grad_(True)
                half = one.noise(point, sigma).square().sum() / 2
                parts.append(torch.autograd.grad(half, point)[0])
        found.append((parts[0] - parts[1]).square().sum(1).cpu() / alpha(sigma) ** 2)
        if callback:
            callback(place + 1, len(y))
    heat = torch.cat(found)
    value = heat.double().sum((1, 2)).float()
    return Result(value, torch.full_like(value, torch.nan), heat, None, 6)


ENTRIES = (
    PromptMeasure(
        name="gradient_difference",
        title="Gradient difference",
        function=gradient_difference,
        settings=GradientSettings(),
        direction=+1,
        unit="squared noise per noise",
        definition="How much the prompt changes the gradient of the squared predicted noise before "
        "the first step.",
        formula=r"\left\lVert \nabla \tfrac12 \lVert \epsilon_c \rVert^2 - \nabla \tfrac12 \lVert "
        r"\epsilon_0 \rVert^2 \right\rVert^2",
        limits=PUBLISHED_LIMITS,
        citation="One-step metrics of an anonymous repository for ICML 2026",
        when="before",
        takes="noise",
        published=".976 / .828, Stable Diffusion 1.5",
    ),
)

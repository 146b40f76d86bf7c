"""How sharply the prompt bends the log density at the first step (Jeon et al., ICML 2025)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.conditional.predictions_apart import PUBLISHED_LIMITS, SamplingSettings
from memlib.measures.conditional.prompt_measure import PromptMeasure
from memlib.measures.conditional.sampler import alpha, sampler_levels
from memlib.measures.differences.products import along, apart
from memlib.measures.result import Result
from memlib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class SharpnessSettings(SamplingSettings):
    """Settings of the sharpness."""

    def forwards(self, denoiser: Denoiser) -> int:
        return 6


@torch.no_grad()
def prompt_sharpness(
    denoiser: Denoiser,
    null: Denoiser,
    latents: Tensor,
    *,
    of: int = SharpnessSettings.of,
    seed: int = SharpnessSettings.seed,
    callback: Progress | None = None,
) -> Result:
    """Return |(H_c - H_0)(s_c - s_0)| at the first of `of` sampling steps, from starting noise
    `latents` (B, C, H, W); 6 forwards, of which the exact product is 4.

    s and H are the score and the Hessian of the log density of the papers' state x = alpha y, so
    that the product is (d (d eps) / dy) d eps / (sigma^2 alpha^3). Jeon, Kim & No, ICML 2025 (arXiv
    2412.04140). `seed` is not used.
    """
    sigma = float(sampler_levels(denoiser, of)[0])
    y = denoiser.check(latents) / alpha(sigma)
    product = along(denoiser, null, y, sigma, apart(denoiser, null, y, sigma))
    value = product.flatten(1).norm(dim=1).float().cpu() / (sigma**2 * alpha(sigma) ** 3)
    if callback:
        callback(1, 1)
    return Result(value, torch.full_like(value, torch.nan), None, None, 6)


ENTRIES = (
    PromptMeasure(
        name="prompt_sharpness",
        title="Sharpness added by the prompt",
        function=prompt_sharpness,
        settings=SharpnessSettings(),
        direction=+1,
        unit="score times curvature",
        definition="How strongly the prompt bends the log density along the direction into which "
        "it pulls, before the first step.",
        formula=r"\lVert (H_c - H_0)(s_c - s_0) \rVert_2 \text{ at } t_T",
        limits=PUBLISHED_LIMITS,
        citation="Jeon et al., Understanding and Mitigating Memorization in Diffusion Models "
        "through the Lens of Sharpness, ICML 2025, arXiv 2412.04140",
        when="before",
        takes="noise",
        published=".987 / .908 with one seed, .998 / .982 with four",
    ),
)

"""The size of what a prompt adds to the predicted noise, and its angle with that without a prompt
(Asthana & Belagiannis, ICLR 2026).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from memlib.denoisers.base import Denoiser
from memlib.measures.conditional.predictions_apart import PUBLISHED_LIMITS, SamplingSettings
from memlib.measures.conditional.prompt_measure import PromptMeasure
from memlib.measures.conditional.sampler import alpha, sampler_levels
from memlib.measures.differences.products import apart
from memlib.measures.result import Result
from memlib.options import option
from memlib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class NormAndAngleSettings(SamplingSettings):
    """Settings of norm and angle; the defaults are the paper's for Stable Diffusion 1."""

    norm: float = option(1.0, "Weight of the norm", "g₁", low=0.0, high=1e3, address="norm")
    angle: float = option(2.0, "Weight of the angle", "g₂", low=0.0, high=1e3, address="angle")
    norm_of: Literal["noise", "score"] = option(
        "noise",
        "Norm of",
        "The noise, as for Stable Diffusion 1, or the score, as for 2.",
        choices=("noise", "score"),
        address="of_score",
    )

    def forwards(self, denoiser: Denoiser) -> int:
        return 4


@dataclass(frozen=True)
class NormAndAngle(Result):
    """The weighted sum of both parts; exact, so that its standard error is NaN."""

    norm: Tensor  # (B,) of d eps, or of s_c - s_0
    angle: Tensor  # (B,) mean cosine, in [-1, 1]

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "norm", "angle")


@torch.no_grad()
def norm_and_angle(
    denoiser: Denoiser,
    null: Denoiser,
    latents: Tensor,
    *,
    of: int = NormAndAngleSettings.of,
    norm: float = NormAndAngleSettings.norm,
    angle: float = NormAndAngleSettings.angle,
    norm_of: Literal["noise", "score"] = NormAndAngleSettings.norm_of,
    seed: int = NormAndAngleSettings.seed,
    callback: Progress | None = None,
) -> NormAndAngle:
    """Return g1 |d eps| at the first of `of` sampling steps plus g2 cos at the last step but two,
    both on the same pure noise `latents` (B, C, H, W); 4 forwards.

    cos is the mean over pixels of the cosine over channels between eps_0 and d eps. Asthana &
    Belagiannis, ICLR 2026 (arXiv 2601.20642): (g1, g2) is (1, 2) for Stable Diffusion 1 and (1,
    .1), with the norm of the score, for 2. `seed` is not used.
    """
    levels = sampler_levels(denoiser, max(of, 3))
    noise = denoiser.check(latents)
    first, late = float(levels[0]), float(levels[-4])  # before 0 come the last three
    added_first = apart(denoiser, null, noise / alpha(first), first)
    size = added_first.flatten(1).norm(dim=1)
    if norm_of == "score":
        size = size / (first * alpha(first))
    without = null.noise(noise / alpha(late), late)
    added = denoiser.noise(noise / alpha(late), late) - without
    cosine = cosine_similarity(without, added, dim=1).mean((1, 2))
    if callback:
        callback(1, 1)
    value = (norm * size + angle * cosine).float().cpu()
    return NormAndAngle(
        value=value,
        stderr=torch.full_like(value, torch.nan),
        map=None,
        draws=None,
        evaluations=4,
        norm=size.float().cpu(),
        angle=cosine.float().cpu(),
    )


ENTRIES = (
    PromptMeasure(
        name="norm_and_angle",
        title="Norm plus angle",
        function=norm_and_angle,
        settings=NormAndAngleSettings(),
        direction=+1,
        unit="noise, plus a cosine",
        definition="How much the prompt adds to the predicted noise at the first step, plus how "
        "far it points along the noise predicted without a prompt at a late one.",
        formula=r"g_1 \lVert \epsilon_c - \epsilon_0 \rVert_2 + g_2 \overline{\cos}(\epsilon_0, "
        r"\epsilon_c - \epsilon_0)",
        limits=f"Its weights are chosen for each model. {PUBLISHED_LIMITS}",
        citation="Asthana & Belagiannis, on memorisation and anisotropy, ICLR 2026, arXiv "
        "2601.20642",
        when="before",
        takes="noise",
        published=".994 / .935 with one seed, .999 / .984 with four",
    ),
)

"""Where in a picture the prompt sharpens or moves the density (Kim & Lee, ICML 2026)."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.conditional.predictions_apart import PUBLISHED_LIMITS
from memlib.measures.conditional.prompt_measure import PromptMeasure
from memlib.measures.conditional.sampler import alpha, sampler_levels
from memlib.measures.differences.subtraction import SOURCE, curvature_gap, score_gap
from memlib.measures.result import Result
from memlib.measures.settings import Settings, noise_level
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import rademacher


@dataclass(frozen=True, kw_only=True)
class AtLastStep(Settings):
    """Settings of a measure at the last of 50 sampling steps."""

    sigma: float | None = noise_level(
        None,
        "Noise level σ",
        "By default that of the last of 50 sampling steps.",
        optional=True,
        address="sigma",
    )

    def for_model(self, denoiser: Denoiser) -> Self:
        """Return the settings with the noise level of the last step."""
        return self if self.sigma else replace(self, sigma=last_level(denoiser))

    def forwards(self, denoiser: Denoiser) -> int:
        return 2


def last_level(denoiser: Denoiser) -> float:
    """Return the noise level of the last of 50 sampling steps, to six digits."""
    return float(f"{float(sampler_levels(denoiser, 50)[-2]):.6g}")


@torch.no_grad()
def score_difference(
    denoiser: Denoiser,
    null: Denoiser,
    latents: Tensor,
    *,
    sigma: float | None = None,
    seed: int = AtLastStep.seed,
    callback: Progress | None = None,
) -> Result:
    """Return the mean over pixels of the sum over channels of (s_c - s_0)^2 at latents (B, C, H,
    W), and its map, which sums to it; 2 forwards.

    s is the score of the papers' state x = alpha y: s_c - s_0 = -d eps / (sigma alpha). Kim & Lee,
    ICML 2026 (arXiv 2605.26756), take the state of the last sampling step; here it is the finished
    image, which differs from it by the sampler's last step. `seed` is not used.
    """
    level = last_level(denoiser) if sigma is None else float(sigma)
    y = denoiser.check(latents)
    unit = (level * alpha(level)) ** 2 * y[0, 0].numel()
    heat = score_gap(denoiser, null, y, level).cpu() / unit
    if callback:
        callback(1, 1)
    value = heat.double().sum((1, 2)).float()
    return Result(value, torch.full_like(value, torch.nan), heat, None, 2)


@dataclass(frozen=True, kw_only=True)
class CurvatureSettings(AtLastStep):
    """Settings of the curvature difference."""

    probes: int = option(
        16, "Probes", "Random directions, each four forwards.", low=1, high=4096, address="probes"
    )

    def forwards(self, denoiser: Denoiser) -> int:
        return 4 * self.probes


@dataclass(frozen=True)
class CurvatureDifference(Result):
    """The rectified map of B latents, which sums to the value. Since it is rectified, the draws of
    its probes do not average to it, and its standard error is NaN.
    """

    signed: Tensor  # (B, H, W) the map before it is rectified

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "map", "signed")


@torch.no_grad()
def curvature_difference(
    denoiser: Denoiser,
    null: Denoiser,
    latents: Tensor,
    *,
    sigma: float | None = None,
    probes: int = CurvatureSettings.probes,
    seed: int = CurvatureSettings.seed,
    callback: Progress | None = None,
) -> CurvatureDifference:
    """Return the mean over pixels of max(0, -sum over channels of diag(J_c - J_0)) at latents (B,
    C, H, W), and its map; 4 `probes` forwards.

    J = -d eps / dx is the Jacobian of the score of x = alpha y times its noise level; its diagonal
    is the mean of v * (J v) over random signs v, exact products. Kim & Lee, ICML 2026
    (arXiv 2605.26756), at the finished image instead of the state of the last sampling step. Probes
    are shared by all images.
    """
    if probes < 1:
        raise ValueError(f"At least one probe is needed, not {probes}.")
    level = last_level(denoiser) if sigma is None else float(sigma)
    y = denoiser.check(latents)
    signs = rademacher((probes, *denoiser.shape), seed)
    found = curvature_gap(denoiser, null, y, level, signs, callback).cpu()
    signed = found / (alpha(level) * y[0, 0].numel())
    heat = signed.clamp(min=0)
    value = heat.double().sum((1, 2)).float()
    return CurvatureDifference(
        value=value,
        stderr=torch.full_like(value, torch.nan),
        map=heat,
        draws=None,
        evaluations=4 * probes,
        signed=signed,
    )


LATENT = (
    "Its map has one value for each latent pixel, whose autoencoder sees more than the picture's "
    f"pixels under it. {PUBLISHED_LIMITS}"
)

ENTRIES = (
    PromptMeasure(
        name="curvature_difference",
        title="Curvature difference",
        function=curvature_difference,
        settings=CurvatureSettings(),
        direction=+1,
        unit="noise per noise, mean over pixels",
        definition="How much more the prompt fixes each place of the picture than the empty prompt "
        "does.",
        formula=r"\overline{\max\left(0, -\textstyle\sum_{\text{channels}} "
        r"\operatorname{diag}(J_c - J_0)\right)}",
        limits=LATENT,
        citation=SOURCE,
        published=".997 / .982",
    ),
    PromptMeasure(
        name="score_difference",
        title="Score difference",
        function=score_difference,
        settings=AtLastStep(),
        direction=+1,
        unit="squared score, mean over pixels",
        definition="How hard the prompt still pulls at each place of the finished picture.",
        formula=r"\overline{\textstyle\sum_{\text{channels}} (s_c - s_0)^2}",
        limits=LATENT,
        citation=SOURCE,
    ),
)

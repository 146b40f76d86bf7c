"""How far the predicted noise with a prompt is from that without, while a picture is drawn (Wen et
al., ICLR 2024), and how much it changes in one step.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.conditional.prompt_measure import PromptMeasure
from memlib.measures.conditional.sampler import guided_steps, sampler_levels
from memlib.measures.result import Result
from memlib.measures.settings import Settings
from memlib.options import option
from memlib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class SamplingSettings(Settings):
    """Settings of a measure at the first steps of a sampler; random draws are the caller's."""

    of: int = option(
        50, "Sampling steps", "Of the whole way from noise to image.", low=2, high=999, address="of"
    )


@dataclass(frozen=True, kw_only=True)
class GuidedSettings(SamplingSettings):
    """Settings of a measure that follows the sampler."""

    guidance_scale: float = option(
        7.5, "Guidance", "The scale w of the sampler.", low=0.0, high=100.0, address="guidance"
    )


@dataclass(frozen=True, kw_only=True)
class PredictionSettings(GuidedSettings):
    """Settings of the prediction difference."""

    steps: int = option(
        1, "Steps", "The first steps of the sampler, averaged.", low=1, high=999, address="steps"
    )

    def check(self) -> None:
        if self.steps > self.of:
            raise ValueError(f"The sampler takes {self.of} steps, fewer than {self.steps}.")

    def forwards(self, denoiser: Denoiser) -> int:
        return 2 * self.steps


@dataclass(frozen=True)
class PredictionDifference(Result):
    """The mean over steps of |d eps| for B starting noises; exact, so that its standard error is
    NaN.
    """

    curve: Tensor  # (B, steps)

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "curve")


@torch.no_grad()
def prediction_difference(
    denoiser: Denoiser,
    null: Denoiser,
    latents: Tensor,
    *,
    steps: int = PredictionSettings.steps,
    of: int = PredictionSettings.of,
    guidance_scale: float = PredictionSettings.guidance_scale,
    seed: int = PredictionSettings.seed,
    callback: Progress | None = None,
) -> PredictionDifference:
    """Return the mean over the first `steps` of `of` sampling steps of |eps_c - eps_0|, the
    Euclidean norm, from starting noise `latents` (B, C, H, W); 2 `steps` forwards.

    Wen, Liu, Chen & Lyu, ICLR 2024, equation 3. `seed` is not used. Raises ValueError for more
    steps than the sampler takes.
    """
    PredictionSettings(steps=steps, of=of, guidance_scale=guidance_scale)
    levels, sizes = sampler_levels(denoiser, of), []
    walk = guided_steps(
        denoiser, null, latents, levels, min(steps, len(levels) - 1), guidance_scale
    )
    for _, _, with_prompt, without in walk:
        sizes.append((with_prompt - without).flatten(1).norm(dim=1))
        if callback:
            callback(len(sizes), steps)
    curve = torch.stack(sizes, 1).float().cpu()
    value = curve.mean(1)
    return PredictionDifference(
        value=value,
        stderr=torch.full_like(value, torch.nan),
        map=None,
        draws=None,
        evaluations=2 * steps,
        curve=curve,
    )


@dataclass(frozen=True, kw_only=True)
class ChangeSettings(GuidedSettings):
    """Settings of the change of the prediction."""

    def forwards(self, denoiser: Denoiser) -> int:
        return 3


@torch.no_grad()
def prediction_change(
    denoiser: Denoiser,
    null: Denoiser,
    latents: Tensor,
    *,
    of: int = ChangeSettings.of,
    guidance_scale: float = ChangeSettings.guidance_scale,
    seed: int = ChangeSettings.seed,
    callback: Progress | None = None,
) -> Result:
    """Return |eps_c(y_1) - eps_c(y_0)|^2, y_0 the state of starting noise `latents` (B, C, H, W)
    and y_1 that after one of `of` guided steps; 3 forwards. The map is its sum over channels.

    `seed` is not used.
    """
    levels = sampler_levels(denoiser, of)
    (_, y, before, without) = next(guided_steps(denoiser, null, latents, levels, 1, guidance_scale))
    step = float(levels[1]) - float(levels[0])
    after = denoiser.noise(
        y + step * (without + guidance_scale * (before - without)), levels[1].item()
    )
    heat = (after - before).square().sum(1).cpu()
    if callback:
        callback(1, 1)
    value = heat.double().sum((1, 2)).float()
    return Result(value, torch.full_like(value, torch.nan), heat, None, 3)


PUBLISHED_LIMITS = (
    "It needs the prompt of the picture. The published numbers depend on the list of prompts, and "
    "on which of them are called memorised."
)

DIFFERENCE = PromptMeasure(
    name="prediction_difference",
    title="Prediction difference, first step",
    function=prediction_difference,
    settings=PredictionSettings(),
    direction=+1,
    unit="noise, Euclidean norm",
    definition="How far the predicted noise with the prompt is from that without: a memorised "
    "prompt pulls hard from the first step on.",
    formula=r"\frac1k \sum_{i \le k} \lVert \epsilon_c(x_{t_i}) - \epsilon_0(x_{t_i}) \rVert_2",
    limits=PUBLISHED_LIMITS,
    citation="Wen et al., Detecting, Explaining, and Mitigating Memorization in Diffusion Models, "
    "ICLR 2024, arXiv 2407.21720",
    when="before",
    takes="noise",
    published=".976 / .896 with one seed, .992 / .944 with four",
)

ENTRIES = (
    DIFFERENCE,
    replace(
        DIFFERENCE,
        name="prediction_difference_10",
        title="Prediction difference, ten steps",
        settings=PredictionSettings(steps=10),
        when="during",
        published="",
    ),
    PromptMeasure(
        name="prediction_change",
        title="Change of the prediction in one step",
        function=prediction_change,
        settings=ChangeSettings(),
        direction=+1,
        unit="squared noise",
        definition="How much the predicted noise with the prompt changes in the first step.",
        formula=r"\lVert \epsilon_c(x_{t_2}) - \epsilon_c(x_{t_1}) \rVert^2",
        limits=PUBLISHED_LIMITS,
        citation="One-step metrics of an anonymous repository for ICML 2026",
        when="during",
        takes="noise",
        published=".975 / .858, Stable Diffusion 1.5",
    ),
)

"""The p-Laplace with a prompt, without, and their difference (Brokman et al., arXiv 2505.08246).

K_p (memlib.measures.plaplace) at the same directions with both denoisers. The paper's setting is
p = 1 on the sphere of radius sigma sqrt(d) at timestep 10 of 1000; an independent replication
(Verma et al. 2026) takes p = 2, a sphere of radius sigma / 100 and timestep 1.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.conditional.prompt_measure import PromptMeasure
from memlib.measures.conditional.sampler import level_at
from memlib.measures.plaplace import p_laplace
from memlib.measures.result import Result, standard_error
from memlib.measures.settings import Settings, noise_level
from memlib.options import option
from memlib.progress import Progress, part


@dataclass(frozen=True, kw_only=True)
class PromptFluxSettings(Settings):
    """Settings of the p-Laplace with and without a prompt; the defaults are the paper's."""

    sigma: float | None = noise_level(
        None, "Noise level σ", "By default that of the timestep.", optional=True, address="sigma"
    )
    share: float = option(
        0.01,
        "Timestep",
        "The share of the trained timesteps, where no σ is given.",
        low=0.0,
        high=1.0,
        address="share",
    )
    p: float = option(1.0, "p", "Exponent p of |s|.", low=1.0, high=64.0, address="p")
    directions: int = option(
        128,
        "Directions",
        "Points on the sphere, in opposite pairs. Each costs two network forwards.",
        low=2,
        high=2**14,
        step=2,
        address="directions",
    )
    radius: float | None = option(
        None,
        "Radius",
        "In units of σ; by default √d, where noised copies of the image lie.",
        kind=float,
        low=1e-6,
        high=1e5,
        optional=True,
        address="radius",
    )

    def for_model(self, denoiser: Denoiser) -> Self:
        """Return the settings with the noise level of the timestep."""
        level = float(f"{level_at(denoiser, self.share):.6g}")
        return self if self.sigma else replace(self, sigma=max(level, denoiser.sigma_floor))

    def forwards(self, denoiser: Denoiser) -> int:
        return 2 * self.directions

    @property
    def degrees(self) -> int:
        return self.directions // 2 - 1


@dataclass(frozen=True)
class PromptFlux(Result):
    """K_p with the prompt minus K_p without, whose map it has; draws (B, pairs, 1)."""

    conditional: Tensor  # (B,) K_p with the prompt
    conditional_stderr: Tensor
    null: Tensor  # (B,) K_p without
    null_stderr: Tensor

    kept: ClassVar[tuple[str, ...]] = (
        *("value", "stderr", "conditional", "conditional_stderr", "null", "null_stderr"),
        *("map", "draws"),
    )


@torch.no_grad()
def prompt_p_laplace(
    denoiser: Denoiser,
    null: Denoiser,
    latents: Tensor,
    *,
    sigma: float | None = None,
    share: float = PromptFluxSettings.share,
    p: float = PromptFluxSettings.p,
    directions: int = PromptFluxSettings.directions,
    radius: float | None = None,
    seed: int = PromptFluxSettings.seed,
    callback: Progress | None = None,
) -> PromptFlux:
    """Estimate K_p of latents (B, C, H, W) with both denoisers, on the same sphere in the same
    directions; 2 `directions` forwards.

    `sigma` is by default the level after this `share` of the timesteps; `radius` is in units of
    sigma, by default sqrt(d). Raises ValueError as `p_laplace` does.
    """
    level = level_at(denoiser, share) if sigma is None else float(sigma)
    found = [
        p_laplace(
            one,
            latents,
            level,
            p=p,
            directions=directions,
            radius=None if radius is None else radius * level,
            seed=seed,
            callback=part(callback, place, 1, 2),
        )
        for place, one in enumerate((denoiser, null))
    ]
    with_prompt, without = found
    assert with_prompt.draws is not None and without.draws is not None
    assert with_prompt.map is not None and without.map is not None
    draws = with_prompt.draws - without.draws
    return PromptFlux(
        value=with_prompt.value - without.value,
        stderr=standard_error(draws),
        map=with_prompt.map - without.map,
        draws=draws,
        evaluations=2 * directions,
        conditional=with_prompt.value,
        conditional_stderr=with_prompt.stderr,
        null=without.value,
        null_stderr=without.stderr,
    )


PAPER = (
    "p_laplace",
    "p-Laplace",
    PromptFluxSettings(),
    "Brokman et al., Identifying Memorization of Diffusion Models through p-Laplace Analysis: "
    "Estimators, Bounds and Applications, arXiv 2505.08246",
    {"conditional": ".958, at second hand", "null": ".913, at second hand", "value": ""},
)
REPLICATION = (
    "small_sphere",
    "p-Laplace on a small sphere",
    PromptFluxSettings(share=0.001, p=2.0, directions=16, radius=0.01),
    "Verma et al., Early signatures of memorization in diffusion models via basin geometry and "
    "cyclic denoising, 2026",
    {"conditional": ".948 / .194", "null": ".899 / .066", "value": ".811 / .526"},
)
COLUMNS = {  # of a row: its end of a name, its title and what is said of it
    "conditional": ("prompt", "with the prompt", "How strongly the score with the prompt points"),
    "null": ("null", "without a prompt", "How strongly the score without a prompt points"),
    "value": (
        "gap",
        "with minus without",
        "How much more strongly the score with the prompt points",
    ),
}

ENTRIES = tuple(
    PromptMeasure(
        name=f"{name}_{end}",
        title=f"{title}, {words}",
        function=prompt_p_laplace,
        settings=settings,
        direction=+1,
        unit="of an isolated point",
        definition=f"{said} back to the image from all around it, as a share of what an isolated "
        "point would have.",
        formula=r"K_p = -(\sigma^2 / r)^{p-1} \, \mathbb{E}_u[ |s|^{p-2}\, s(x + r u) \cdot u ]",
        limits="Plain images have narrow peaks too, and the published numbers depend on the list "
        "of prompts. Values of different radii or noise levels cannot be compared.",
        citation=citation,
        column=column,
        error="stderr" if column == "value" else f"{column}_stderr",
        published=published[column],
    )
    for name, title, settings, citation, published in (PAPER, REPLICATION)
    for column, (end, words, said) in COLUMNS.items()
)

"""Volume growth as published: a small frame of nearby points carried along the ODE (Hasegawa &
Yasuda, arXiv 2503.19429).

n orthonormal displacements of fixed length move with the image, and are made orthonormal again
after every step. With M_k the map of step k and Q_k the frame (d, n) before it, M_k Q_k = Q_{k+1}
R_k, it gives two numbers:

    log growth = sum_k sum_i ln |M_k q_{k,i}|  as in the paper's code
    log volume = sum_k sum_i ln |R_{k,ii}|     of the n-dimensional volume, never larger (Hadamard)

With n = d the log volume is log |det| of the whole path. A smaller frame turns towards the
directions that grow fastest, which exist for every image, so it shows less of memorisation than the
full trace of memlib.measures.volume.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import ladder
from memlib.measures.measure import Measure
from memlib.measures.result import Result
from memlib.measures.settings import Ranged
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import generator

PAPER_RANGE = (
    "The paper's scheme has its own noise range; leave sigma_min and sigma_max out, or use "
    "scheme='ddim'."
)
BETA_MIN, BETA_MAX, FIRST_TIME = (
    0.1,
    20.0,
    1e-3,
)  # the paper's continuous variance-preserving schedule


@dataclass(frozen=True, kw_only=True)
class FrameSettings(Ranged):
    """Settings of frame growth."""

    scheme: Literal["ddim", "paper"] = option(
        "ddim",
        "Scheme",
        "ddim: the noise levels used here. paper: the published steps and scale.",
        choices=("ddim", "paper"),
    )
    directions: int = option(100, "Directions", "Points carried along.", low=1, high=2**14)
    steps: int = option(1000, "Steps", "Steps on the path.", low=1, high=10_000)
    perturbation: float = option(
        0.05,
        "Displacement",
        "Distance of each point from the image.",
        low=1e-6,
        high=10.0,
        implied=True,
    )

    def check(self) -> None:
        super().check()
        if self.scheme == "paper" and (self.sigma_min, self.sigma_max) != (None, None):
            raise ValueError(PAPER_RANGE)

    def for_model(self, denoiser: Denoiser) -> Self:
        return self if self.scheme == "paper" else super().for_model(denoiser)

    def forwards(self, denoiser: Denoiser) -> int:
        return self.steps * (self.directions + 1)

    def refusal(self, denoiser: Denoiser) -> str:
        return _too_many(self.directions, denoiser)


@dataclass(frozen=True)
class FrameGrowth(Result):
    """Growth of an n-frame around each of B images in nats; `value` is `log_growth`, the published
    sum. No map, no standard error.
    """

    log_volume: Tensor  # (B,) from the diagonal of R
    sigmas: Tensor  # (T + 1,) noise levels before and after the steps
    curve: Tensor  # (B, T) log growth accumulated
    volume_curve: Tensor  # (B, T) log volume accumulated

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "log_volume", "curve", "volume_curve")

    @property
    def log_growth(self) -> Tensor:
        return self.value


@torch.no_grad()
def frame_growth(
    denoiser: Denoiser,
    images: Tensor,
    *,
    scheme: Literal["ddim", "paper"] = FrameSettings.scheme,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    directions: int = FrameSettings.directions,
    steps: int = FrameSettings.steps,
    perturbation: float = FrameSettings.perturbation,
    seed: int = FrameSettings.seed,
    callback: Progress | None = None,
) -> FrameGrowth:
    """Carry a frame of `directions` displacements around each image (B, C, H, W) to the latent,
    `steps` (directions + 1) forwards each.

    "ddim" steps y' = y + (sigma' - sigma) noise(y, sigma) on a ladder even in ln sigma;
    displacements have the Euclidean length perturbation * sqrt(1 + sigma^2) and values are those of
    noise-level coordinates.

    "paper" is the published procedure in x_t, x' = x - beta(t) / 2 (x + score) / steps at `steps`
    times even in [1e-3, 1], beta from 0.1 to 20, displacements of length `perturbation`; its values
    are variance-preserving ones: those of y plus directions * ln(alpha_T / alpha_0), which is
    negative. Its noise levels, 0.0105 to 152, are fixed.

    The map of a step is that of finitely displaced points, so the result depends on `perturbation`
    if the score is not linear within it. The frame is drawn once per seed and shared by all images.
    Raises ValueError for more directions than dimensions, a noise range with "paper", and what the
    denoiser cannot take.
    """
    if scheme not in ("ddim", "paper"):
        raise ValueError(f"The scheme is 'ddim' or 'paper', not {scheme!r}.")
    if said := _too_many(directions, denoiser):
        raise ValueError(said)
    if steps < 1 or not 0 < perturbation < math.inf:
        raise ValueError(
            f"steps must be at least 1 and perturbation positive, not {steps} and {perturbation}."
        )
    if scheme == "paper" and not (sigma_min is None and sigma_max is None):
        raise ValueError(PAPER_RANGE)
    sigmas, lengths, move = (
        _paper(denoiser, steps, perturbation)
        if scheme == "paper"
        else _ddim(denoiser, steps, sigma_min, sigma_max, perturbation)
    )

    state = denoiser.check(images)
    state = (
        state.float() if state.device.type == "mps" else state.double()
    )  # differences of near points
    start = torch.randn(
        denoiser.dimension, directions, generator=generator(seed), dtype=torch.float64
    )
    frame = torch.linalg.qr(start).Q.to(state).expand(len(state), -1, -1)  # (B, d, n)
    growth, volume = [], []
    for k in range(steps):
        near = state[:, None] + lengths[k] * frame.mT.reshape(
            len(state), directions, *denoiser.shape
        )
        moved = move(k, torch.cat([state[:, None], near], 1).flatten(0, 1)).view(
            len(state), directions + 1, *denoiser.shape
        )
        state, edges = (
            moved[:, 0],
            (moved[:, 1:] - moved[:, :1]).flatten(2) / lengths[k],
        )  # (B, n, d)
        stretch = edges.norm(dim=2)
        edges = edges.gather(
            1, stretch.argsort(1, descending=True)[..., None].expand_as(edges)
        )  # longest first, as published
        frame, triangle = torch.linalg.qr(edges.mT)
        growth.append(stretch.log().sum(1))
        volume.append(triangle.diagonal(dim1=1, dim2=2).abs().log().sum(1))
        if callback:
            callback(k + 1, steps)
    curves = [torch.stack(parts, 1).cpu().double().cumsum(1) for parts in (growth, volume)]
    return FrameGrowth(
        value=curves[0][:, -1].float(),
        stderr=torch.full((len(state),), math.nan),
        map=None,
        draws=None,
        evaluations=steps * (directions + 1),
        log_volume=curves[1][:, -1].float(),
        sigmas=sigmas,
        curve=curves[0].float(),
        volume_curve=curves[1].float(),
    )


def _too_many(directions: int, denoiser: Denoiser) -> str:
    d = denoiser.dimension
    if 1 <= directions <= d:
        return ""
    return f"An image of {d} dimensions takes 1 to {d} directions, not {directions}."


Scheme = tuple[
    Tensor, list[float], Callable[[int, Tensor], Tensor]
]  # noise levels, displacement lengths, the map of step k


def _ddim(
    denoiser: Denoiser,
    steps: int,
    sigma_min: float | None,
    sigma_max: float | None,
    perturbation: float,
) -> Scheme:
    sigmas = ladder(denoiser, steps, sigma_min, sigma_max)

    def move(k: int, y: Tensor) -> Tensor:
        return y + float(sigmas[k + 1] - sigmas[k]) * denoiser.noise(y, float(sigmas[k]))

    return sigmas, (perturbation * (1 + sigmas**2).sqrt()).tolist(), move


def _paper(denoiser: Denoiser, steps: int, perturbation: float) -> Scheme:
    times = torch.linspace(FIRST_TIME, 1, steps, dtype=torch.float64)
    alphas = _alpha(times)
    sigmas = (1 - alphas**2).sqrt() / alphas

    def move(k: int, x: Tensor) -> Tensor:
        alpha, sigma = float(alphas[k]), float(sigmas[k])
        beta = BETA_MIN + float(times[k]) * (BETA_MAX - BETA_MIN)
        score = -denoiser.noise(x / alpha, sigma) / (
            alpha * sigma
        )  # of x_t = alpha y, whose noise is alpha sigma
        return x - beta / 2 * (x + score) / steps

    after = _alpha(times[-1:] + 1 / steps)
    return torch.cat([sigmas, (1 - after**2).sqrt() / after]), [perturbation] * steps, move


def _alpha(times: Tensor) -> Tensor:
    return (-(times**2) * (BETA_MAX - BETA_MIN) / 4 - times * BETA_MIN / 2).exp()


ENTRIES = (
    Measure(
        name="frame_growth",
        title="Frame growth",
        function=frame_growth,
        settings=FrameSettings(),
        direction=+1,
        unit="nats",
        definition="The paper's own procedure, in the noise levels used here: a frame of a "
        "hundred nearby points is carried to the latent, and the logarithms of how "
        "much each is stretched are added up.",
        formula=r"\sum_k \sum_{i \le n} \ln \left\lVert M_k\, q_{k,i} \right\rVert, \qquad "
        r"M_k Q_k = Q_{k+1} R_k",
        limits="The frame turns towards the directions that grow fastest, which every image "
        "has. Memorisation is the collapse of the other directions, and the frame mostly "
        "misses it. It costs a hundred thousand network forwards an image.",
        citation="Hasegawa & Yasuda, Quantifying the Ease of Reproducing Training Data in "
        "Unconditional Diffusion Models, arXiv 2503.19429",
    ),
)

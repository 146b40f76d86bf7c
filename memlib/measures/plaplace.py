"""p-Laplace of the log density, from the score on a sphere around the image (Brokman et al., arXiv
2505.08246).

With s = grad log p(y; sigma) and F_p = |s|^(p-2) s, the p-Laplacian div F_p averaged over the ball
of radius r around c is, by Gauss, d / r times the mean outward flux through its surface,

    Phi_p = E_u[ F_p(c + r u) . u ],     u uniform on the unit sphere.

A peak of the density has its score pointing inward: Phi_p < 0. In units of the score a single point
would have there, g = -sigma^2 s / r,

    K_p = -(sigma^2 / r)^(p-1) Phi_p = E_u[ |g|^(p-2) g . u ],

which is 1 for a perfectly memorised image (g = u) whatever p, r and sigma, and 0 where the model
sees nothing. Gauss's theorem holds for every coordinate separately, so the terms of g . u are a map
of the ball's average divergence whose sum is K_p.

At the default radius sigma sqrt(d) the sphere is where noised copies of the image lie, and K_1 is
close to a scale-free form of the denoising loss, returned beside it. Values of different radii are
different measurements.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.flux import boundary, volume
from memlib.measures.measure import Measure
from memlib.measures.result import Result, Row, standard_error
from memlib.measures.settings import AtOneLevel
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import generator

POWERS, LEVELS = (1.0, 1.5, 2.0, 3.0), (0.2, 0.5, 1.0, 2.0)  # default noise levels of the ranking
LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
NOISED = 0x6E6F  # a separate seed for the noise of the centre


@dataclass(frozen=True, kw_only=True)
class PLaplaceSettings(AtOneLevel):
    """Settings of the p-Laplace.

    The defaults are for one image; the ranking of many uses RANKED.
    """

    p: tuple[float, ...] = option(
        (1.0,), "p", "Exponents p of |s|.", kind=float, low=1.0, high=64.0, most=32
    )
    directions: int = option(
        64,
        "Directions",
        "Points on the sphere, in opposite pairs. Each costs one network forward.",
        low=2,
        high=2**14,
        step=2,
        address="directions",
    )
    radius: float | None = option(
        None,
        "Radius",
        "Radius of the sphere; by default σ√d, where noised copies of the image lie.",
        kind=float,
        low=1e-9,
        high=1e7,
        optional=True,
    )
    center: Literal["clean", "noised"] = option(
        "clean",
        "Centre",
        "The image itself, or a noised copy of it.",
        choices=("clean", "noised"),
        implied=True,
        address="center",
    )
    method: Literal["boundary", "volume"] = option(
        "boundary",
        "Method",
        "The flux through the sphere, or the divergence inside it.",
        choices=("boundary", "volume"),
        implied=True,
    )
    keep_maps: bool = option(False, "Keep maps", "The map for every p.", implied=True)

    def on_sphere(self, sigma: float, radius: float, denoiser: Denoiser) -> Self:
        """Return the same settings on another sphere, with `radius` in units of sigma sqrt(d)."""
        size = float(f"{radius * sigma * math.sqrt(denoiser.dimension):.6g}")
        return replace(self, sigma=sigma, radius=None if radius == 1 else size)

    def forwards(self, denoiser: Denoiser) -> int:
        return self.directions

    @property
    def degrees(self) -> int:
        return self.directions // 2 - 1


RANKED = PLaplaceSettings(p=POWERS, directions=16)  # for many images, at each of LEVELS


@dataclass(frozen=True)
class PLaplace(Result):
    """K_p of B images at one noise level; for a sequence of P values of p, `value` and all fields
    below except `local` and `loss` start with an axis P.

    draws (B, pairs, 1), or (P, B, pairs, 1), are the pairs' terms; `map` (B, H, W) sums to `value`.
    """

    p: tuple[float, ...]
    flux: Tensor  # Phi_p (B,), the mean outward flux of |s|^(p-2) s
    divergence: Tensor  # d / radius * flux (B,), the average of the p-Laplacian over the ball
    local: (
        Tensor | None
        # (B, H, W) cosine between g and u within patches, in [-1, 1]; it does not sum to a value
    )
    loss: Tensor | None  # (B,) the denoising loss |noise - n|^2 / d of the same forwards
    radius: float
    sigma: float
    several: bool = False
    keep_maps: bool = False

    kept: ClassVar[tuple[str, ...]] = ()

    @property
    def statistic(self) -> Tensor:
        return self.value

    def row(self, index: int) -> Row:
        """Return K_p, its standard error and the pairs' terms, flux and divergence for every p,
        under names like K_1.5; maps if requested.
        """
        row: Row = {}
        axis: Tensor
        for name, values in (
            ("K", self.value),
            ("stderr", self.stderr),
            ("flux", self.flux),
            ("divergence", self.divergence),
        ):
            axis = values if self.several else values[None]
            row |= {f"{name}_{p:g}": float(axis[place, index]) for place, p in enumerate(self.p)}
        row = {"value": row[f"K_{self.p[0]:g}"], "stderr": row[f"stderr_{self.p[0]:g}"], **row}
        if self.draws is not None:
            terms = (self.draws if self.several else self.draws[None])[:, index].numpy()
            row |= {f"draws_{p:g}": terms[place].copy() for place, p in enumerate(self.p)}
            row["draws"] = row[f"draws_{self.p[0]:g}"]
        if self.loss is not None:
            row["loss"] = float(self.loss[index])
        if self.keep_maps and self.map is not None:
            row["maps"] = (self.map if self.several else self.map[None])[:, index].numpy().copy()
            if self.local is not None:
                row["local"] = self.local[index].numpy().copy()
        return row


@torch.no_grad()
def p_laplace(
    denoiser: Denoiser,
    images: Tensor,
    sigma: float,
    *,
    p: float | Sequence[float] = 1.0,
    directions: int = PLaplaceSettings.directions,
    radius: float | None = None,
    center: Literal["clean", "noised"] = PLaplaceSettings.center,
    method: Literal["boundary", "volume"] = PLaplaceSettings.method,
    seed: int = PLaplaceSettings.seed,
    keep_maps: bool = PLaplaceSettings.keep_maps,
    callback: Progress | None = None,
) -> PLaplace:
    """Estimate K_p of images (B, C, H, W) in [-1, 1] at noise level sigma, with its map;
    `directions` network forwards per image.

    "boundary" takes the flux at `directions` points c + r u in antithetic pairs, u and -u: K_p is
    the mean over them. From FEW pairs on the map divides every coordinate's mean of |g|^(p-2) g_i
    u_i by its mean of u_i^2, in place of the 1 / d it has on average, and is scaled to sum to K_p:
    an isolated point then has a flat map. (With fewer pairs such a ratio has no finite variance.)
    "volume" averages the divergence itself, by central differences along random signs at directions
    / 2 points inside the ball (Hutchinson): the same quantity in a second way, with less noise per
    pixel.

    `radius` is sigma sqrt(d) by default. `center="noised"` puts the sphere around x + sigma n, one
    n for all images. All values of a sequence `p` come from the same forwards. Directions are drawn
    once per seed and shared by all images. `keep_maps` keeps the maps in `row`. Raises ValueError
    for an odd number of directions, p < 1, or levels and images the denoiser cannot take.
    """
    powers = tuple(float(one) for one in p) if isinstance(p, Sequence) else (float(p),)
    if not powers or not all(1 <= one < math.inf for one in powers):
        raise ValueError(f"p must be a number of at least 1, not {p}.")
    if directions < 2 or directions % 2:
        raise ValueError(
            f"Directions come in pairs: an even number of at least 2 is needed, not {directions}."
        )
    d = denoiser.dimension
    size = float(sigma) * math.sqrt(d) if radius is None else float(radius)
    if not 0 < size < math.inf or not float(sigma) > 0:
        raise ValueError(
            f"The noise level and the radius must be positive, not {sigma} and {radius}."
        )
    if center not in ("clean", "noised") or method not in ("boundary", "volume"):
        raise ValueError(
            f"center is 'clean' or 'noised' and method 'boundary' or 'volume', not {center!r} and "
            f"{method!r}."
        )
    x = denoiser.check(images).float()
    middle = x
    if center == "noised":
        middle = x + float(sigma) * torch.randn(
            denoiser.shape, generator=generator(seed, NOISED)
        ).to(x)
    half = torch.stack(
        [torch.randn(d, generator=generator(seed, pair)) for pair in range(directions // 2)]
    ).to(x)
    half = half / half.norm(dim=1, keepdim=True)
    estimate = boundary if method == "boundary" else volume
    heat, draws, local, loss = estimate(
        denoiser, x, middle, float(sigma), size, half, powers, seed, callback
    )

    several = isinstance(p, Sequence)
    heat, draws = heat.cpu(), draws.cpu()
    value = heat.double().sum((2, 3)).float()
    scale = torch.tensor(
        [(size / float(sigma) ** 2) ** (one - 1) for one in powers], dtype=torch.float64
    )[:, None]
    flux = (-value.double() * scale).float()
    stderr = torch.stack([standard_error(each) for each in draws])
    parts = {
        "value": value,
        "stderr": stderr,
        "map": heat,
        "draws": draws,
        "flux": flux,
        "divergence": flux * (d / size),
    }
    return PLaplace(
        **{name: part if several else part[0] for name, part in parts.items()},
        evaluations=directions,
        p=powers,
        local=None if local is None else local.cpu(),
        loss=None if loss is None else loss.cpu(),
        radius=size,
        sigma=float(sigma),
        several=several,
        keep_maps=keep_maps,
    )


def _entries(sigma: float) -> list[Measure]:
    """K_p for every p at one noise level, and the denoising loss of the same forwards."""
    settings = replace(RANKED, sigma=sigma)
    statistics = [
        Measure(
            name=f"k_{p:g}_at_{sigma:g}",
            title=f"p-Laplace K{p:g}".translate(LOWERED) + f" at σ = {sigma:g}",
            column=f"K_{p:g}",
            error=f"stderr_{p:g}",
            direction=+1,
            unit="of an isolated point",
            definition="How strongly the score points back to the image from all around it: the "
            "inward flux of |s|^(p-2) s through a sphere, as a share of what an "
            "isolated point would have.",
            formula=r"K_p = -\left(\sigma^2 / r\right)^{p-1} \, \mathbb{E}_u\left[ |s|^{p-2}\, "
            r"s(x + r u) \cdot u \right], \quad r = \sigma \sqrt{d}",
            limits="It responds to narrow peaks, not to peaks of large weight. A copied image "
            "is visible only because copying makes its peak narrow. Plain images have "
            "narrow peaks too, and a peak need not be a training image. At this radius "
            "K₁ is nearly the denoising loss in another form. Values of different radii "
            "or noise levels cannot be compared.",
            citation="Brokman et al., Identifying Memorization of Diffusion Models through "
            "p-Laplace Analysis: Estimators, Bounds and Applications, arXiv 2505.08246",
            function=p_laplace,
            settings=settings,
        )
        for p in POWERS
    ]
    loss = Measure(
        name=f"loss_at_{sigma:g}",
        title=f"Denoising loss at σ = {sigma:g}, on the sphere",
        column="loss",
        error="",
        direction=-1,
        unit="per dimension",
        definition="How far the predicted noise is from the noise that was added, at the points "
        "where the flux is taken.",
        formula=r"\mathbb{E}_u \left\lVert (y - D) / \sigma - \sqrt{d}\, u \right\rVert^2 / d, "
        r"\quad y = x + \sigma \sqrt{d}\, u",
        limits="A control: training minimises it, and it is small for every easy image. Compare "
        "K₁ with it.",
        citation="Ho et al., Denoising Diffusion Probabilistic Models, arXiv 2006.11239",
        function=p_laplace,
        settings=settings,
    )
    return [*statistics, loss]


ENTRIES = tuple(entry for sigma in LEVELS for entry in _entries(sigma))

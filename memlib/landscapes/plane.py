"""Landscapes: mixtures of the plane, where every quantity of this library is known and can be set
beside its estimate.

A landscape is a list of Gaussian modes. Points of the plane are images of shape (1, 1, 2), and
noised to level sigma the mixture stays one (memlib.denoisers.exact), so with s = grad log p(y;
sigma) and H its Jacobian

    Delta_p = div(|s|^(p-2) s) = |s|^(p-2) (tr H + (p - 2) s^T H s / |s|^2)
    mean of Delta_p over the disc of radius r = (2 / r) mean over its rim of |s|^(p-2) s . u          (Gauss)
    log growth from sigma_0 to sigma = integral of -sigma^2 tr H d ln sigma along dy / d sigma =
    -sigma s
                                     = log p(y_0; sigma_0) - log p(y; sigma)                    (the flow carries the density)

are formulas or one-dimensional sums of them. Fields here have the noise levels first: (L, M) for M
points, and (P, L, M) with P values of p. Values of the exact fields are float64.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.denoisers.exact import GaussianMixture
from memlib.flow import ode_step
from memlib.measures.plaplace import p_laplace
from memlib.measures.volume import log_prior, volume_growth

EXTENT = 6.0  # the plane shown is [-EXTENT, EXTENT] in both directions
WIDEST = 4.0  # standard deviations of a mode end here
MOST_MODES = 64
CHUNK = 2**12  # points whose score is taken at once; small enough to stay in the processor's cache


@dataclass(frozen=True)
class Mode:
    """A Gaussian mode: mean (x, y), standard deviations sx and sy along its own axes, turned by
    `angle` degrees, weight.

    Raises ValueError for numbers that are not finite, widths outside [0, 4] or a weight that is not
    positive.
    """

    x: float
    y: float
    sx: float
    sy: float
    angle: float = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(number) for number in astuple(self)):
            raise ValueError(f"A mode needs six finite numbers, not {astuple(self)}.")
        if not (0 <= self.sx <= WIDEST and 0 <= self.sy <= WIDEST):
            raise ValueError(
                f"The widths of a mode must lie between 0 and {WIDEST:g}, not {self.sx:g} and "
                f"{self.sy:g}."
            )
        if max(abs(self.x), abs(self.y)) > EXTENT:
            raise ValueError(
                f"A mode must lie within {EXTENT:g} of the origin in x and y, not at {self.x:g}, "
                f"{self.y:g}."
            )
        if not 0 < self.weight <= 1e6:
            raise ValueError(
                f"The weight of a mode must be positive and at most a million, not {self.weight:g}."
            )

    @property
    def covariance(self) -> Tensor:
        """(2, 2) float64."""
        turn = math.radians(self.angle)
        axes = torch.tensor(
            [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]],
            dtype=torch.float64,
        )
        return (
            axes @ torch.diag(torch.tensor([self.sx**2, self.sy**2], dtype=torch.float64)) @ axes.T
        )


def mixture(modes: Sequence[Mode]) -> GaussianMixture:
    """The exact denoiser of a landscape. Raises ValueError for no modes or more than 64."""
    if not 1 <= len(modes) <= MOST_MODES:
        raise ValueError(f"A landscape has 1 to {MOST_MODES} modes, not {len(modes)}.")
    means = torch.tensor([[mode.x, mode.y] for mode in modes], dtype=torch.float64).view(
        -1, 1, 1, 2
    )
    weights = torch.tensor([mode.weight for mode in modes], dtype=torch.float64)
    if all(mode.sx == mode.sy for mode in modes):  # round modes have cheaper formulas
        return GaussianMixture(
            means, torch.tensor([mode.sx**2 for mode in modes], dtype=torch.float64), weights
        )
    return GaussianMixture(means, torch.stack([mode.covariance for mode in modes]), weights)


def format_modes(modes: Sequence[Mode]) -> str:
    """One short line for a link: x,y,sx,sy,angle,weight of each mode to four decimals, modes apart
    by semicolons.
    """
    return ";".join(",".join(f"{round(number, 4):g}" for number in astuple(mode)) for mode in modes)


def parse_modes(text: str) -> tuple[Mode, ...]:
    """What `format_modes` wrote. Raises ValueError for anything else."""
    if len(text) > 100 * MOST_MODES:
        raise ValueError(
            f"A landscape has 1 to {MOST_MODES} modes; this text is too long for that."
        )
    rows = [part.split(",") for part in text.split(";")]
    if not 1 <= len(rows) <= MOST_MODES or any(len(row) != 6 for row in rows):
        raise ValueError(
            f"Modes are written x,y,sx,sy,angle,weight and apart by semicolons, not {text[:80]!r}."
        )
    return tuple(Mode(*(float(number) for number in row)) for row in rows)


def three_modes() -> tuple[Mode, ...]:
    """The mixture of Brokman et al.

    (arXiv 2505.08246): a triangle of side 5 around the origin, covariance 0.1 I, equal weights.
    """
    side, width = 5.0, round(math.sqrt(0.1), 4)
    low = round(-side / (2 * math.sqrt(3)), 4)
    return (
        Mode(-side / 2, low, width, width),
        Mode(side / 2, low, width, width),
        Mode(0.0, -2 * low, width, width),
    )


def narrow_among_broad() -> tuple[Mode, ...]:
    """Two narrow modes, as memorised images are, beside and inside broad ones."""
    return (
        Mode(-2.0, 0.5, 1.5, 1.0, 30.0, 4.0),
        Mode(2.5, -1.5, 1.2, 1.2, 0.0, 4.0),
        Mode(-1.5, 1.0, 0.1, 0.1, 0.0, 0.5),
        Mode(2.5, 3.0, 0.1, 0.1, 0.0, 0.5),
    )


def one_heavy() -> tuple[Mode, ...]:
    """Equal widths, one weight ten times the others: being seen often without becoming narrow."""
    return (
        Mode(-2.5, -2.0, 0.5, 0.5, 0.0, 10.0),
        Mode(2.5, -2.0, 0.5, 0.5),
        Mode(-2.5, 2.5, 0.5, 0.5),
        Mode(2.5, 2.5, 0.5, 0.5),
    )


def ring(count: int = 8) -> tuple[Mode, ...]:
    """Modes along a circle of radius 3, long along it and thin across: data on a curve."""
    turns = [360 * place / count for place in range(count)]
    return tuple(
        Mode(
            round(3 * math.cos(math.radians(turn)), 4),
            round(3 * math.sin(math.radians(turn)), 4),
            0.2,
            0.8,
            turn,
        )
        for turn in turns
    )


def data_points(count: int, width: float) -> tuple[Mode, ...]:
    """`count` points drawn from the ring, each a round mode of the same width: 0 is the ideal
    memoriser, about 1 a smooth model.

    Point i does not depend on `count`.
    """
    if not 1 <= count <= MOST_MODES:
        raise ValueError(
            f"The number of data points must lie between 1 and {MOST_MODES}, not {count}."
        )
    source = mixture(ring())
    places = (
        torch.cat([source.sample(1, seed=point) for point in range(count)])
        .flatten(1)
        .clamp(-EXTENT, EXTENT)
    )
    return tuple(Mode(round(x, 4), round(y, 4), width, width) for x, y in places.tolist())


def grid(size: int) -> Tensor:
    """The centres of size x size cells of the plane as points (size^2, 1, 1, 2), float64, rows of
    ascending y.
    """
    line = (torch.arange(size, dtype=torch.float64) + 0.5) * (2 * EXTENT / size) - EXTENT
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).view(-1, 1, 1, 2)


def log_density(landscape: GaussianMixture, points: Tensor, sigmas: Sequence[float]) -> Tensor:
    """log p(y; sigma) in nats, (L, M)."""
    return torch.stack([landscape.log_prob(points, sigma) for sigma in sigmas])


def scores(denoiser: Denoiser, points: Tensor, sigmas: Sequence[float]) -> Tensor:
    """grad log p(y; sigma), (L, M, 2)."""
    return torch.stack([denoiser.score(points, sigma).flatten(1) for sigma in sigmas])


def p_laplacians(
    landscape: GaussianMixture, points: Tensor, sigmas: Sequence[float], powers: Sequence[float]
) -> Tensor:
    """Delta_p of log p at the points themselves, (P, L, M).

    Without bound near a mode for p < 2; see `disc_averages`.
    """
    p = torch.tensor(powers, dtype=torch.float64)[:, None]
    return torch.stack([landscape.p_laplacian(points, sigma, p) for sigma in sigmas], 1)


@torch.no_grad()
def disc_averages(
    denoiser: Denoiser,
    points: Tensor,
    sigmas: Sequence[float],
    radii: Sequence[float],
    powers: Sequence[float],
    nodes: int | None = None,
) -> Tensor:
    """Delta_p averaged over the disc of each level's radius around the points, (P, L, M), by Gauss.

    The flux through the rim is summed over `nodes` equally spaced directions, by default 32 radius
    / sigma within 24 to 96. For fields smooth along the rim the error falls faster than any power
    of 1 / nodes; where the score turns abruptly there (p near 1, little noise) it is of order 1 /
    nodes.
    """
    result = torch.empty(len(powers), len(sigmas), len(points), dtype=torch.float64)
    for level, (sigma, radius) in enumerate(zip(sigmas, radii, strict=True)):
        count = nodes or min(96, max(24, math.ceil(32 * radius / sigma)))
        turn = torch.arange(count, dtype=points.dtype) * (2 * math.pi / count)
        u = torch.stack([turn.cos(), turn.sin()], 1).to(points)  # (nodes, 2)
        step = max(1, CHUNK // count)
        for start in range(0, len(points), step):
            part = points[start : start + step].flatten(1)
            rim = part[:, None] + radius * u  # (m, nodes, 2)
            score = denoiser.score(rim.view(-1, 1, 1, 2), sigma).view(rim.shape)
            outward, size = (
                (score * u).sum(2),
                score.norm(dim=2).clamp(min=1e-300 if score.dtype == torch.float64 else 1e-30),
            )
            for place, p in enumerate(powers):
                result[place, level, start : start + step] = (size ** (p - 2) * outward).mean(1) * (
                    2 / radius
                )
    return result


def estimated_averages(
    denoiser: Denoiser,
    points: Tensor,
    sigmas: Sequence[float],
    radii: Sequence[float],
    powers: Sequence[float],
    *,
    directions: int,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """`disc_averages` estimated by `p_laplace` from so many directions, and the standard error,
    both (P, L, M).
    """
    values, errors = [], []
    for sigma, radius in zip(sigmas, radii, strict=True):
        found = p_laplace(
            denoiser, points, sigma, p=list(powers), directions=directions, radius=radius, seed=seed
        )
        unit = torch.tensor(
            [(radius / sigma**2) ** (p - 1) * 2 / radius for p in powers], dtype=torch.float64
        )[:, None]
        values.append(found.divergence.double())
        errors.append(found.stderr.double() * unit)
    return torch.stack(values, 1), torch.stack(errors, 1)


@torch.no_grad()
def growth(
    landscape: GaussianMixture, points: Tensor, sigmas: Sequence[float], substeps: int | None = None
) -> tuple[Tensor, Tensor]:
    """Log volume growth of the points at sigmas[0], accumulated up to each level, (L, M), and where
    they then are, (L, M, 2).

    The flow carries the density with it, so growth up to sigma is log p(y_0; sigma_0) - log p(y;
    sigma): no derivative is needed, only the path, here by fourth-order Runge-Kutta in ln sigma,
    `substeps` steps a level, by default 6 below sigma = 0.5, where valleys between modes are stiff,
    and 2 above. Both are independent of what the estimator does; see `divergence_integral`.
    """

    def rate(y: Tensor, sigma: float) -> Tensor:
        return -(sigma**2) * landscape.score(y, sigma)

    y = points.double()
    path = [y]
    for low, high in pairwise(sigmas):
        count = substeps or (6 if low < 0.5 else 2)
        ratio = (high / low) ** (1 / count)
        h = math.log(ratio)
        for step in range(count):
            sigma, middle = low * ratio**step, low * ratio ** (step + 0.5)
            first = rate(y, sigma)
            second = rate(y + h / 2 * first, middle)
            third = rate(y + h / 2 * second, middle)
            fourth = rate(y + h * third, sigma * ratio)
            y = y + h / 6 * (first + 2 * second + 2 * third + fourth)
        path.append(y)
    densities = torch.stack(
        [landscape.log_prob(at, sigma) for at, sigma in zip(path, sigmas, strict=True)]
    )
    return densities[0] - densities, torch.stack(path).flatten(2)


def divergence_integral(landscape: GaussianMixture, path: Tensor, sigmas: Tensor) -> Tensor:
    """The integral of -sigma^2 tr H d ln sigma along paths (L, M, 2) up to each level, (L, M), by
    the trapezoid rule.
    """
    rates = torch.stack(
        [
            -(float(sigma) ** 2)
            * landscape.hessian(at.view(-1, 1, 1, 2), float(sigma)).diagonal(dim1=1, dim2=2).sum(1)
            for at, sigma in zip(path, sigmas, strict=True)
        ]
    )
    parts = (rates[1:] + rates[:-1]) / 2 * sigmas.log().diff()[:, None]
    return torch.cat([torch.zeros_like(rates[:1]), parts.cumsum(0)])


def estimated_growth(
    denoiser: Denoiser,
    points: Tensor,
    sigmas: Sequence[float],
    *,
    probes: int | Literal["exact"],
    seed: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Growth up to each level by `volume_growth` and its standard error, both (L, M), and the log
    prior of the latents, (M,).

    The path takes one step a level. The standard error is that of the random probes, NaN for a
    single one and for "exact"; the error of the steps comes on top.
    """
    found = volume_growth(denoiser, points, sigmas=sigmas, probes=probes, seed=seed)
    value, error = (
        torch.cat([torch.zeros_like(part[:, :1]), part], 1).double()
        for part in (found.curve, found.curve_stderr)
    )
    if probes == "exact":
        error = torch.full_like(error, math.nan)
    prior = log_prior(found.latent, sigmas[-1]).sum((1, 2, 3))
    return value.T, error.T, prior


@torch.no_grad()
def carry(denoiser: Denoiser, points: Tensor, sigmas: Tensor) -> Tensor:
    """Points at sigmas[0] carried along the ODE through all levels, up or down, (L, M, 2), by
    memlib.flow's second-order step.
    """
    y, previous, path = points, None, [points]
    for k in range(len(sigmas) - 1):
        denoised = denoiser(y, float(sigmas[k]))
        y, previous = ode_step(y, denoised, previous, sigmas, k), denoised
        path.append(y)
    return torch.stack(path).flatten(2)


def square(x: float, y: float, side: float, points: int = 16) -> Tensor:
    """The outline of a square around (x, y), `points` on each side, counterclockwise, (4 points, 1,
    1, 2).
    """
    along = torch.arange(points, dtype=torch.float64) / points - 0.5
    half = torch.full_like(along, 0.5)
    outline = torch.cat(
        [
            torch.stack(pair, 1)
            for pair in ((along, -half), (half, along), (-along, half), (-half, -along))
        ]
    )
    return (outline * side + torch.tensor([x, y], dtype=torch.float64)).view(-1, 1, 1, 2)


def log_area(outlines: Tensor) -> Tensor:
    """Log of the area inside closed outlines (..., n, 2), by the shoelace formula."""
    x, y = outlines.unbind(-1)
    return ((x * y.roll(-1, -1) - x.roll(-1, -1) * y).sum(-1) / 2).abs().log()


def marked_points(modes: Sequence[Mode], most: int = 6) -> tuple[Tensor, Tensor]:
    """The means of the first `most` modes, and the midpoints of their pairs with their centroid,
    each (n, 1, 1, 2), float64.
    """
    means = torch.tensor([[mode.x, mode.y] for mode in modes[:most]], dtype=torch.float64)
    first, second = torch.triu_indices(len(means), len(means), offset=1)
    between = (
        torch.cat([(means[first] + means[second]) / 2, means.mean(0, keepdim=True)])
        if len(means) > 2
        else (means[first] + means[second]) / 2
    )
    return means.view(-1, 1, 1, 2), between.view(-1, 1, 1, 2)

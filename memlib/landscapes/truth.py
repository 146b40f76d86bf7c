"""Exact values of a mixture in the plane, as formulas or one-dimensional sums of them.

With s = grad log p(y; sigma) and H its Jacobian

    Delta_p = div(|s|^(p-2) s) = |s|^(p-2) (tr H + (p - 2) s^T H s / |s|^2)
    mean of Delta_p over the disc of radius r
        = (2 / r) mean over its rim of |s|^(p-2) s . u                                       (Gauss)
    log growth from sigma_0 to sigma
        = integral of -sigma^2 tr H d ln sigma along dy / d sigma = -sigma s
        = log p(y_0; sigma_0) - log p(y; sigma)                      (the flow carries the density)

Fields have the noise levels first: (L, M) for M points, and (P, L, M) with P values of p. Values
are float64.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.denoisers.exact import GaussianMixture
from memlib.landscapes.mixtures import EXTENT

CHUNK = (
    2**12
)  # points whose score is computed together; small enough to stay in the processor's cache


def grid(size: int) -> Tensor:
    """Return the centres of size x size cells of the plane as points (size^2, 1, 1, 2), float64, in
    rows of ascending y.
    """
    line = (torch.arange(size, dtype=torch.float64) + 0.5) * (2 * EXTENT / size) - EXTENT
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).view(-1, 1, 1, 2)


def log_density(landscape: GaussianMixture, points: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Return log p(y; sigma) in nats, (L, M)."""
    return torch.stack([landscape.log_prob(points, sigma) for sigma in sigmas])


def scores(denoiser: Denoiser, points: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Return grad log p(y; sigma), (L, M, 2)."""
    return torch.stack([denoiser.score(points, sigma).flatten(1) for sigma in sigmas])


def hessians(landscape: GaussianMixture, point: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Return the Hessian of log p(y; sigma) at one point (1, 1, 1, 2), (L, 2, 2)."""
    return torch.cat([landscape.hessian(point, sigma) for sigma in sigmas])


def principal_axes(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues (L, 2), ascending, and eigenvectors (L, 2, 2), in columns, of symmetric
    matrices (L, 2, 2).
    """
    values, axes = torch.linalg.eigh(matrices)
    return values, axes


def p_laplacians(
    landscape: GaussianMixture, points: Tensor, sigmas: Sequence[float], powers: Sequence[float]
) -> Tensor:
    """Return Delta_p of log p at the points themselves, (P, L, M).

    It is unbounded near a mode for p < 2; see `disc_averages`.
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
    """Return Delta_p averaged over the disc of each level's radius around the points, (P, L, M), by
    Gauss.

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


@torch.no_grad()
def growth(
    landscape: GaussianMixture, points: Tensor, sigmas: Sequence[float], substeps: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the log volume growth of the points at sigmas[0], accumulated up to each level, (L,
    M), and their positions there, (L, M, 2).

    The flow carries the density with it, so growth up to sigma is log p(y_0; sigma_0) - log p(y;
    sigma): no derivative is needed, only the path, here by fourth-order Runge-Kutta in ln sigma,
    `substeps` steps per level, by default 6 below sigma = 0.5, where valleys between modes are
    stiff, and 2 above. This is independent of the estimator; see `divergence_integral`.
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
    """Return the integral of -sigma^2 tr H d ln sigma along paths (L, M, 2) up to each level, (L,
    M), by the trapezoid rule.
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

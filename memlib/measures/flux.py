"""The two estimates of the p-Laplacian over a ball: the flux through its surface, and the mean
divergence inside (memlib.measures.plaplace states both).
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from memlib.denoisers.base import Denoiser
from memlib.progress import Progress
from memlib.seeds import generator, rademacher

BUDGET = 2**25  # values of displaced images in memory at once, 128 MB
WINDOW = 3  # width of the patches of the local cosine
LEAST = 1e-8  # lower bound of |g|: F_p has no direction where the score is zero
FEW = 4  # pairs
# of the volume estimator's central differences, in units of the radius; their bias is STEP^2 / 2
STEP = 0.01

Estimate = tuple[
    Tensor, Tensor, Tensor | None, Tensor | None
]  # map (P, B, H, W), draws (P, B, pairs, 1), local, loss


def boundary(
    denoiser: Denoiser,
    x: Tensor,
    middle: Tensor,
    sigma: float,
    radius: float,
    half: Tensor,
    powers: tuple[float, ...],
    seed: int,
    callback: Progress | None,
) -> Estimate:
    """Estimate K_p as mean_j(|g_j|^(p-2) g_j . u_j) over pairs u and -u, and its map.

    Coordinate i of the map is mean_j(|g_j|^(p-2) g_ji u_ji) / (d mean_j u_ji^2): dividing by the
    sampled size of u_i removes most of the map's noise. Its sum would be a biased estimate of K_p
    with 1.3 to 2.8 times the error of the plain mean, so the map is scaled to sum to the plain
    mean.
    """
    count, d, pairs = len(x), denoiser.dimension, len(half)
    square = (
        (half**2).mean(0) if pairs >= FEW else torch.full_like(half[0], 1 / d)
    )  # mean of u_i^2, (d,)
    sums = x.new_zeros(len(powers), count, d)
    terms = x.new_zeros(len(powers), count, pairs)
    cosine, loss = x.new_zeros(count, *denoiser.shape[1:]), x.new_zeros(count)
    step = max(1, BUDGET // (2 * count * d))
    for start in range(0, pairs, step):
        unit = half[start : start + step]
        u = torch.cat([unit, -unit]).view(-1, 1, *denoiser.shape)
        noise = denoiser.noise((middle + radius * u).flatten(0, 1), sigma).view(len(u), *x.shape)
        g = noise * (sigma / radius)
        product = (g * u).flatten(2)  # (directions, B, d)
        length = g.flatten(2).norm(dim=2).clamp(min=LEAST)
        weight = torch.stack([length ** (one - 2) for one in powers])  # (P, directions, B)
        sums += torch.einsum("pnb,nbi->pbi", weight, product)
        term = weight * product.sum(2)
        terms[:, :, start : start + step] = (
            term.view(len(powers), 2, len(unit), count).mean(1).transpose(1, 2)
        )
        cosine += _patch_cosines(g, u).sum(0)
        away = noise - (middle - x + radius * u) / sigma  # computed from the added noise
        loss += away.flatten(2).square().sum(2).sum(0) / (2 * pairs * d)
        if callback:
            callback(min(start + step, pairs), pairs)
    heat = (sums / (2 * pairs * d * square)).view(len(powers), *x.shape).sum(2)
    return summing_to(heat, terms.mean(2)), terms[..., None], cosine / (2 * pairs), loss


def summing_to(heat: Tensor, value: Tensor) -> Tensor:
    """Scale maps (P, B, H, W) so that each sums to its `value` (P, B).

    If the relative difference of sum and value is large, it is spread evenly instead: near 0
    scaling is meaningless.
    """
    total = heat.sum((-2, -1))
    scale = value / total
    near = (scale > 0.5) & (scale < 2)
    scaled = heat * torch.where(near, scale, 1.0)[..., None, None]
    missing = torch.where(near, 0.0, value - total) / heat[0, 0].numel()
    return scaled + missing[..., None, None]


def _patch_cosines(g: Tensor, u: Tensor) -> Tensor:
    """Return <g, u> / (|g| |u|) over WINDOW x WINDOW patches of all channels, (directions, B, H,
    W).
    """

    def box(values: Tensor) -> Tensor:
        return avg_pool2d(values.sum(2), WINDOW, stride=1, padding=WINDOW // 2)

    return box(g * u) / (box(g * g) * box(u * u)).sqrt().clamp(min=1e-20)


def volume(
    denoiser: Denoiser,
    x: Tensor,
    middle: Tensor,
    sigma: float,
    radius: float,
    half: Tensor,
    powers: tuple[float, ...],
    seed: int,
    callback: Progress | None,
) -> Estimate:
    """Estimate K_p as radius / d times the mean over the ball of div(|g|^(p-2) g), v .

    (F(z + h v) - F(z - h v)) / 2h with random signs v.
    """
    count, d, points = len(x), denoiser.dimension, len(half)
    depth = torch.stack(
        [torch.rand(1, generator=generator(seed, point, 1)) for point in range(points)]
    ).to(x) ** (1 / d)
    signs = torch.stack([rademacher((d,), seed, point, 2) for point in range(points)]).to(x)
    h = STEP * radius / math.sqrt(d)
    sums = x.new_zeros(len(powers), count, d)
    terms = x.new_zeros(len(powers), count, points)
    step = max(1, BUDGET // (2 * count * d))
    for start in range(0, points, step):
        v = signs[start : start + step].view(-1, 1, *denoiser.shape)
        inside = middle + radius * (half * depth)[start : start + step].view(-1, 1, *denoiser.shape)
        both = torch.stack([inside + h * v, inside - h * v])  # (2, points, B, C, H, W)
        g = denoiser.noise(both.flatten(0, 2), sigma).reshape(2, -1, count, d) * (sigma / radius)
        length = g.norm(dim=3, keepdim=True).clamp(min=LEAST)
        for place, one in enumerate(powers):
            field = length ** (one - 2) * g
            part = v.flatten(2) * (field[0] - field[1]) * (radius / (2 * h * d))  # (points, B, d)
            sums[place] += part.sum(0)
            terms[place, :, start : start + step] = part.sum(2).T
        if callback:
            callback(min(start + step, points), points)
    heat = (sums / points).view(len(powers), *x.shape).sum(2)
    return heat, terms[..., None], None, None

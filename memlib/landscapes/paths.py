"""Points and outlines in the plane carried along the ODE, and the area inside an outline."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import ode_step


@torch.no_grad()
def carry(denoiser: Denoiser, points: Tensor, sigmas: Tensor) -> Tensor:
    """Carry points at sigmas[0] along the ODE through all levels, up or down, by memlib.flow's
    second-order step; return (L, M, 2).
    """
    y, previous, path = points, None, [points]
    for k in range(len(sigmas) - 1):
        denoised = denoiser(y, float(sigmas[k]))
        y, previous = ode_step(y, denoised, previous, sigmas, k), denoised
        path.append(y)
    return torch.stack(path).flatten(2)


def there_and_back(denoiser: Denoiser, points: Tensor, sigmas: Tensor) -> tuple[Tensor, Tensor]:
    """Carry points from the lowest level to the highest and back; return both paths, (L, M, 2)."""
    up = carry(denoiser, points, sigmas)
    return up, carry(denoiser, up[-1].view(-1, 1, 1, 2), sigmas.flip(0))


def fine_levels(sigmas: Sequence[float], per: int) -> Tensor:
    """Return levels even in ln sigma between the first and last of `sigmas`, float64, with `per`
    steps for each of theirs.
    """
    ends = math.log(sigmas[0]), math.log(sigmas[-1])
    return torch.linspace(*ends, (len(sigmas) - 1) * per + 1, dtype=torch.float64).exp()


def at(x: float, y: float) -> Tensor:
    """Return a point of the plane, (1, 1, 1, 2) float64."""
    return torch.tensor([x, y], dtype=torch.float64).view(1, 1, 1, 2)


def square(x: float, y: float, side: float, points: int = 16) -> Tensor:
    """Return the outline of a square around (x, y), `points` on each side, counterclockwise, (4
    points, 1, 1, 2).
    """
    along = torch.arange(points, dtype=torch.float64) / points - 0.5
    half = torch.full_like(along, 0.5)
    outline = torch.cat(
        [
            torch.stack(pair, 1)
            for pair in ((along, -half), (half, along), (-along, half), (-half, -along))
        ]
    )
    return outline.view(-1, 1, 1, 2) * side + at(x, y)


def log_area(outlines: Tensor | np.ndarray) -> Tensor:
    """Return the log of the area inside closed outlines (..., n, 2), by the shoelace formula."""
    x, y = torch.as_tensor(outlines).unbind(-1)
    return ((x * y.roll(-1, -1) - x.roll(-1, -1) * y).sum(-1) / 2).abs().log()

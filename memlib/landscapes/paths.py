"""Points and outlines in the plane carried along the ODE, and the area inside an outline."""

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
    return (outline * side + torch.tensor([x, y], dtype=torch.float64)).view(-1, 1, 1, 2)


def log_area(outlines: Tensor) -> Tensor:
    """Return the log of the area inside closed outlines (..., n, 2), by the shoelace formula."""
    x, y = outlines.unbind(-1)
    return ((x * y.roll(-1, -1) - x.roll(-1, -1) * y).sum(-1) / 2).abs().log()

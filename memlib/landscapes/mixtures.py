"""Mixtures of the plane: their modes, how a link writes them, and the presets.

A landscape is a list of Gaussian modes. Points of the plane are images of shape (1, 1, 2), and
noised to level sigma the mixture stays a mixture (memlib.denoisers.exact).
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import torch
from torch import Tensor

from memlib.denoisers.exact import GaussianMixture
from memlib.quoting import quoted

EXTENT = 6.0  # the plane shown is [-EXTENT, EXTENT] in both directions
WIDEST = 4.0  # the largest standard deviation of a mode
MOST_MODES = 64


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
            "Modes are written x,y,sx,sy,angle,weight and apart by semicolons, not "
            f"{quoted(text, 80)}."
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

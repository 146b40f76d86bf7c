"""Mixtures in the plane, exact and estimated; a small network that learns one."""

from memlib.landscapes.estimates import (
    estimated_averages,
    estimated_growth,
)
from memlib.landscapes.mixtures import (
    EXTENT,
    MOST_MODES,
    WIDEST,
    Mode,
    data_points,
    format_modes,
    marked_points,
    mixture,
    narrow_among_broad,
    one_heavy,
    parse_modes,
    ring,
    three_modes,
)
from memlib.landscapes.paths import (
    carry,
    log_area,
    square,
)
from memlib.landscapes.truth import (
    disc_averages,
    divergence_integral,
    grid,
    growth,
    log_density,
    p_laplacians,
    scores,
)

__all__ = [
    "EXTENT",
    "MOST_MODES",
    "WIDEST",
    "Mode",
    "carry",
    "data_points",
    "disc_averages",
    "divergence_integral",
    "estimated_averages",
    "estimated_growth",
    "format_modes",
    "grid",
    "growth",
    "log_area",
    "log_density",
    "marked_points",
    "mixture",
    "narrow_among_broad",
    "one_heavy",
    "p_laplacians",
    "parse_modes",
    "ring",
    "scores",
    "square",
    "three_modes",
]

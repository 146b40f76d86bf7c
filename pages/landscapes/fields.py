"""What the page computes, cached by plain values: fields on a grid, numbers at the probe,
the flow.
"""

import math

import numpy as np
import streamlit as st
from torch import Tensor

from memlib import landscapes as land
from pages.widgets.plane import Flow

LEVELS = tuple(0.05 * 2 ** (k / 2) for k in range(17))  # 0.05 to 12.8
START = 3  # the level first shown, 0.14
SIZE, ARROWS = 40, 20  # cells and arrows along each side
PER_LEVEL, PARTICLES = 8, 120  # frames of the flow between two levels


@st.cache_data(max_entries=32, show_spinner=False)
def exact_fields(text: str, powers: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Return the cheap fields: log density, score and p-Laplacian at the points."""
    landscape, points = land.mixture(land.parse_modes(text)), land.grid(SIZE)
    return {
        "log_density": land.log_density(landscape, points, LEVELS).numpy(),
        "arrows": land.scores(landscape, land.grid(ARROWS), LEVELS).numpy(),
        "p_laplacian": land.p_laplacians(landscape, points, LEVELS, powers).numpy(),
    }


@st.cache_data(max_entries=400, show_spinner=False)
def disc_fields(
    text: str, level: float, radius: float, powers: tuple[float, ...], directions: int, seed: int
) -> tuple[np.ndarray, ...]:
    """Return the p-Laplacian over the disc at one level: exact, estimated, standard error, each (P,
    M).
    """
    landscape, points = land.mixture(land.parse_modes(text)), land.grid(SIZE)
    exact = land.disc_averages(landscape, points, [level], [radius], powers)
    estimate, error = land.estimated_averages(
        landscape, points, [level], [radius], powers, directions=directions, seed=seed
    )
    return tuple(values[:, 0].float().numpy() for values in (exact, estimate, error))


@st.cache_data(max_entries=32, show_spinner=False)
def growth_fields(text: str, probes: int, seed: int) -> tuple[np.ndarray, ...]:
    """Return log growth up to each level: exact, estimated, standard error, each (L, M)."""
    landscape, points = land.mixture(land.parse_modes(text)), land.grid(SIZE)
    exact, _ = land.growth(landscape, points, LEVELS)
    estimate, error, _ = land.estimated_growth(landscape, points, LEVELS, probes=probes, seed=seed)
    return exact.numpy(), estimate.numpy(), error.numpy()


@st.cache_data(max_entries=64, show_spinner=False)
def probe_rows(
    text: str,
    x: float,
    y: float,
    radii: tuple[float, ...],
    powers: tuple[float, ...],
    directions: int,
    probes: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, list[list[list[list[str]]]]]:
    """Return eigenvalues and eigenvectors of the Hessian at each level, and every quantity at the
    point as text, [p][level].
    """
    landscape, point = land.mixture(land.parse_modes(text)), land.at(x, y)
    density, score = (
        land.log_density(landscape, point, LEVELS)[:, 0],
        land.scores(landscape, point, LEVELS)[:, 0],
    )
    hessian = land.hessians(landscape, point, LEVELS)
    values, axes = land.principal_axes(hessian)
    at_point = land.p_laplacians(landscape, point, LEVELS, powers)[..., 0]
    disc = land.disc_averages(landscape, point, LEVELS, radii, powers, nodes=360)[..., 0]
    guess, error = (
        part[..., 0]
        for part in land.estimated_averages(
            landscape, point, LEVELS, radii, powers, directions=directions, seed=seed
        )
    )
    grown, _ = (part[:, 0] for part in land.growth(landscape, point, LEVELS, substeps=8))
    counted, spread, prior = land.estimated_growth(
        landscape, point, LEVELS, probes=probes, seed=seed
    )

    def row_set(place: int, level: int) -> list[list[str]]:
        p, sigma, r = powers[place], LEVELS[level], radii[level]
        size = float(score[level].norm())
        trace = float(values[level].sum())
        along = float(score[level] @ hessian[level] @ score[level]) / max(size**2, 1e-24)
        denoised = point.flatten() + sigma**2 * score[level]
        unit = -((sigma**2 / r) ** (p - 1)) * r / 2  # K_p of a disc average
        flux, k, k_guess, k_error = (
            float(disc[place, level]) * r / 2,
            *(float(part[place, level]) * unit for part in (disc, guess, error)),
        )
        total = float(counted[-1, 0] + prior[0])
        return [
            [
                "Log density",
                f"log Σₖ wₖ N(y; mₖ, Sₖ + {sigma**2:.3g} I)",
                number(density[level]),
                "",
            ],
            [
                f"Log density at σ = {LEVELS[0]:g}",
                f"log growth + log prior = {number(counted[-1, 0])} + ({number(prior[0])})",
                number(density[0]),
                plus_minus(total, float(spread[-1, 0])),
            ],
            [
                "Score s",
                f"(D − y) / σ² with D = ({number(denoised[0])}, {number(denoised[1])})",
                f"({number(score[level, 0])}, {number(score[level, 1])})",
                "",
            ],
            [
                "Hessian's eigenvalues",
                f"trace {number(values[level, 0])} + "
                f"({number(values[level, 1])}) = "
                f"{number(trace)}",
                f"{number(values[level, 0])}, {number(values[level, 1])}",
                "",
            ],
            [
                f"p-Laplacian at the point, p = {p:g}",
                "|s|^(p−2) (tr H + (p−2) sᵀHs/|s|²) = "
                f"{number(size)}^({number(p - 2)}) · "
                f"({number(trace)} + ({number(p - 2)}) · "
                f"({number(along)}))",
                number(at_point[place, level]),
                "",
            ],
            [
                f"p-Laplacian over the disc, p = {p:g}",
                f"(2/r) E[|s|^(p−2) s·u] = (2/{r:.3g}) · ({number(flux)})",
                number(disc[place, level]),
                plus_minus(float(guess[place, level]), float(error[place, level])),
            ],
            [
                f"K, p = {p:g}",
                f"−(σ²/r)^(p−1) E[|s|^(p−2) s·u] = −({sigma**2 / r:.3g})^{p - 1:g} "
                f"· ({number(flux)})",
                number(k),
                plus_minus(k_guess, abs(k_error)),
            ],
            [
                "Growth rate d − tr J",
                f"−σ² tr H = −{sigma**2:.3g} · ({number(trace)})",
                number(-(sigma**2) * trace),
                "",
            ],
            [
                f"Log growth up to σ = {sigma:.3g}",
                f"log p(y₀; {LEVELS[0]:g}) − log p(y; σ) along "
                "the path; ceiling 2 "
                f"ln({sigma / LEVELS[0]:.3g}) = "
                f"{2 * math.log(sigma / LEVELS[0]):.3g}",
                number(grown[level]),
                plus_minus(float(counted[level, 0]), float(spread[level, 0])),
            ],
        ]

    rows = [[row_set(place, level) for level in range(len(LEVELS))] for place in range(len(powers))]
    return values.numpy(), axes.numpy(), rows


def number(value: float | Tensor) -> str:
    """Write four digits and a typographic minus sign."""
    return f"{float(value):.4g}".replace("-", "−")


def plus_minus(value: float, error: float) -> str:
    return number(value) + (f" ± {error:.2g}" if math.isfinite(error) else "")


def fine_levels() -> Tensor:
    """Return the noise levels of the flow's frames."""
    return land.fine_levels(LEVELS, PER_LEVEL)


@st.cache_data(max_entries=32, show_spinner=False)
def flow_paths(text: str, x: float, y: float, side: float, seed: int) -> Flow:
    """Carry particles drawn from the landscape and a square around the probe up to the latent and
    back down.
    """
    landscape, levels = land.mixture(land.parse_modes(text)), fine_levels()
    starts = landscape.sample(PARTICLES, seed=seed).double(), land.square(x, y, side)
    (up, down), (up_square, down_square) = (
        [path.numpy() for path in land.there_and_back(landscape, start, levels)] for start in starts
    )
    return Flow(up, down, up_square, down_square, PER_LEVEL)


def square_area(flow: Flow) -> np.ndarray:
    """Return the log area of the flow's square at every frame on the way up."""
    return np.asarray(land.log_area(flow.square_up))


@st.cache_data(max_entries=32, show_spinner=False)
def growth_of_point(
    text: str, x: float, y: float, probes: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the log growth of one point: the integral of the divergence at every frame of the
    flow, and the change of density, the estimate and its standard error at each level.
    """
    landscape, point = land.mixture(land.parse_modes(text)), land.at(x, y)
    integral = land.divergence_integral(
        landscape, land.carry(landscape, point, fine_levels()), fine_levels()
    )
    exact, _ = land.growth(landscape, point, LEVELS, substeps=8)
    estimate, error, _ = land.estimated_growth(landscape, point, LEVELS, probes=probes, seed=seed)
    return integral[:, 0].numpy(), exact[:, 0].numpy(), estimate[:, 0].numpy(), error[:, 0].numpy()

"""Landscapes: every field of the plane against finite differences, quadrature or a conservation
law; estimates within their errors.
"""

import math
from dataclasses import astuple, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from memlib import GaussianMixture
from memlib import landscapes as land
from memlib.landscapes import Mode

PRESETS = {
    "three modes": land.three_modes(),
    "narrow among broad": land.narrow_among_broad(),
    "one heavy": land.one_heavy(),
    "ring": land.ring(),
    "points": land.data_points(6, 0.3),
    "point masses": land.data_points(4, 0.0),
}
SIGMAS = (0.3, 1.0)
POWERS = (1.0, 1.5, 2.0, 3.0)


def some_points(count: int = 40) -> Tensor:
    return (
        torch.rand(count, 1, 1, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        * 8
        - 4
    )


def shifted(points: Tensor, axis: int, step: float) -> Tensor:
    moved = points.clone()
    moved[..., axis] += step
    return moved


@pytest.fixture(params=PRESETS)
def landscape(request: pytest.FixtureRequest) -> GaussianMixture:
    return land.mixture(PRESETS[request.param])


def test_the_first_landscape_is_the_papers() -> None:
    means = torch.tensor([[mode.x, mode.y] for mode in land.three_modes()])
    torch.testing.assert_close(torch.pdist(means), torch.full((3,), 5.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(means.mean(0), torch.zeros(2), atol=1e-3, rtol=0)
    assert all(mode.sx**2 == pytest.approx(0.1, rel=1e-3) for mode in land.three_modes())


def test_a_turned_mode_has_its_first_width_along_its_angle() -> None:
    covariance = Mode(0, 0, 2.0, 0.5, angle=30).covariance
    along = torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)], dtype=torch.float64)
    torch.testing.assert_close(covariance @ along, 4 * along)
    draws = land.mixture([Mode(1, -1, 2.0, 0.5, angle=30)]).sample(20_000).flatten(1).double()
    torch.testing.assert_close(draws.T.cov(), covariance, atol=0.1, rtol=0)


def test_data_points_stay_where_they_are_when_more_are_drawn() -> None:
    assert land.data_points(20, 0.1)[:5] == land.data_points(5, 0.1)


@pytest.mark.parametrize("modes", PRESETS.values(), ids=PRESETS)
def test_modes_survive_a_link(modes: tuple[Mode, ...]) -> None:
    assert land.parse_modes(land.format_modes(modes)) == tuple(
        replace(mode, angle=round(mode.angle, 4)) for mode in modes
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2,3",
        "a,b,c,d,e,f",
        "0,0,nan,1,0,1",
        "0,0,9,1,0,1",
        "9,0,1,1,0,1",
        "0,0,1,1,0,0",
        "0,0,1,1,0,1;" * 65,
        "1" * 9999,
    ],
)
def test_a_bad_link_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError):
        land.parse_modes(text)
    with pytest.raises(ValueError, match="64"):
        land.mixture([])


def test_the_score_and_the_p_laplacian_are_the_derivatives_they_are_called(
    landscape: GaussianMixture,
) -> None:
    points, step = some_points(), 1e-4
    slopes = [
        (
            land.log_density(landscape, shifted(points, axis, step), SIGMAS)
            - land.log_density(landscape, shifted(points, axis, -step), SIGMAS)
        )
        / (2 * step)
        for axis in (0, 1)
    ]
    score = land.scores(landscape, points, SIGMAS)
    torch.testing.assert_close(score, torch.stack(slopes, -1), rtol=1e-5, atol=1e-5)

    def flow(at: Tensor, p: float) -> Tensor:
        score = land.scores(landscape, at, SIGMAS)
        return score * score.norm(dim=-1, keepdim=True) ** (p - 2)

    step = 1e-5
    expected = torch.stack(
        [
            sum(
                (flow(shifted(points, axis, step), p) - flow(shifted(points, axis, -step), p))[
                    ..., axis
                ]
                for axis in (0, 1)
            )
            / (2 * step)
            for p in POWERS
        ]
    )
    torch.testing.assert_close(
        land.p_laplacians(landscape, points, SIGMAS, POWERS), expected, rtol=1e-4, atol=1e-4
    )


def test_the_average_over_a_disc_is_the_integral_of_the_p_laplacian() -> None:
    """Gauss-Legendre times trapezoid over the disc itself, away from zeros of the score."""
    landscape, radius = land.mixture(PRESETS["ring"]), 0.4
    points = torch.tensor([[1.0, 2.0], [-2.0, 1.2], [3.5, 2.5]], dtype=torch.float64).view(
        -1, 1, 1, 2
    )
    turn = torch.arange(128, dtype=torch.float64) * (2 * math.pi / 128)
    share, weight = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(24))
    depth = radius * (share + 1) / 2
    inside = depth[:, None, None] * torch.stack([turn.cos(), turn.sin()], 1)
    weights = (weight * depth)[:, None].expand(-1, 128) / (weight * depth).sum() / 128
    for place, p in enumerate(POWERS):
        found = land.disc_averages(landscape, points, SIGMAS, [radius] * 2, POWERS)[place]
        for level, sigma in enumerate(SIGMAS):
            each = landscape.p_laplacian(
                (points[:, None, 0, 0] + inside.view(-1, 2)).view(-1, 1, 1, 2), sigma, p
            ).view(len(points), -1)
            torch.testing.assert_close(found[level], each @ weights.flatten(), rtol=1e-5, atol=1e-6)


def test_the_fluxes_of_the_papers_mixture_are_known() -> None:
    """Phi_p without noise at a mode, a midpoint and the centroid, by other quadrature."""
    modes = land.three_modes()
    at_modes, between = land.marked_points(modes)
    points = torch.cat([at_modes[:1], between[:1], between[-1:]])
    found = (
        land.disc_averages(land.mixture(modes), points, [1e-9], [1.0], POWERS, nodes=4096)[:, 0] / 2
    )
    expected = torch.tensor(
        [[-1, 0.3723, 0.6888], [-3.162, 1.486, 3.082], [-10, 5.905, 13.86], [-100, 91.6, 282.7]],
        dtype=torch.float64,
    )
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=2e-3)


def test_few_nodes_are_enough_where_the_page_uses_them() -> None:
    landscape, points = land.mixture(PRESETS["narrow among broad"]), some_points(200)
    sigmas, radii = (0.1, 0.4, 1.6), (1.0,) * 3
    coarse = land.disc_averages(landscape, points, sigmas, radii, POWERS)
    fine = land.disc_averages(landscape, points, sigmas, radii, POWERS, nodes=2048)
    unit = torch.tensor(
        [
            [
                [(sigma**2 / radius) ** (p - 1) * radius / 2]
                for sigma, radius in zip(sigmas, radii, strict=True)
            ]
            for p in POWERS
        ]
    )
    wrong = ((coarse - fine) * unit).abs()
    assert wrong.quantile(0.99) < 5e-3
    assert wrong.max() < 0.05


@pytest.mark.parametrize("name", PRESETS)
def test_estimated_minus_exact_is_within_four_standard_errors_on_the_grid(name: str) -> None:
    """In units of K_p, over every level of this range, p, and cell."""
    landscape, points = land.mixture(PRESETS[name]), land.grid(12)
    sigmas, radii = (0.1, 0.4, 1.6, 6.4), (1.0, 0.5, 1.0, 1.0)
    exact = land.disc_averages(landscape, points, sigmas, radii, POWERS, nodes=1024)
    estimate, error = land.estimated_averages(
        landscape, points, sigmas, radii, POWERS, directions=64, seed=3
    )
    unit = torch.tensor(
        [
            [
                [(sigma**2 / radius) ** (p - 1) * radius / 2]
                for sigma, radius in zip(sigmas, radii, strict=True)
            ]
            for p in POWERS
        ]
    )
    inside = ((estimate - exact).abs() * unit) <= 4 * error * unit + 1e-3
    assert inside.double().mean() >= 0.99


def test_growth_is_the_integral_of_the_divergence_along_the_path(
    landscape: GaussianMixture,
) -> None:
    points = landscape.sample(40, seed=2).double()
    points += 0.2 * torch.randn(
        points.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    levels = [0.2 * 2 ** (k / 2) for k in range(9)]
    grown, path = land.growth(landscape, points, levels)
    fine = torch.linspace(
        math.log(levels[0]), math.log(levels[-1]), 8 * 64 + 1, dtype=torch.float64
    ).exp()
    carried = land.carry(landscape, points, fine)
    integral = land.divergence_integral(landscape, carried, fine)
    torch.testing.assert_close(grown, integral[::64], atol=5e-3, rtol=0)
    torch.testing.assert_close(path, carried[::64], atol=5e-3, rtol=0)


def test_growth_is_the_log_determinant_of_the_map_to_the_latent() -> None:
    landscape, points, step = land.mixture(land.ring()), some_points(20), 1e-5
    levels = [0.4 * 2 ** (k / 2) for k in range(6)]

    def latents(at: Tensor) -> Tensor:
        return land.growth(landscape, at, levels, substeps=24)[1][-1]

    columns = [
        (latents(shifted(points, axis, step)) - latents(shifted(points, axis, -step))) / (2 * step)
        for axis in (0, 1)
    ]
    expected = torch.linalg.slogdet(torch.stack(columns, -1)).logabsdet
    torch.testing.assert_close(
        land.growth(landscape, points, levels)[0][-1], expected, atol=0.01, rtol=0
    )


def test_estimated_growth_is_the_exact_one_within_its_error_and_the_ladders() -> None:
    landscape = land.mixture(land.narrow_among_broad())
    points, levels = landscape.sample(200, seed=2), [0.1 * 2 ** (k / 4) for k in range(25)]
    exact, path = land.growth(landscape, points, levels)
    estimate, error, prior = land.estimated_growth(landscape, points, levels, probes=16, seed=1)
    assert ((estimate - exact).abs() <= 4 * error + 0.1).double().mean() > 0.97
    assert (estimate[0] == 0).all()
    assert (error[0] == 0).all()
    expected = -(path[-1] ** 2).sum(1) / (2 * levels[-1] ** 2) - math.log(
        2 * math.pi * levels[-1] ** 2
    )
    torch.testing.assert_close(prior, expected, atol=0.02, rtol=0.01)
    exactly, unknown, _ = land.estimated_growth(landscape, points, levels, probes="exact")
    assert (exactly - exact).abs().median() < 0.03
    assert unknown[1:].isnan().all()


def test_the_standard_error_of_growth_is_its_spread_over_seeds() -> None:
    landscape = land.mixture(land.narrow_among_broad())
    points, levels = some_points(12), [0.2 * 2 ** (k / 2) for k in range(9)]
    draws = [
        land.estimated_growth(landscape, points, levels, probes=8, seed=seed) for seed in range(60)
    ]
    for level in (4, 8):
        spread = torch.stack([value[level] for value, _, _ in draws]).std(0)
        claimed = torch.stack([error[level] for _, error, _ in draws]).square().mean(0).sqrt()
        assert 0.75 < (spread.norm() / claimed.norm()) < 1.25


def test_a_small_square_grows_by_the_integral_of_the_divergence_and_returns() -> None:
    landscape = land.mixture(land.three_modes())
    levels = torch.linspace(math.log(0.1), math.log(10), 129, dtype=torch.float64).exp()
    outline = land.square(-2.0, -1.0, 0.01)
    assert float(land.log_area(outline.flatten(1))) == pytest.approx(2 * math.log(0.01))
    up = land.carry(landscape, outline, levels)
    grown, path = land.growth(
        landscape, torch.tensor([-2.0, -1.0], dtype=torch.float64).view(1, 1, 1, 2), levels.tolist()
    )
    area = land.log_area(up)
    torch.testing.assert_close(area - area[0], grown[:, 0], atol=0.01, rtol=0)
    torch.testing.assert_close(up[-1].mean(0), path[-1, 0], atol=1e-2, rtol=0)
    down = land.carry(landscape, up[-1].view(-1, 1, 1, 2), levels.flip(0))
    torch.testing.assert_close(down[-1], outline.flatten(1), atol=1e-3, rtol=0)


def test_marked_points_are_the_modes_their_midpoints_and_the_centroid() -> None:
    modes, between = land.marked_points(land.three_modes())
    assert len(modes) == 3
    assert len(between) == 4
    torch.testing.assert_close(
        between[-1].flatten(), torch.zeros(2, dtype=torch.float64), atol=1e-3, rtol=0
    )
    assert [len(part) for part in land.marked_points(land.data_points(1, 0.1))] == [1, 0]
    assert len(land.marked_points(land.ring(12))[0]) == 6


def test_the_grid_is_the_centres_of_cells_in_rows_of_ascending_y() -> None:
    points = land.grid(4).flatten(1)
    assert points[1].tolist() == [-1.5, -4.5]
    assert points[4].tolist() == [-4.5, -1.5]
    assert all(len(astuple(mode)) == 6 for mode in land.ring())


def test_fine_levels_pass_through_the_levels_and_a_path_there_and_back_ends_where_it_began() -> (
    None
):
    levels = [0.5 * 2 ** (k / 2) for k in range(5)]
    fine = land.fine_levels(levels, 8)
    torch.testing.assert_close(fine[::8], torch.tensor(levels, dtype=torch.float64))
    landscape = land.mixture(land.three_modes())
    up, down = land.there_and_back(landscape, some_points(5), fine)
    torch.testing.assert_close(down[0], up[-1])
    torch.testing.assert_close(down[-1], up[0], atol=0.05, rtol=0)
    assert (up[-1] - up[0]).norm(dim=-1).min() > 0.5


def test_the_principal_axes_rebuild_the_hessian() -> None:
    landscape = land.mixture(land.ring())
    found = land.hessians(landscape, land.at(1.0, -0.5), SIGMAS)
    values, axes = land.principal_axes(found)
    torch.testing.assert_close(axes @ values.diag_embed() @ axes.mT, found)
    assert (values[:, 0] <= values[:, 1]).all()

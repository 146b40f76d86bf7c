"""p-Laplace against the exact table, closed forms, the volume estimator, and everything it must not
depend on.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from memlib import FiniteDataset, GaussianMixture, denoising_loss, p_laplace
from memlib.measures.flux import FEW, summing_to
from memlib.measures.result import difference
from memlib.seeds import generator
from memlib.statistics import auc_interval

POWERS = (1.0, 1.5, 2.0, 3.0)
TABLE = {  # mean flux of |s|^(p-2) s through circles of two radii, by quadrature
    (0.5, "mode"): (-1.0000, -2.236, -5.000, -25.00),
    (0.5, "midpoint"): (0.5067, 2.354, 10.87, 230.3),
    (0.5, "centroid"): (0.7934, 3.854, 18.81, 452.5),
    (1.0, "mode"): (-1.0000, -3.162, -10.00, -100.0),
    (1.0, "midpoint"): (0.3723, 1.486, 5.905, 91.6),
    (1.0, "centroid"): (0.6888, 3.082, 13.86, 282.7),
}


def plane(points: list[tuple[float, float]]) -> Tensor:
    return torch.tensor(points).view(-1, 1, 1, 2)


def three_modes() -> tuple[GaussianMixture, dict[str, Tensor]]:
    corners = torch.tensor([(0.0, 0.0), (5.0, 0.0), (2.5, 2.5 * math.sqrt(3))])
    corners = corners - corners.mean(0)
    places = {
        "mode": corners[0],
        "midpoint": (corners[0] + corners[1]) / 2,
        "centroid": torch.zeros(2),
    }
    return GaussianMixture(corners.view(3, 1, 1, 2), 0.1), {
        name: point.view(1, 1, 1, 2) for name, point in places.items()
    }


@pytest.mark.parametrize(("radius", "place"), list(TABLE))
def test_the_flux_of_three_modes_is_the_exact_table(radius: float, place: str) -> None:
    mixture, points = three_modes()
    result = p_laplace(mixture, points[place], 1e-3, p=POWERS, radius=radius, directions=4096)
    for row, exact in enumerate(TABLE[radius, place]):
        p = POWERS[row]
        error = float(result.stderr[row, 0]) * (radius / 1e-6) ** (p - 1)  # of the flux
        assert float(result.flux[row, 0]) == pytest.approx(exact, abs=3 * error + 1e-3 * abs(exact))
        assert float(result.divergence[row, 0]) == pytest.approx(
            2 / radius * float(result.flux[row, 0]), rel=1e-5
        )


@pytest.mark.parametrize(("variance", "sigma"), [(1.0, 0.3), (0.05, 0.3), (1e-4, 1.0)])
def test_the_laplacian_of_a_gaussian_is_its_closed_form(variance: float, sigma: float) -> None:
    gaussian = GaussianMixture(torch.zeros(1, 3, 4, 4), variance)
    result = p_laplace(gaussian, gaussian.sample(4), sigma, p=2.0, directions=512)
    exact = torch.full((4,), -48 / (variance + sigma**2))
    torch.testing.assert_close(result.divergence, exact, rtol=0.01, atol=0)


@pytest.mark.parametrize("variance", [0.01, 0.1, 1.0])
def test_at_a_mode_p_1_does_not_see_the_width_and_p_2_does(variance: float) -> None:
    gaussian = GaussianMixture(torch.zeros(1, 1, 4, 4), variance)
    result = p_laplace(gaussian, torch.zeros(1, 1, 4, 4), 0.1, p=(1.0, 2.0), radius=0.5)
    assert float(result.flux[0, 0]) == pytest.approx(-1, abs=1e-4)
    assert float(result.value[1, 0]) == pytest.approx(0.01 / (variance + 0.01), rel=1e-4)
    assert float(result.value[0, 0]) > float(result.value[1, 0])


@pytest.mark.parametrize("sigma", [1e-3, 0.05, 0.3])
@pytest.mark.parametrize("radius", [None, 0.01, 0.5])
def test_an_isolated_image_has_the_value_one_for_every_p_and_radius(
    sigma: float, radius: float | None
) -> None:
    far = torch.stack([torch.full((3, 4, 4), value) for value in (-0.9, 0.0, 0.9)])
    result = p_laplace(
        FiniteDataset(far * 10),
        far * 10,
        sigma,
        p=(1.0, 1.5, 2.0, 3.0, 4.0),
        radius=radius,
        directions=16,
    )
    torch.testing.assert_close(result.value, torch.ones(5, 3), rtol=0, atol=1e-4)
    torch.testing.assert_close(result.local, torch.ones(3, 4, 4), rtol=0, atol=1e-3)


def test_in_high_dimension_the_value_is_that_of_the_collapsed_share() -> None:
    """K_p ~ (mean of sigma^2 / (lambda + sigma^2))^(p/2) for a sample of a Gaussian with spectrum
    lambda.
    """
    for variance, table in ((1e-3, (0.988, 0.977)), (1e-1, (0.540, 0.295))):
        gaussian = GaussianMixture(torch.zeros(1, 1, 8, 8), variance)
        result = p_laplace(gaussian, gaussian.sample(64), 0.2, p=(1.0, 2.0), directions=128)
        for row, expected in enumerate(table):
            assert float(result.value[row].mean()) == pytest.approx(expected, abs=0.02)


def test_boundary_and_volume_estimate_the_same(mixture: GaussianMixture) -> None:
    images = mixture.sample(3)
    boundary, volume = (
        p_laplace(mixture, images, 0.4, p=POWERS, directions=8192, method=method)
        for method in ("boundary", "volume")
    )
    error = (boundary.stderr**2 + volume.stderr**2).sqrt()
    assert ((boundary.value - volume.value).abs() < 4 * error + 2e-3).all()
    assert float((boundary.map - volume.map).abs().max()) < 0.02
    assert volume.local is None


@pytest.mark.parametrize("p", POWERS)
def test_the_volume_estimator_has_the_value_one_at_an_isolated_image(p: float) -> None:
    point = torch.zeros(1, 3, 8, 8)
    result = p_laplace(FiniteDataset(point), point, 0.3, p=p, directions=512, method="volume")
    assert float(result.value[0]) == pytest.approx(1, abs=4 * float(result.stderr[0]) + 1e-3)


@pytest.mark.parametrize("method", ["boundary", "volume"])
def test_the_map_sums_to_the_value_and_the_draws_average_to_it(
    mixture: GaussianMixture, method: str
) -> None:
    result = p_laplace(mixture, mixture.sample(5), 0.3, p=POWERS, directions=32, method=method)  # type: ignore[arg-type]
    torch.testing.assert_close(result.map.sum((2, 3)), result.value, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(result.draws.mean(2)[..., 0], result.value, rtol=1e-4, atol=1e-5)
    assert result.statistic is result.value
    assert result.heatmap is result.map


def unit_directions(d: int, directions: int, seed: int) -> Tensor:
    """The directions (directions, d) of a seed, in opposite pairs."""
    half = torch.stack(
        [torch.randn(d, generator=generator(seed, i)) for i in range(directions // 2)]
    )
    half = half / half.norm(dim=1, keepdim=True)
    return torch.cat([half, -half])


def test_k_1_is_the_plain_mean_of_the_cosines_without_bias_and_errs_less_than_a_ratio() -> None:
    """Dividing each coordinate by its chance size errs 1.3 times as much, and is biased."""
    spectrum = torch.diag(torch.logspace(-4, 0, 192))[None]
    gaussian, sigma = GaussianMixture(torch.zeros(1, 3, 8, 8), spectrum), 0.3
    image = gaussian.sample(1)

    def products(directions: int, seed: int) -> tuple[Tensor, Tensor]:
        u = unit_directions(192, directions, seed)
        g = gaussian.noise((image.flatten() + sigma * 192**0.5 * u).view(-1, 3, 8, 8), sigma)
        unit = g.flatten(1) / g.flatten(1).norm(dim=1, keepdim=True)
        return u, unit * u

    truth = torch.cat([products(4096, seed)[1].sum(1) for seed in (1000, 1001, 1002)]).mean()
    found, ratio = torch.empty(300), torch.empty(300)
    for seed in range(len(found)):
        u, product = products(16, seed)
        found[seed] = p_laplace(gaussian, image, sigma, directions=16, seed=seed).value
        assert float(found[seed]) == pytest.approx(float(product.sum(1).mean()), abs=1e-6)
        ratio[seed] = (product.mean(0) / (u**2).mean(0)).mean()
    assert float((found.mean() - truth).abs()) < 3 * float(found.std()) / len(found) ** 0.5
    errors = [float((each - truth).square().mean().sqrt()) for each in (found, ratio)]
    assert errors[1] > 1.3 * errors[0]


@pytest.mark.parametrize("directions", [2, 8, 16])
def test_the_map_is_the_self_normalised_one_scaled_to_sum_to_the_value(directions: int) -> None:
    gaussian = GaussianMixture(torch.zeros(1, 1, 8, 8), torch.diag(torch.logspace(-3, 0, 64))[None])
    image, sigma = gaussian.sample(1), 0.3
    u = unit_directions(64, directions, 0)
    g = gaussian.noise((image.flatten() + sigma * 8 * u).view(-1, 1, 8, 8), sigma).flatten(1)
    share = (g / g.norm(dim=1, keepdim=True) * u).mean(0)
    share = share / (u**2).mean(0) if directions // 2 >= FEW else share
    result = p_laplace(gaussian, image, sigma, directions=directions)
    expected = (share * result.value / share.sum()).view(1, 8, 8)
    torch.testing.assert_close(result.map, expected, rtol=1e-4, atol=1e-6)


def test_a_map_whose_sum_is_far_from_the_value_is_shifted_not_blown_up() -> None:
    heat = torch.tensor([[[[1.0, -1.0], [0.5, -0.4]], [[0.2, 0.3], [0.1, 0.4]]]])
    value = torch.tensor([[2.0, 1.1]])
    scaled = summing_to(heat, value)
    torch.testing.assert_close(scaled.sum((-2, -1)), value)
    torch.testing.assert_close(scaled[0, 1], 1.1 * heat[0, 1])
    torch.testing.assert_close(scaled[0, 0], heat[0, 0] + 1.9 / 4)
    assert summing_to(torch.zeros(1, 1, 2, 2), torch.ones(1, 1)).isfinite().all()


@pytest.mark.parametrize("p", POWERS)
def test_the_error_of_a_difference_of_two_models_is_that_of_the_paired_terms(
    p: float, mixture: GaussianMixture
) -> None:
    """Both models see the same directions: what errs alike cancels, for every p of a row."""
    other = GaussianMixture(
        mixture.means.view(3, 3, 2, 2) * 1.05,
        mixture.axes @ torch.diag_embed(mixture.spectra * 1.1) @ mixture.axes.mT,
    )
    images, parts = mixture.sample(1), []
    for seed in range(100):
        own, reference = (
            p_laplace(m, images, 0.3, p=POWERS, directions=16, seed=seed).row(0)
            for m in (mixture, other)
        )
        parts.append(difference(own, reference))
    spread = np.std([part[f"K_{p:g}"] for part in parts])
    stated = math.sqrt(np.mean([part[f"stderr_{p:g}"] ** 2 for part in parts]))
    assert stated / spread == pytest.approx(1, abs=0.25)
    assert stated < own[f"stderr_{p:g}"] / 2
    assert parts[-1]["stderr"] == parts[-1]["stderr_1"]


def test_a_row_without_the_terms_is_still_subtracted_with_an_upper_bound(
    mixture: GaussianMixture,
) -> None:
    """Runs of an earlier version keep the numbers alone."""
    row = p_laplace(mixture, mixture.sample(1), 0.3, p=POWERS, directions=8).row(0)
    old = {name: value for name, value in row.items() if not name.startswith("draws")}
    for one, other in ((row, old), (old, row), (old, old)):
        found = difference(one, other)
        assert found["stderr_2"] == pytest.approx(row["stderr_2"] * math.sqrt(2))
        assert not any(name.startswith("draws") for name in found)


@pytest.mark.parametrize(("directions", "slack"), [(4, 0.35), (6, 0.35), (16, 0.35), (64, 0.3)])
def test_the_standard_error_is_the_spread_over_seeds(directions: int, slack: float) -> None:
    gaussian = GaussianMixture(torch.zeros(1, 1, 8, 8), torch.diag(torch.logspace(-3, 0, 64))[None])
    images = gaussian.sample(2)
    runs = [
        p_laplace(gaussian, images, 0.3, p=(1.0, 3.0), directions=directions, seed=seed)
        for seed in range(150)
    ]
    spread = torch.stack([run.value for run in runs]).std(0)
    stated = torch.stack([run.stderr for run in runs]).square().mean(0).sqrt()
    assert ((stated / spread - 1).abs() < slack).all(), stated / spread
    assert float(spread.max()) < 0.5 / directions**0.5


def test_several_p_are_those_of_single_ones_and_a_value_does_not_depend_on_its_batch(
    mixture: GaussianMixture,
) -> None:
    images = mixture.sample(4)
    together = p_laplace(mixture, images, 0.3, p=POWERS, directions=8)
    for row, p in enumerate(POWERS):
        alone = p_laplace(mixture, images[2:3], 0.3, p=p, directions=8)
        torch.testing.assert_close(together.value[row, 2:3], alone.value, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.map[row, 2:3], alone.map, rtol=1e-3, atol=1e-5)
    assert torch.equal(together.map, p_laplace(mixture, images, 0.3, p=POWERS, directions=8).map)
    assert not torch.equal(
        together.map, p_laplace(mixture, images, 0.3, p=POWERS, directions=8, seed=1).map
    )


def test_chunks_of_directions_change_nothing(
    mixture: GaussianMixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memlib.measures import flux

    images, seen = mixture.sample(3), []
    for method in ("boundary", "volume"):
        whole = p_laplace(mixture, images, 0.3, p=POWERS, directions=16, method=method)  # type: ignore[arg-type]
        with monkeypatch.context() as patch:
            patch.setattr(flux, "BUDGET", 2 * 3 * 12 * 3)
            parts = p_laplace(
                mixture,
                images,
                0.3,
                p=POWERS,
                directions=16,
                method=method,
                callback=lambda *count: seen.append(count),  # type: ignore[arg-type]
            )
        torch.testing.assert_close(parts.value, whole.value, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(parts.draws, whole.draws, rtol=1e-4, atol=1e-5)
    assert seen == [(3, 8), (6, 8), (8, 8)] * 2


def test_the_loss_beside_it_is_the_denoising_loss(mixture: GaussianMixture) -> None:
    images = mixture.sample(3)
    beside = p_laplace(mixture, images, 0.5, directions=4096).loss
    alone = denoising_loss(mixture, images, 0.5, draws=4096)
    torch.testing.assert_close(
        beside, alone.value, rtol=0.08, atol=0
    )  # on the sphere, and inside the shell around it
    gaussian = GaussianMixture(torch.zeros(1, 3, 8, 8), 1.0)
    exact = (1 / 1.25) ** 2
    assert float(
        p_laplace(gaussian, torch.zeros(1, 3, 8, 8), 0.5, directions=256).loss[0]
    ) == pytest.approx(exact, rel=0.01)


def test_a_noised_centre_is_another_measurement_and_at_a_small_radius_the_pointwise_one(
    mixture: GaussianMixture,
) -> None:
    images = mixture.sample(3)
    clean, noised = (
        p_laplace(mixture, images, 0.5, p=2.0, center=center, radius=0.02, directions=4096)
        for center in ("clean", "noised")
    )
    exact = mixture.p_laplacian(images, 0.5, p=2.0).float()
    assert (
        (clean.divergence - exact).abs()
        < 4 * clean.stderr * 12 / 0.02 * (0.02 / 0.25) + 0.02 * exact.abs()
    ).all()
    assert (
        (noised.divergence - mixture.p_laplacian(noised_centre(images), 0.5, p=2.0).float()).abs()
        < 0.05 * exact.abs()
    ).all()
    ones = [
        p_laplace(mixture, images, 0.5, p=1.0, center=center, radius=0.02, directions=4096).value
        for center in ("clean", "noised")
    ]
    assert not torch.allclose(*ones, rtol=0.05)


def noised_centre(images: Tensor) -> Tensor:
    from memlib.measures.plaplace import NOISED

    return images + 0.5 * torch.randn(images.shape[1:], generator=generator(0, NOISED))


@pytest.mark.parametrize("p", POWERS)
def test_the_closed_form_is_the_divergence_by_central_differences(
    mixture: GaussianMixture, p: float
) -> None:
    points, h, sigma = mixture.sample(4).double(), 1e-5, 0.4

    def field(y: Tensor) -> Tensor:
        score = mixture.score(y, sigma).flatten(1)
        return ((score**2).sum(1, keepdim=True) + 1e-24) ** ((p - 2) / 2) * score

    total = torch.zeros(4, dtype=torch.float64)
    for axis in torch.eye(12, dtype=torch.float64).view(12, 1, 3, 2, 2):
        total += (
            (field(points + h * axis) - field(points - h * axis)).view(4, 12) * axis.flatten()
        ).sum(1) / (2 * h)
    torch.testing.assert_close(mixture.p_laplacian(points, sigma, p), total, rtol=1e-6, atol=1e-6)


def test_a_row_holds_every_p_and_maps_only_on_request(mixture: GaussianMixture) -> None:
    images = mixture.sample(2)
    row = p_laplace(mixture, images, 0.3, p=POWERS, directions=8).row(1)
    assert {
        "value",
        "stderr",
        "loss",
        "K_1",
        "K_1.5",
        "K_2",
        "K_3",
        "stderr_3",
        "flux_2",
        "divergence_1.5",
    } <= set(row)
    arrays = {name: value.shape for name, value in row.items() if isinstance(value, np.ndarray)}
    assert arrays == dict.fromkeys(["draws", *(f"draws_{p:g}" for p in POWERS)], (4, 1))
    kept = p_laplace(mixture, images, 0.3, p=POWERS, directions=8, keep_maps=True).row(1)
    assert kept["maps"].shape == (4, 2, 2)
    assert kept["local"].shape == (2, 2)
    assert kept["maps"][2].sum() == pytest.approx(kept["K_2"], rel=1e-5)


def test_a_half_precision_network_is_measured_in_float32(tmp_path: object) -> None:
    from memlib import load_denoiser, load_images

    denoiser = load_denoiser("demo", "cpu")  # shipped in half precision
    images = load_images("demo").batch([0, 1])
    result, volume = (
        p_laplace(denoiser, images, 0.5, directions=16, method=method)
        for method in ("boundary", "volume")
    )
    assert result.value.dtype == torch.float32
    assert ((result.value - volume.value).abs() < 4 * (result.stderr + volume.stderr) + 0.01).all()
    assert next(denoiser.network.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"directions": 3}, "pairs"),
        ({"directions": 0}, "pairs"),
        ({"p": 0.5}, "p must"),
        ({"p": ()}, "p must"),
        ({"radius": -1.0}, "radius"),
        ({"center": "there"}, "there"),
        ({"method": "guess"}, "guess"),
    ],
)
def test_impossible_requests_are_refused_with_a_reason(
    options: dict, word: str, mixture: GaussianMixture
) -> None:
    with pytest.raises(ValueError, match=word):
        p_laplace(mixture, torch.zeros(1, 3, 2, 2), 0.5, **options)


def test_auc_intervals_hold_the_value_and_know_chance_and_certainty() -> None:
    draw = np.random.default_rng(0)
    low_to_high = auc_interval(draw.normal(1, 1, 60), draw.normal(0, 1, 80))
    assert low_to_high[1] < low_to_high[0] < low_to_high[2]
    assert low_to_high[0] == pytest.approx(0.76, abs=0.08)  # Phi(1 / sqrt 2)
    area, low, high = auc_interval([2, 3], [0, 1])
    assert (area, high) == (1, 1)
    assert low < 0.5  # two images against two say little, however well they separate
    assert auc_interval([1, 1], [1, 1])[0] == 0.5

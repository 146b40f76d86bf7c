"""Volume growth against closed forms, a second way of computing it, and everything it must not
depend on.
"""

import math
from collections.abc import Callable
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from memlib import (
    Denoiser,
    FiniteDataset,
    GaussianMixture,
    load_denoiser,
    load_images,
    volume_growth,
)
from memlib.bundled import DEMO
from memlib.flow import ladder
from memlib.runs import read_run
from memlib.seeds import rademacher


def gaussian(variance: float) -> GaussianMixture:
    return GaussianMixture(torch.zeros(1, 3, 4, 4), variance)


@pytest.mark.parametrize("variance", [1.0, 0.25, 0.01, 1e-3])
def test_growth_of_a_gaussian_is_its_closed_form(variance: float) -> None:
    growth = volume_growth(gaussian(variance), gaussian(variance).sample(4), steps=48)
    exact = 24 * math.log((variance + 100**2) / (variance + 0.01**2))
    assert torch.allclose(growth.value, torch.tensor(exact), rtol=1e-3)


def test_growth_of_an_isolated_point_is_the_ceiling() -> None:
    point = torch.zeros(1, 3, 4, 4)
    growth = volume_growth(FiniteDataset(point), point, steps=24)
    assert growth.value.item() == pytest.approx(48 * math.log(100 / 0.01), rel=1e-4)
    torch.testing.assert_close(
        growth.map[0], torch.full((4, 4), 3 * math.log(1e4)), rtol=1e-3, atol=0
    )


def anisotropic() -> tuple[GaussianMixture, Tensor]:
    spectrum = torch.logspace(-4, 0, 12, dtype=torch.float64)
    axes = torch.linalg.qr(
        torch.randn(12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ).Q
    return GaussianMixture(torch.zeros(1, 3, 2, 2), (axes * spectrum @ axes.T)[None]), spectrum


def test_growth_of_an_anisotropic_gaussian_is_within_its_standard_error() -> None:
    exact_denoiser, spectrum = anisotropic()
    growth = volume_growth(exact_denoiser, exact_denoiser.sample(6), steps=48, probes=8)
    exact = 0.5 * float(((spectrum + 1e4) / (spectrum + 1e-4)).log().sum())
    assert ((growth.value - exact).abs() < 3 * growth.stderr + 1e-3 * exact).all()
    assert (growth.stderr < 0.05 * exact).all()


def test_the_standard_error_is_the_spread_over_seeds() -> None:
    exact_denoiser, _ = anisotropic()
    images = exact_denoiser.sample(1)
    runs = [
        volume_growth(exact_denoiser, images, steps=12, probes=4, seed=seed) for seed in range(80)
    ]
    spread = torch.stack([run.value for run in runs]).std()
    stated = torch.stack([run.stderr for run in runs]).square().mean().sqrt()
    assert float(stated / spread) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("variance", [1.0, 0.01])
def test_growth_plus_log_prior_is_the_log_density_of_a_gaussian(variance: float) -> None:
    images = gaussian(variance).sample(6)
    growth = volume_growth(gaussian(variance), images, steps=48)
    exact = gaussian(variance).log_prob(images, 0.01).float()
    assert ((growth.value + growth.log_prior - exact).abs() / 48 < 0.01).all()


def test_growth_is_the_log_determinant_of_the_flow(mixture: GaussianMixture) -> None:
    """Second way: autograd's Jacobian of the whole path from image to latent."""
    from memlib.flow import ode_step

    levels = ladder(mixture, 200)

    def path(flat: Tensor) -> Tensor:
        y, previous = flat.view(1, 3, 2, 2), None
        for k in range(200):
            denoised = mixture(y, float(levels[k]))
            y, previous = ode_step(y, denoised, previous, levels, k), denoised
        return y.flatten()

    images = mixture.sample(2).double()
    exact = torch.stack(
        [
            torch.linalg.slogdet(
                torch.autograd.functional.jacobian(path, image.flatten())
            ).logabsdet
            for image in images
        ]
    )
    growth = volume_growth(mixture, images, steps=200, probes=4)
    assert ((growth.value - exact).abs() < 3 * growth.stderr + 1e-3 * exact).all()


def test_the_map_sums_to_the_value_and_the_curve_ends_there(mixture: GaussianMixture) -> None:
    growth = volume_growth(mixture, mixture.sample(5))
    torch.testing.assert_close(growth.map.sum((1, 2)), growth.value, rtol=1e-5, atol=0)
    torch.testing.assert_close(growth.curve[:, -1], growth.value, rtol=1e-5, atol=0)
    assert growth.value is growth.log_growth
    assert growth.map is growth.heatmap


def test_a_pixel_that_is_fixed_is_brighter_than_one_that_is_free() -> None:
    variances = torch.diag(torch.tensor([1e-6, 1e-6, 1.0, 1.0]))
    half = GaussianMixture(torch.zeros(1, 1, 2, 2), variances[None])
    heat = volume_growth(half, half.sample(3), steps=48).map
    assert torch.allclose(
        heat[:, 0], torch.tensor(0.5 * math.log((1e-6 + 1e4) / (1e-6 + 1e-4))), rtol=1e-3
    )
    assert torch.allclose(
        heat[:, 1], torch.tensor(0.5 * math.log((1 + 1e4) / (1 + 1e-4))), rtol=1e-3
    )


def test_a_value_does_not_depend_on_its_batch(mixture: GaussianMixture) -> None:
    images = mixture.sample(5)
    together = volume_growth(mixture, images)
    for i in range(5):
        alone = volume_growth(mixture, images[i : i + 1])
        torch.testing.assert_close(together.value[i : i + 1], alone.value, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(together.map[i : i + 1], alone.map, rtol=1e-3, atol=1e-3)


def test_the_same_seed_gives_the_same_bits_and_another_other_probes(
    mixture: GaussianMixture,
) -> None:
    images = mixture.sample(3)
    first, again, other = (volume_growth(mixture, images, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first.map, again.map)
    assert not torch.equal(first.map, other.map)


def test_the_step_count_changes_little() -> None:
    exact_denoiser = gaussian(0.05)
    images = exact_denoiser.sample(2)
    coarse, fine = (volume_growth(exact_denoiser, images, steps=steps).value for steps in (24, 96))
    torch.testing.assert_close(coarse, fine, rtol=2e-3, atol=0)


def test_evaluations_are_the_forwards_actually_made() -> None:
    class Counting(GaussianMixture):
        rows = 0

        def noise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
            self.rows += len(y)
            return super().noise(y, sigma)

    counting = Counting(torch.zeros(1, 1, 2, 2), 1.0)
    growth = volume_growth(counting, counting.sample(4), steps=7, probes=3)
    assert counting.rows == 4 * growth.evaluations == 4 * 8 * 4


def test_one_probe_has_no_standard_error_and_progress_is_told(mixture: GaussianMixture) -> None:
    seen: list[tuple[int, int]] = []
    growth = volume_growth(
        mixture, mixture.sample(2), steps=3, probes=1, callback=lambda *count: seen.append(count)
    )
    assert growth.stderr.isnan().all()
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("images", "options", "word"),
    [
        (torch.zeros(1, 3, 2, 3), {}, "shape"),
        (torch.full((1, 3, 2, 2), math.nan), {}, "NaN"),
        (torch.zeros(1, 3, 2, 2), {"steps": 0}, "step"),
        (torch.zeros(1, 3, 2, 2), {"probes": 0}, "probe"),
        (torch.zeros(1, 3, 2, 2), {"sigma_min": 2.0, "sigma_max": 1.0}, "noise range"),
    ],
)
def test_impossible_requests_are_refused_with_a_reason(
    images: Tensor, options: dict, word: str, mixture: GaussianMixture
) -> None:
    with pytest.raises(ValueError, match=word):
        volume_growth(mixture, images, **options)


def test_finite_differences_agree_with_forward_mode_differentiation_on_the_demo_model() -> None:
    denoiser, images = load_denoiser("demo", "cpu"), load_images("demo").batch(range(0, 40, 10))
    levels = ladder(denoiser, 6)
    growth = volume_growth(denoiser, images, probes=2, sigmas=levels)
    exact = jvp_growth(denoiser, images, levels, growth.sigmas)
    torch.testing.assert_close(growth.value, exact, rtol=0.01, atol=0)


def jvp_growth(denoiser: Denoiser, images: Tensor, levels: Tensor, sigmas: Tensor) -> Tensor:
    """The same sum on the same probes with torch.func.jvp in place of the finite differences."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    from memlib.flow import corrected_step, ode_step, quadrature

    torch.testing.assert_close(levels, sigmas)
    for module in denoiser.network.modules():  # type: ignore[attr-defined]
        if isinstance(
            module, torch.nn.GroupNorm
        ):  # its forward-mode rule needs the plain memory layout
            module.register_forward_pre_hook(
                lambda _, inputs: (inputs[0].clone(memory_format=torch.contiguous_format),)
            )
    weights = quadrature(levels).sum(0)
    y, previous, total = images, None, torch.zeros(len(images))
    start = y
    for k, sigma in enumerate(levels.tolist()):
        signs = rademacher((2, 1, *denoiser.shape), 0, k)
        for probe in signs:
            with sdpa_kernel(SDPBackend.MATH):
                noise, change = torch.func.jvp(
                    lambda at, sigma=sigma: denoiser.noise(at, sigma),
                    (y,),
                    (probe.expand_as(y).contiguous(),),
                )
            total += float(weights[k]) * sigma * (probe * change).sum((1, 2, 3)) / 2
        denoised = y - sigma * noise
        if previous is not None:
            y = corrected_step(start, previous, denoised, levels, k - 1)
        if k < len(levels) - 1:
            start, y = y, ode_step(y, denoised, previous, levels, k)
            previous = denoised
    return total


def test_maps_accumulate_like_the_curve_and_their_error_is_their_spread_over_seeds() -> None:
    exact_denoiser, _ = anisotropic()
    images = exact_denoiser.sample(2)
    runs = [
        volume_growth(exact_denoiser, images, steps=8, probes=4, seed=seed, keep_maps=True)
        for seed in range(60)
    ]
    for run in runs[:3]:
        assert run.maps is not None
        torch.testing.assert_close(run.maps.sum((2, 3)), run.curve, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(run.maps[:, -1], run.map, rtol=1e-5, atol=1e-5)
    spread = torch.stack([run.map for run in runs]).std(0).square().mean().sqrt()
    stated = (
        torch.stack([run.map_stderr for run in runs if run.map_stderr is not None])
        .square()
        .mean()
        .sqrt()
    )
    assert float(stated / spread) == pytest.approx(1, abs=0.15)
    assert volume_growth(exact_denoiser, images).maps is None


def test_the_exact_diagonal_is_what_the_estimates_scatter_around(mixture: GaussianMixture) -> None:
    images = mixture.sample(2)
    seen: list[tuple[int, int]] = []
    exact = volume_growth(
        mixture,
        images,
        steps=6,
        probes="exact",
        keep_maps=True,
        callback=lambda *count: seen.append(count),
    )
    estimate = volume_growth(mixture, images, steps=6, probes=256, keep_maps=True)
    assert exact.map_stderr is not None
    assert estimate.map_stderr is not None
    assert (exact.stderr == 0).all()
    assert (exact.map_stderr == 0).all()
    assert exact.evaluations == 7 * (2 * 12 + 1)
    assert seen[-1][0] == seen[-1][1]
    assert ((exact.map - estimate.map).abs() < 4 * estimate.map_stderr + 1e-2).all()
    assert ((exact.value - estimate.value).abs() < 3 * estimate.stderr + 1e-2).all()


def test_growth_rises_with_the_weight_of_an_image() -> None:
    """Dose response: one of many images counted 1, 4, 16 and 64 times, blurred by a small width."""
    images = torch.from_numpy(np.random.default_rng(0).uniform(-0.3, 0.3, (40, 3, 4, 4)))
    doses = []
    for weight in (1, 4, 16, 64):
        weights = torch.ones(40).index_fill(0, torch.tensor([7]), weight)
        blurred = GaussianMixture(images, 0.02, weights)
        doses.append(
            float(volume_growth(blurred, images[7:8].float(), steps=48, probes=4).value[0])
        )
    assert doses == sorted(doses)
    assert doses[-1] > doses[0] + 1


def test_halves_of_the_held_out_images_do_not_differ() -> None:
    images = load_images("demo")
    _, rows = read_run(DEMO / "runs" / "volume-growth")
    values = np.array(
        [
            rows[image]["value"]
            for image, group in zip(images.ids, images.metadata["group"], strict=True)
            if group == "held-out"
        ]
    )
    labels = np.random.default_rng(0).permutation(len(values)) < len(values) // 2
    assert roc_auc_score(labels, values) == pytest.approx(0.5, abs=0.15)


def test_on_random_weights_copied_and_held_out_images_of_one_pool_do_not_differ(
    save_model: Callable[..., Path],
) -> None:
    """One pool, split at random and then by the true labels: a network that saw neither can't tell
    them apart.
    """
    denoiser = load_denoiser(save_model(diffusers.DDPMScheduler()), "cpu")
    images = load_images("demo", size=8)
    pool = [
        index
        for index, group in enumerate(images.metadata["group"])
        if group in ("copied", "held-out")
    ]
    chosen = np.random.default_rng(0).permutation(pool)[:120].tolist()
    values = volume_growth(denoiser, images.batch(chosen)).value.numpy()
    assert roc_auc_score(np.arange(120) < 60, values) == pytest.approx(0.5, abs=0.15)

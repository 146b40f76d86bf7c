"""Each measure with a condition against a straightforward computation in the papers' coordinates,
on two mixtures in closed form and on a tiny random network.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from memlib import GaussianMixture, load_denoiser
from memlib.denoisers import Denoiser
from memlib.measures.conditional import (
    PROMPT_MEASURES,
    mean_over_seeds,
    sampler,
    sampler_levels,
    starting_noise,
)
from memlib.measures.conditional.difference_maps import curvature_difference, score_difference
from memlib.measures.conditional.norm_and_angle import norm_and_angle
from memlib.measures.conditional.predictions_apart import (
    prediction_change,
    prediction_difference,
)
from memlib.measures.conditional.prompt_flux import prompt_p_laplace
from memlib.measures.conditional.prompt_gradients import gradient_difference
from memlib.measures.conditional.prompt_sharpness import prompt_sharpness
from memlib.measures.conditional.tiled_distance import tiled_distance
from memlib.seeds import generator, rademacher
from tests.text_models import save_pipeline

SHAPE = (4, 2, 2)
D = math.prod(SHAPE)
Both = tuple[Denoiser, Denoiser]


@pytest.fixture(scope="module")
def mixtures() -> Both:
    """A prompt that knows two narrow peaks, and a null condition of three broad ones."""
    draw = torch.Generator().manual_seed(1)
    means = torch.randn(3, *SHAPE, generator=draw, dtype=torch.float64)
    return (
        GaussianMixture(means[:2], torch.tensor([0.02, 0.1]), torch.tensor([0.7, 0.3])),
        GaussianMixture(means, torch.tensor([0.5, 0.8, 0.3])),
    )


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """A tiny random network with and without a prompt, in double precision."""
    folder = tmp_path_factory.mktemp("text") / "model"
    save_pipeline(folder, sample_size=4)
    given = load_denoiser(folder, "cpu", "a red cat")
    given.network.double()
    return given, given.null


@pytest.fixture(scope="module", params=["mixtures", "networks"])
def both(request: Any) -> Both:
    found: Both = request.getfixturevalue(request.param)
    return found


def noises(both: Both, count: int = 2) -> Tensor:
    return starting_noise(both[0], count, seed=3).double()


# The papers' state is x_t = sqrt(abar) x_0 + sqrt(1 - abar) n, with sigma^2 = (1 - abar) / abar.


def predicted(denoiser: Denoiser, sigma: float) -> Callable[[Tensor], Tensor]:
    """eps(x_t) of one state (C, H, W), from the log density where there is one."""
    abar = 1 / (1 + sigma**2)

    def eps(x: Tensor) -> Tensor:
        if not isinstance(denoiser, GaussianMixture):
            return denoiser.noise((x / abar**0.5)[None], sigma)[0]
        whole = x[None] / abar**0.5
        moved = whole.detach().requires_grad_(True) if not whole.requires_grad else whole
        (slope,) = torch.autograd.grad(
            denoiser.log_prob(moved, sigma).sum(), moved, create_graph=True
        )
        return (-sigma * slope)[0]  # the score of y, whose unit is 1 / sigma

    return eps


def apart(both: Both, sigma: float) -> Callable[[Tensor], Tensor]:
    return lambda x: predicted(both[0], sigma)(x) - predicted(both[1], sigma)(x)


def matrix(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The Jacobian (d, d) of a function of one state."""
    found: Tensor = jacobian(function, x)
    return found.reshape(x.numel(), x.numel())


def close(found: Tensor, expected: list[Tensor], rtol: float = 1e-4) -> None:
    wanted = torch.stack([one.detach() for one in expected]).float()
    torch.testing.assert_close(
        found.float(), wanted, rtol=rtol, atol=1e-5 * float(wanted.abs().max())
    )


def test_the_prediction_difference_is_the_norm_along_guided_ddim(both: Both) -> None:
    found = prediction_difference(*both, noises(both), steps=3, of=10, guidance_scale=2.0)
    levels, expected = sampler_levels(both[0], 10), []
    for x in noises(both):
        sizes = []
        for sigma, lower in zip(levels[:3].tolist(), levels[1:4].tolist(), strict=True):
            abar, next_abar = 1 / (1 + sigma**2), 1 / (1 + lower**2)
            with_prompt, without = (predicted(one, sigma)(x) for one in both)
            sizes.append((with_prompt - without).norm())
            eps = without + 2.0 * (with_prompt - without)
            clean = (x - (1 - abar) ** 0.5 * eps) / abar**0.5
            x = next_abar**0.5 * clean + (1 - next_abar) ** 0.5 * eps
            x = x.detach()
        expected.append(torch.stack(sizes))
    close(found.curve, expected)
    close(found.value, [sizes.mean() for sizes in expected])
    first = prediction_difference(*both, noises(both), of=10)
    close(first.value, [sizes[0] for sizes in expected])
    change = prediction_change(*both, noises(both), of=10, guidance_scale=2.0)
    assert change.map is not None and change.map.shape == (2, *both[0].shape[1:])
    torch.testing.assert_close(change.map.sum((1, 2)).float(), change.value)


def test_the_change_of_the_prediction_is_between_two_states_of_guided_ddim(both: Both) -> None:
    first, second = sampler_levels(both[0], 10)[:2].tolist()
    abar, next_abar = 1 / (1 + first**2), 1 / (1 + second**2)
    expected = []
    for x in noises(both):
        with_prompt, without = (predicted(one, first)(x) for one in both)
        eps = without + 7.5 * (with_prompt - without)
        clean = (x - (1 - abar) ** 0.5 * eps) / abar**0.5
        moved = (next_abar**0.5 * clean + (1 - next_abar) ** 0.5 * eps).detach()
        expected.append((predicted(both[0], second)(moved) - with_prompt).square().sum())
    close(prediction_change(*both, noises(both), of=10).value, expected)


def test_the_sharpness_is_the_hessians_difference_times_the_scores(both: Both) -> None:
    sigma = float(sampler_levels(both[0], 50)[0])
    spread = (sigma**2 / (1 + sigma**2)) ** 0.5  # sqrt(1 - abar)
    expected = []
    for x in noises(both):
        score = -apart(both, sigma)(x).flatten() / spread
        expected.append((-matrix(apart(both, sigma), x) / spread @ score).norm())
    close(prompt_sharpness(*both, noises(both)).value, expected)


def test_norm_and_angle_are_taken_of_the_same_noise(both: Both) -> None:
    levels = sampler_levels(both[0], 50)
    first, late = float(levels[0]), float(levels[:-1][-3])
    sizes, angles = [], []
    for x in noises(both):
        sizes.append(apart(both, first)(x).norm())
        without, added = predicted(both[1], late)(x), apart(both, late)(x)
        dot = (without * added).sum(0)
        angles.append((dot / (without.norm(dim=0) * added.norm(dim=0))).mean())
    found = norm_and_angle(*both, noises(both))
    close(found.norm, sizes)
    close(found.angle, angles)
    close(found.value, [one + 2 * other for one, other in zip(sizes, angles, strict=True)])
    spread = (first**2 / (1 + first**2)) ** 0.5
    of_score = norm_and_angle(*both, noises(both), norm=1.0, angle=0.1, norm_of="score")
    close(of_score.norm, [one / spread for one in sizes])


def test_the_gradient_difference_is_that_of_the_squared_noise(both: Both) -> None:
    sigma = float(sampler_levels(both[0], 50)[0])
    expected = []
    for x in noises(both):
        slopes = [
            matrix(predicted(one, sigma), x).T @ predicted(one, sigma)(x).flatten() for one in both
        ]
        expected.append((slopes[0] - slopes[1]).square().sum())
    found = gradient_difference(*both, noises(both))
    close(found.value, expected)
    assert found.map is not None
    torch.testing.assert_close(found.map.sum((1, 2)).float(), found.value)


def test_the_map_of_the_score_is_the_squared_difference(both: Both) -> None:
    sigma, images = 0.3, noises(both) * 0.5
    spread, root = (sigma**2 / (1 + sigma**2)) ** 0.5, (1 + sigma**2) ** -0.5
    expected = [(apart(both, sigma)(image * root) / spread).square().sum(0) for image in images]
    found = score_difference(*both, images, sigma=sigma)
    assert found.map is not None
    close(found.map * expected[0].numel(), expected)
    close(found.value, [one.mean() for one in expected])


def test_the_map_of_curvature_is_the_rectified_average_over_probes(both: Both) -> None:
    sigma, images = 0.3, noises(both) * 0.5
    signs = rademacher((3, *both[0].shape), 5).double()
    root = (1 + sigma**2) ** -0.5
    expected = []
    for image in images:
        whole = matrix(apart(both, sigma), image * root)
        each = [v.flatten() * (whole @ v.flatten()) for v in signs]
        expected.append(torch.stack(each).mean(0).view(both[0].shape).sum(0))
    found = curvature_difference(*both, images, sigma=sigma, probes=3, seed=5)
    close(found.signed * expected[0].numel(), expected)
    assert found.map is not None
    assert torch.equal(found.map, found.signed.clamp(min=0))
    torch.testing.assert_close(found.map.sum((1, 2)).float(), found.value)


def test_maps_of_one_gaussian_each_are_known_in_closed_form() -> None:
    """Variances v_c and v_0 about one mean: J is diagonal, and the scores are linear."""
    mean = torch.zeros(1, *SHAPE, dtype=torch.float64)
    pair = GaussianMixture(mean, 0.01), GaussianMixture(mean, 1.0)
    x, sigma = torch.ones(1, *SHAPE, dtype=torch.float64), 0.5
    gap = 1 / (0.01 + sigma**2) - 1 / (1 + sigma**2)  # of 1 / (v + sigma^2)
    root = (1 + sigma**2) ** -0.5
    curved = curvature_difference(*pair, x, sigma=sigma, probes=1)
    assert float(curved.value) == pytest.approx(4 * sigma * gap / root, rel=1e-5)
    moved = score_difference(*pair, x, sigma=sigma)
    assert float(moved.value) == pytest.approx(4 * (gap / root) ** 2, rel=1e-5)
    flux = prompt_p_laplace(*pair, torch.zeros(1, *SHAPE), sigma=sigma, p=2.0, directions=8)
    assert float(flux.conditional) == pytest.approx(sigma**2 / (0.01 + sigma**2), rel=1e-4)
    assert float(flux.null) == pytest.approx(sigma**2 / (1 + sigma**2), rel=1e-4)
    assert float(flux.value) == pytest.approx(sigma**2 * gap, rel=1e-4)


@pytest.mark.parametrize("radius", [None, 0.5])
def test_the_p_laplace_is_the_mean_cosine_on_one_sphere_for_both(
    both: Both, radius: float | None
) -> None:
    sigma, images = 0.4, noises(both) * 0.5
    abar, d = 1 / (1 + sigma**2), images[0].numel()
    r = (1 - abar) ** 0.5 * (math.sqrt(d) if radius is None else radius)
    half = torch.stack([torch.randn(d, generator=generator(7, pair)) for pair in range(4)])
    half = (half / half.norm(dim=1, keepdim=True)).double()
    expected: list[list[Tensor]] = [[], []]
    for image in images:
        for place, one in enumerate(both):
            cosines = []
            for u in torch.cat([half, -half]):
                eps = predicted(one, sigma)(abar**0.5 * image + r * u.view(image.shape)).flatten()
                cosines.append(eps @ u / eps.norm())
            expected[place].append(torch.stack(cosines).mean())
    found = prompt_p_laplace(*both, images, sigma=sigma, directions=8, radius=radius, seed=7)
    close(found.conditional, expected[0])
    close(found.null, expected[1])
    torch.testing.assert_close(found.value, found.conditional - found.null)
    torch.testing.assert_close(found.map.sum((1, 2)), found.value, atol=1e-5, rtol=1e-4)  # type: ignore[union-attr]


def test_the_tiled_distance_is_the_largest_over_tiles_of_each_pair(mixtures: Both) -> None:
    images = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    wide = GaussianMixture(torch.zeros(1, 4, 8, 8), 1.0)
    expected = []
    for i in range(3):
        pairs = []
        for j in {0, 1, 2} - {i}:
            squares = (images[i] - images[j]) ** 2
            tiles = [squares[:, a : a + 4, b : b + 4].mean() for a in (0, 4) for b in (0, 4)]
            pairs.append(max(tiles) ** 0.5)
        expected.append(torch.stack(pairs).mean())
    close(tiled_distance(wide, wide, images, tiles=2).value, expected)
    assert torch.isnan(tiled_distance(wide, wide, images[:1], tiles=2).value).all()
    with pytest.raises(ValueError, match="9 x 9 tiles"):
        tiled_distance(wide, wide, images, tiles=9)


@pytest.mark.parametrize("name", PROMPT_MEASURES)
def test_every_measure_of_the_table_runs_as_it_says(name: str, networks: Both) -> None:
    measure = PROMPT_MEASURES[name]
    settings = measure.asked(networks[0])
    done: list[float] = []
    counted: list[int] = []
    latents = noises(networks, 3).float()

    class Counted(type(networks[0])):  # type: ignore[misc]
        def noise(self, y: Tensor, sigma: float) -> Tensor:
            counted.append(len(y))
            return super().noise(y, sigma)

    pair = []
    for one in networks:
        other = one.given(one.prompt)  # type: ignore[attr-defined]
        other.__class__ = Counted
        pair.append(other)
    result = measure.function(
        *pair, latents, **settings.parameters, callback=lambda part, _: done.append(part)
    )
    assert result.value.shape == (3,) and torch.isfinite(result.value).all()
    assert done
    assert result.evaluations == settings.forwards(networks[0])
    more = {"gradient_difference": 4, "prompt_sharpness": 2, "curvature_difference": 32}
    assert sum(counted) + 3 * more.get(name, 0) == 3 * result.evaluations  # for derivatives
    row = result.row(0)
    assert measure.column in row and (not measure.error or measure.error in row)
    assert measure.direction in (1, -1) and measure.citation and measure.limits
    assert settings == type(settings).read(settings.parameters)


@pytest.mark.parametrize("family", ["2", "xl", "3"])
def test_every_measure_runs_on_every_family(family: str, tmp_path: Path) -> None:
    save_pipeline(tmp_path / "model", family)
    model = load_denoiser(tmp_path / "model", "cpu")
    noise = starting_noise(model, 2)
    for measure in PROMPT_MEASURES.values():
        told = measure.defaults(model)
        told |= {name: 2 for name in ("directions", "probes") if name in told}
        result = measure.function(model.given("a red cat"), model.null, noise, **told)
        assert torch.isfinite(result.value).all(), measure.name


def test_values_do_not_depend_on_the_batch_or_on_the_memory(
    networks: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents, few = noises(networks, 3), {"probes": 3, "directions": 8}
    for measure in PROMPT_MEASURES.values():
        told = measure.defaults(networks[0])
        told |= {name: few[name] for name in told.keys() & few}
        if measure.name == "tiled_distance":  # it compares the latents of a batch
            continue
        with monkeypatch.context() as patched:
            several = measure.function(*networks, latents, **told).value
            patched.setattr("memlib.measures.differences.subtraction.PROBED", 1)
            patched.setattr("memlib.measures.differences.products.ATTENTION", 1)
            alone = measure.function(*networks, latents[1:2], **told).value
        torch.testing.assert_close(several[1:2], alone, rtol=1e-4, atol=1e-5)


def test_products_hold_in_single_precision(networks: Both) -> None:
    single = tuple(
        one.with_network(type(one.network).from_config(one.network.config), torch.device("cpu"))
        for one in networks
    )
    for one, other in zip(single, networks, strict=True):
        one.network.load_state_dict(other.network.state_dict())
    x = noises(networks)
    for function in (prompt_sharpness, curvature_difference):
        exact = function(*networks, x).value
        torch.testing.assert_close(function(*single, x.float()).value, exact, rtol=1e-4, atol=1e-7)


def test_the_samplers_levels_are_those_of_the_pipelines(networks: Both) -> None:
    levels = sampler_levels(networks[0], 50)
    sigmas = networks[0].schedule.sigmas  # type: ignore[attr-defined]
    assert levels[[0, 1, 47, 49, 50]].tolist() == [
        sigmas[981],
        sigmas[961],
        sigmas[41],
        sigmas[1],
        0,
    ]
    assert sampler.level_at(networks[0], 0.01) == sigmas[10]
    with pytest.raises(ValueError, match="not enough for 1000 steps"):
        sampler_levels(networks[0], 1000)


def test_seeds_are_averaged_with_their_error(networks: Both) -> None:
    result = prediction_difference(*networks, noises(networks, 4))
    mean, error = mean_over_seeds(result)
    assert mean == pytest.approx(float(result.value.mean()))
    assert error == pytest.approx(float(result.value.double().std()) / 2)
    assert math.isnan(mean_over_seeds(prediction_difference(*networks, noises(networks, 1)))[1])


def test_settings_that_do_not_fit_are_a_sentence(mixtures: Both) -> None:
    with pytest.raises(ValueError, match="takes 5 steps, fewer than 6"):
        prediction_difference(*mixtures, noises(mixtures), steps=6, of=5)
    with pytest.raises(ValueError, match="probe is needed"):
        curvature_difference(*mixtures, noises(mixtures), probes=0)

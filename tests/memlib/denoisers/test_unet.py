"""The diffusers adapter against diffusers' own schedulers, and models that must be refused."""

import json
from collections.abc import Callable
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from memlib import load_denoiser, sample
from memlib.denoisers import NetworkDenoiser
from tests.conftest import tiny_unet

SCHEDULERS = [diffusers.DDPMScheduler, diffusers.DDIMScheduler, diffusers.PNDMScheduler]
PREDICTIONS = ["epsilon", "v_prediction", "sample"]
BETAS = [
    {"beta_schedule": "linear"},
    {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    {"beta_schedule": "squaredcos_cap_v2"},
]


def noisy(count: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", SCHEDULERS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("betas", BETAS, ids=lambda betas: betas["beta_schedule"])
def test_denoiser_equals_the_schedulers_own_prediction_of_x0(
    kind: type, prediction: str, betas: dict, save_model: Callable[..., Path]
) -> None:
    if kind is diffusers.PNDMScheduler and prediction == "sample":
        pytest.skip("diffusers' PNDM has no sample prediction")
    scheduler = kind(prediction_type=prediction, **betas)
    folder = save_model(scheduler)
    denoiser, unet = load_denoiser(folder, "cpu"), tiny_unet().eval()
    reference = diffusers.DDIMScheduler(prediction_type=prediction, clip_sample=False, **betas)
    reference.set_timesteps(1000)
    for t in (0, 1, 37, 500, 920):
        sigma = float(denoiser.schedule.sigmas[t])
        if sigma > denoiser.sigma_max:
            continue
        y = noisy() * (1 + sigma)
        x_t = y * float(reference.alphas_cumprod[t]) ** 0.5
        with torch.no_grad():
            expected = reference.step(unet(x_t, t).sample, t, x_t).pred_original_sample
        assert (denoiser(y, sigma) - expected).abs().max() < 1e-5 * (1 + sigma), t
        torch.testing.assert_close(
            denoiser.noise(y, sigma),
            (y - expected) / sigma,
            rtol=1e-3,
            atol=max(1e-4, 1e-5 / sigma),
        )


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_sampling_equals_ddim_step_by_step(
    prediction: str, save_model: Callable[..., Path]
) -> None:
    scheduler = diffusers.DDIMScheduler(
        prediction_type=prediction, clip_sample=False, set_alpha_to_one=True
    )
    denoiser, unet = load_denoiser(save_model(scheduler), "cpu"), tiny_unet().eval()
    scheduler.set_timesteps(20)
    times = scheduler.timesteps.tolist()
    sigmas = torch.tensor(
        [*(float(denoiser.schedule.sigmas[t]) for t in times), 0.0], dtype=torch.float64
    )
    seen: list[torch.Tensor] = []

    def watch(y: torch.Tensor, sigma: float, index: torch.Tensor) -> torch.Tensor:
        seen.append(y / (1 + sigma**2) ** 0.5)
        return torch.zeros_like(y)

    final = sample(denoiser, 2, sigmas=sigmas, seed=4, guidance=watch)
    x = seen[0]
    for place, t in enumerate(times):
        assert (seen[place] - x).abs().max() < 1e-4 * max(1, float(x.abs().max())), (
            t
        )  # an untrained network drives x to hundreds
        with torch.no_grad():
            x = scheduler.step(unet(x, t).sample, t, x, eta=0.0).prev_sample
    assert (final - x).abs().max() < 1e-4 * max(1, float(x.abs().max()))


def test_noise_levels_between_timesteps_are_met_in_log_sigma(
    save_model: Callable[..., Path],
) -> None:
    denoiser = load_denoiser(save_model(diffusers.DDPMScheduler()), "cpu")
    middle = float(np.sqrt(denoiser.schedule.sigmas[400] * denoiser.schedule.sigmas[401]))
    assert float(denoiser.timestep(middle)) == pytest.approx(400.5, abs=1e-9)
    between = denoiser(noisy(), middle)
    ends = [denoiser(noisy(), float(denoiser.schedule.sigmas[t])) for t in (400, 401)]
    assert (between - ends[0]).abs().max() < (ends[1] - ends[0]).abs().max() * 1.01


def test_one_noise_level_for_each_image_and_chunking_change_nothing(
    save_model: Callable[..., Path],
) -> None:
    denoiser = load_denoiser(save_model(diffusers.DDPMScheduler()), "cpu")
    sigmas = torch.tensor([0.02, 1.0, 90.0])
    together = denoiser(noisy(), sigmas)
    torch.testing.assert_close(
        together,
        torch.cat([denoiser(noisy()[i : i + 1], float(sigmas[i])) for i in range(3)]),
        rtol=1e-5,
        atol=1e-4,
    )
    denoiser.batch = 2
    torch.testing.assert_close(denoiser(noisy(), sigmas), together, rtol=1e-5, atol=1e-4)


def test_running_out_of_memory_halves_the_batch_and_goes_on(
    save_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    denoiser = load_denoiser(save_model(diffusers.DDPMScheduler()), "cpu")
    expected, forward = denoiser(noisy(8), 1.0), denoiser.network.forward

    def small_device(x: torch.Tensor, *rest: object, **more: object) -> object:
        if len(x) > 2:
            raise torch.OutOfMemoryError("too many")
        return forward(x, *rest, **more)

    monkeypatch.setattr(denoiser.network, "forward", small_device)
    torch.testing.assert_close(denoiser(noisy(8), 1.0), expected, rtol=1e-5, atol=1e-5)
    assert denoiser.batch <= 2


@pytest.mark.parametrize(
    "scheduler",
    [
        diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        diffusers.DDIMScheduler(rescale_betas_zero_snr=True),
    ],
)
def test_unbounded_schedules_are_cut_at_the_largest_usable_sigma(
    scheduler: diffusers.SchedulerMixin, save_model: Callable[..., Path]
) -> None:
    denoiser = load_denoiser(save_model(scheduler), "cpu")
    assert denoiser.truncated
    usable = denoiser.schedule.sigmas[
        np.isfinite(denoiser.schedule.sigmas) & (denoiser.schedule.sigmas <= 200)
    ]
    assert denoiser.sigma_max == usable.max()


def test_a_noise_level_outside_the_schedule_is_refused(save_model: Callable[..., Path]) -> None:
    denoiser = load_denoiser(save_model(diffusers.DDPMScheduler()), "cpu")
    assert denoiser.sigma_floor > 0.01
    torch.testing.assert_close(
        denoiser(noisy(), 0.01), denoiser(noisy(), denoiser.sigma_floor), rtol=1e-3, atol=1e-3
    )
    for sigma in (1e-3, 1e3, float("nan")):
        with pytest.raises(ValueError, match="outside the range"):
            denoiser(noisy(), sigma)


def test_a_bare_unet_with_a_scheduler_config_beside_it_loads(tmp_path: Path) -> None:
    tiny_unet().save_pretrained(tmp_path / "bare")
    diffusers.DDPMScheduler().save_pretrained(tmp_path / "bare")
    assert load_denoiser(tmp_path / "bare", "cpu").shape == (3, 8, 8)


def test_half_precision_weights_are_computed_in_float32(save_model: Callable[..., Path]) -> None:
    denoiser = load_denoiser(save_model(diffusers.DDPMScheduler(), unet=tiny_unet().half()), "cpu")
    assert denoiser(noisy(), 1.0).dtype == torch.float32


def test_the_digest_follows_weights_and_schedule(save_model: Callable[..., Path]) -> None:
    folders = [
        save_model(diffusers.DDPMScheduler(), "a"),
        save_model(diffusers.DDPMScheduler(), "same"),
        save_model(diffusers.DDPMScheduler(), "weights", tiny_unet(seed=1)),
        save_model(diffusers.DDPMScheduler(prediction_type="sample"), "prediction"),
    ]
    digests = [load_denoiser(folder, "cpu").digest for folder in folders]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def not_finite(folder: Path) -> None:
    unet = tiny_unet()
    torch.nn.init.constant_(unet.conv_out.weight, float("nan"))
    unet.save_pretrained(folder / "unet")


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def no_weights(folder: Path) -> None:
    (folder / "unet/diffusion_pytorch_model.safetensors").unlink()


def only_pickle(folder: Path) -> None:
    (folder / "unet/diffusion_pytorch_model.safetensors").rename(
        folder / "unet/diffusion_pytorch_model.bin"
    )


BROKEN: list[tuple[str, Callable[[Path], object], str]] = [
    ("no weights", no_weights, "no weights"),
    ("pickle only", only_pickle, "pickle"),
    (
        "truncated weights",
        lambda f: (f / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"\x10" * 64),
        "damaged",
    ),
    (
        "other width",
        lambda f: edit(f / "unet/config.json", block_out_channels=[8, 32]),
        "fit|cannot be loaded",
    ),
    (
        "more layers",
        lambda f: edit(f / "unet/config.json", layers_per_block=2),
        "fit|cannot be loaded",
    ),
    (
        "unknown scheduler",
        lambda f: edit(f / "scheduler/scheduler_config.json", _class_name="MyScheduler"),
        "MyScheduler",
    ),
    (
        "unknown beta schedule",
        lambda f: edit(f / "scheduler/scheduler_config.json", beta_schedule="spiral"),
        "scheduler|spiral",
    ),
    (
        "unknown prediction",
        lambda f: edit(f / "scheduler/scheduler_config.json", prediction_type="magic"),
        "magic",
    ),
    (
        "no scheduler",
        lambda f: (f / "scheduler/scheduler_config.json").unlink(),
        "scheduler_config",
    ),
    ("not json", lambda f: (f / "unet/config.json").write_text("{"), "JSON"),
    ("conditional", lambda f: edit(f / "unet/config.json", num_class_embeds=10), "conditional"),
    (
        "a class that is no number",
        lambda f: edit(f / "unet/config.json", class_embed_type="timestep"),
        "class as",
    ),
    (
        "consistency model",
        lambda f: edit(
            f / "scheduler/scheduler_config.json", _class_name="CMStochasticIterativeScheduler"
        ),
        "consistency",
    ),
    (
        "mixed flow",
        lambda f: edit(
            f / "scheduler/scheduler_config.json",
            _class_name="UniPCMultistepScheduler",
            use_flow_sigmas=True,
        ),
        "mixes",
    ),
    (
        "absurdly deep",
        lambda f: edit(f / "unet/config.json", layers_per_block=10**9),
        "layers_per_block",
    ),
    (
        "absurdly wide",
        lambda f: edit(f / "unet/config.json", block_out_channels=[60000, 60000]),
        "fit",
    ),
    ("absurdly large", lambda f: edit(f / "unet/config.json", sample_size=10**6), "sample_size"),
    (
        "absurdly long",
        lambda f: edit(f / "scheduler/scheduler_config.json", num_train_timesteps=10**12),
        "num_train_timesteps",
    ),
    (
        "other network",
        lambda f: edit(f / "unet/config.json", _class_name="UVit2DModel"),
        "UVit2DModel",
    ),
    ("NaN weights", not_finite, "finite"),
    ("a size it cannot draw", lambda f: edit(f / "unet/config.json", sample_size=7), "own size"),
    ("other channels", lambda f: edit(f / "unet/config.json", out_channels=1), "3 channels into 1"),
    (
        "negative timesteps",
        lambda f: edit(f / "scheduler/scheduler_config.json", num_train_timesteps=-5),
        "scheduler",
    ),
    ("no unet", lambda f: (f / "unet/config.json").unlink(), "no diffusers model"),
]


@pytest.mark.parametrize(
    ("damage", "word"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_a_broken_model_is_one_sentence(
    damage: Callable[[Path], object], word: str, save_model: Callable[..., Path]
) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    damage(folder)
    with pytest.raises(ValueError, match=word) as caught:
        load_denoiser(folder, "cpu")
    assert "\n" not in str(caught.value)


def test_a_missing_folder_and_an_unreachable_hub_id_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for missing in ("/no/such/folder", "x" * 5000, "a\0b"):
        with pytest.raises(ValueError, match=r"no (folder|file or folder)"):
            load_denoiser(missing)

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(ValueError, match="could not be downloaded"):
        load_denoiser("google/ddpm-cifar10-32")


def test_channels_last_network_is_in_evaluation_mode_without_gradients(
    save_model: Callable[..., Path],
) -> None:
    denoiser: NetworkDenoiser = load_denoiser(save_model(diffusers.DDPMScheduler()), "cpu")
    assert not denoiser.network.training
    assert not any(weight.requires_grad for weight in denoiser.network.parameters())

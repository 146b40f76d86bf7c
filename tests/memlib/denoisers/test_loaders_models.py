"""Every kind of model against diffusers' own scheduler of that kind, on tiny random networks saved
by diffusers itself.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import huggingface_hub
import numpy as np
import pytest
import torch
from diffusers.schedulers.deprecated.scheduling_karras_ve import KarrasVeScheduler
from safetensors.torch import load_file, save_file

from memlib import load_denoiser, p_laplace, volume_growth
from memlib.denoisers.loading import class_count, model_digest
from memlib.denoisers.network import NetworkDenoiser
from tests.conftest import tiny_unet

Save = Callable[..., Path]


def images(count: int = 2, side: int = 8, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def same_prediction(
    denoiser: NetworkDenoiser, y: torch.Tensor, sigma: float, expected: torch.Tensor
) -> None:
    """D and the noise are what the scheduler says."""
    assert (denoiser(y, sigma) - expected).abs().max() < 2e-5 * (
        1 + float(expected.abs().max()) + float(y.abs().max())
    ), sigma
    torch.testing.assert_close(
        denoiser.noise(y, sigma), (y - expected) / sigma, rtol=2e-3, atol=max(2e-3, 1e-4 / sigma)
    )


def within(denoiser: NetworkDenoiser, sigmas: list[float]) -> list[int]:
    found = [
        place
        for place, sigma in enumerate(sigmas)
        if denoiser.sigma_floor <= sigma <= denoiser.sigma_max
    ]
    assert len(found) >= 2
    return found


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize(
    "options",
    [{}, {"beta_schedule": "scaled_linear", "use_karras_sigmas": True}],
    ids=["plain", "karras"],
)
@torch.no_grad()
def test_euler_configs_are_the_same_model(prediction: str, options: dict, save_model: Save) -> None:
    scheduler = diffusers.EulerDiscreteScheduler(prediction_type=prediction, **options)
    denoiser, unet = load_denoiser(save_model(scheduler), "cpu"), tiny_unet().eval()
    scheduler.set_timesteps(6)
    for place in within(denoiser, scheduler.sigmas[:-1].tolist()):
        sigma, t = float(scheduler.sigmas[place]), scheduler.timesteps[place]
        y = images() * (1 + sigma)
        scheduler._step_index = place
        scheduler.is_scale_input_called = True
        output = unet(y / (1 + sigma**2) ** 0.5, t).sample
        same_prediction(denoiser, y, sigma, scheduler.step(output, t, y).pred_original_sample)
        scheduler._step_index = None


@pytest.mark.parametrize(
    "kind",
    [
        "HeunDiscreteScheduler",
        "KDPM2DiscreteScheduler",
        "LMSDiscreteScheduler",
        "EulerAncestralDiscreteScheduler",
    ],
)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@torch.no_grad()
def test_heun_and_its_family_step_along_the_same_noise(
    kind: str, prediction: str, save_model: Save
) -> None:
    scheduler = getattr(diffusers, kind)(
        prediction_type=prediction,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
    )
    denoiser, unet = load_denoiser(save_model(scheduler), "cpu"), tiny_unet().eval()
    scheduler.set_timesteps(5)
    t, sigma = scheduler.timesteps[0], float(scheduler.sigmas[0])
    y = images() * (1 + sigma)
    output = unet(scheduler.scale_model_input(y, t), t).sample
    step = scheduler.step(
        output,
        t,
        y,
        **({"generator": torch.Generator().manual_seed(0)} if "Ancestral" in kind else {}),
    )
    if "Ancestral" in kind:
        expected = step.pred_original_sample
    elif kind == "KDPM2DiscreteScheduler":  # its first half step goes to the interpolated level
        expected = y - sigma * (step.prev_sample - y) / (
            float(scheduler.sigmas_interpol[1]) - sigma
        )
    else:
        expected = y - sigma * (step.prev_sample - y) / (
            float(scheduler.sigmas[2 if "Heun" in kind else 1]) - sigma
        )
    assert (denoiser(y, sigma) - expected).abs().max() < 1e-3 * (1 + float(y.abs().max()))


@pytest.mark.parametrize(
    "kind",
    ["DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "UniPCMultistepScheduler"],
)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample", "flow_prediction"])
@torch.no_grad()
def test_multistep_solvers_predict_the_same_image(
    kind: str, prediction: str, save_model: Save
) -> None:
    scheduler = getattr(diffusers, kind)(
        prediction_type=prediction, use_flow_sigmas=prediction == "flow_prediction"
    )
    denoiser, unet = load_denoiser(save_model(scheduler), "cpu"), tiny_unet().eval()
    assert denoiser.schedule.family == (
        "flow matching" if prediction == "flow_prediction" else "variance preserving"
    )
    scheduler.set_timesteps(6)
    for place in range(1, 5):
        t, level = scheduler.timesteps[place], scheduler.sigmas[place]
        alpha, spread = scheduler._sigma_to_alpha_sigma_t(level)
        exact = (
            float(t) / 1000 / (1 - float(t) / 1000)
            if prediction == "flow_prediction"
            else float(denoiser.schedule.sigmas[int(t)])
        )
        assert exact == pytest.approx(
            float(spread / alpha), rel=0.05
        )  # their timesteps are rounded, the network sees the rounded ones
        y = images() * (1 + exact)
        x_t = denoiser.schedule.prediction.shown(y, exact)
        output = unet(x_t, t).sample
        scheduler._step_index = place
        scheduler.sigmas[place] = exact / (1 + exact) if prediction == "flow_prediction" else exact
        same_prediction(denoiser, y, exact, scheduler.convert_model_output(output, sample=x_t))


@torch.no_grad()
def test_score_sde_networks_take_one_predictor_step_alike(save_model: Save) -> None:
    """Noised pictures between 0 and 1: the mean of diffusers' step is x + (s^2 - s'^2) score, and
    score = (D - y) / sigma^2, halved.
    """
    scheduler = diffusers.ScoreSdeVeScheduler(num_train_timesteps=50, sigma_min=0.01, sigma_max=50)
    unet = fourier_unet()
    denoiser = load_denoiser(save_model(scheduler, unet=unet), "cpu")
    assert (denoiser.sigma_floor, denoiser.sigma_max) == (pytest.approx(0.02), pytest.approx(100))
    scheduler.set_timesteps(50)
    scheduler.set_sigmas(50)
    for place in (0, 20, 40):
        t = scheduler.timesteps[place]
        index = int(t * 49)
        here, below = (
            float(scheduler.discrete_sigmas[index]),
            float(scheduler.discrete_sigmas[index - 1]),
        )
        x = images() * here
        step = scheduler.step_pred(
            unet(x, torch.full((2,), here)).sample, t, x, generator=torch.Generator().manual_seed(0)
        )
        score = (step.prev_sample_mean - x) / (here**2 - below**2)
        y, sigma = 2 * x - 1, 2 * here
        torch.testing.assert_close(2 * denoiser.score(y, sigma), score, rtol=1e-3, atol=1e-3 / here)
        torch.testing.assert_close(
            denoiser(y, sigma), y + sigma**2 * score / 2, rtol=1e-3, atol=1e-3 * (1 + sigma)
        )


@torch.no_grad()
def test_karras_ve_networks_take_one_euler_step_alike(save_model: Save) -> None:
    scheduler, unet = KarrasVeScheduler(), fourier_unet()
    denoiser = load_denoiser(save_model(scheduler, unet=unet), "cpu")
    for sigma, below in ((80.0, 50.0), (1.0, 0.5), (0.05, 0.03)):
        y = images() * (1 + sigma)
        output = (
            sigma / 2 * unet((y + 1) / 2, torch.full((2,), sigma / 2)).sample
        )  # as KarrasVePipeline calls it
        step = scheduler.step(output, sigma, below, y)
        same_prediction(denoiser, y, sigma, step.pred_original_sample)


@pytest.mark.parametrize(
    "kind",
    [diffusers.EDMEulerScheduler, diffusers.EDMDPMSolverMultistepScheduler],
    ids=lambda kind: kind.__name__,
)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@torch.no_grad()
def test_edm_preconditioning_is_the_schedulers_own(
    kind: Any, prediction: str, save_model: Save
) -> None:
    scheduler = kind(prediction_type=prediction, sigma_data=0.7)
    denoiser, unet = load_denoiser(save_model(scheduler), "cpu"), tiny_unet().eval()
    assert (denoiser.sigma_floor, denoiser.sigma_max) == (pytest.approx(0.002), pytest.approx(80))
    for sigma in (80.0, 3.0, 0.5, 0.01):
        y = images() * (1 + sigma)
        output = unet(
            scheduler.precondition_inputs(y, sigma), scheduler.precondition_noise(sigma).expand(2)
        ).sample
        same_prediction(denoiser, y, sigma, scheduler.precondition_outputs(y, output, sigma))


@torch.no_grad()
def test_a_continuous_euler_config_is_edm_with_unit_data(save_model: Save) -> None:
    scheduler = diffusers.EulerDiscreteScheduler(
        prediction_type="v_prediction",
        timestep_type="continuous",
        sigma_min=0.02,
        sigma_max=100.0,
        use_karras_sigmas=True,
    )
    denoiser, unet = load_denoiser(save_model(scheduler), "cpu"), tiny_unet().eval()
    scheduler.set_timesteps(5)
    for place in range(5):
        sigma, t = float(scheduler.sigmas[place]), scheduler.timesteps[place]
        y = images() * (1 + sigma)
        scheduler._step_index, scheduler.is_scale_input_called = place, True
        same_prediction(
            denoiser,
            y,
            sigma,
            scheduler.step(unet(y / (1 + sigma**2) ** 0.5, t).sample, t, y).pred_original_sample,
        )


@torch.no_grad()
def test_flow_matching_takes_one_euler_step_alike(save_model: Save) -> None:
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    denoiser, unet = load_denoiser(save_model(scheduler), "cpu"), tiny_unet().eval()
    scheduler.set_timesteps(8)
    for place in range(1, 7):
        share, below, t = (
            float(scheduler.sigmas[place]),
            float(scheduler.sigmas[place + 1]),
            scheduler.timesteps[place],
        )
        sigma = share / (1 - share)
        x_t = images() * share + 0.3 * (1 - share)
        scheduler._step_index = place
        step = scheduler.step(unet(x_t, t).sample, t, x_t).prev_sample
        expected = x_t - share * (step - x_t) / (below - share)  # x0 = x_t - t v
        same_prediction(denoiser, x_t / (1 - share), sigma, expected)


def fourier_unet(**options: Any) -> diffusers.UNet2DModel:
    return tiny_unet(time_embedding_type="fourier", **options).eval()


def classed_unet(classes: int = 4, out: int = 3) -> diffusers.UNet2DModel:
    return tiny_unet(out_channels=out, num_class_embeds=classes).eval()


@torch.no_grad()
def test_a_class_conditional_unet_is_measured_for_the_class_that_was_asked_for(
    save_model: Save,
) -> None:
    scheduler, unet = diffusers.DDIMScheduler(clip_sample=False), classed_unet()
    folder = save_model(scheduler, unet=unet)
    assert class_count(folder) == 4
    with pytest.raises(ValueError, match="choose one from 0 to 3"):
        load_denoiser(folder, "cpu")
    with pytest.raises(ValueError, match="0 to 3, not 4"):
        load_denoiser(folder, "cpu", label=4)
    scheduler.set_timesteps(1000)
    seen = []
    for label in (0, 3):
        denoiser = load_denoiser(folder, "cpu", label=label)
        assert denoiser.digest == model_digest(folder, label)
        sigma = float(denoiser.schedule.sigmas[300])
        y = images() * (1 + sigma)
        x_t = y / (1 + sigma**2) ** 0.5
        output = unet(x_t, 300, class_labels=torch.full((2,), label)).sample
        same_prediction(denoiser, y, sigma, scheduler.step(output, 300, x_t).pred_original_sample)
        seen.append(denoiser.digest)
    assert seen[0] != seen[1]
    with pytest.raises(ValueError, match="no classes"):
        load_denoiser(save_model(scheduler, "plain"), "cpu", label=1)


def tiny_dit() -> diffusers.DiTTransformer2DModel:
    torch.manual_seed(0)
    network = diffusers.DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        sample_size=8,
        patch_size=2,
        num_embeds_ada_norm=5,
        norm_num_groups=4,
    )
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.05)
    return network.eval()


def tiny_kl(latent: int = 4) -> diffusers.AutoencoderKL:
    torch.manual_seed(1)
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=latent,
        norm_num_groups=4,
        sample_size=16,
        scaling_factor=0.5,
        shift_factor=0.1,
    ).eval()


@torch.no_grad()
def test_a_dit_draws_a_class_or_none_in_the_latents_of_its_autoencoder(tmp_path: Path) -> None:
    network, vae, scheduler = tiny_dit(), tiny_kl(), diffusers.DDIMScheduler(clip_sample=False)
    pipeline = diffusers.DiTPipeline(network, vae, scheduler)
    pipeline.save_pretrained(tmp_path / "dit")
    assert class_count(tmp_path / "dit") == 5
    scheduler.set_timesteps(1000)
    for label, called in ((2, 2), (None, 5)):
        denoiser = load_denoiser(tmp_path / "dit", "cpu", label=label)
        assert (denoiser.shape, denoiser.picture_shape, denoiser.label, denoiser.classes) == (
            (4, 8, 8),
            (3, 16, 16),
            called,
            5,
        )
        sigma = float(denoiser.schedule.sigmas[500])
        y = images(channels=4) * (1 + sigma)
        x_t = y / (1 + sigma**2) ** 0.5
        output = network(
            x_t, timestep=torch.tensor([500, 500]), class_labels=torch.full((2,), called)
        ).sample[:, :4]  # the learned variance is split off
        same_prediction(denoiser, y, sigma, scheduler.step(output, 500, x_t).pred_original_sample)
    pictures = images(side=16)
    expected = (vae.encode(pictures).latent_dist.mean - 0.1) * 0.5
    torch.testing.assert_close(denoiser.encode(pictures), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        denoiser.decode(expected), vae.decode(expected / 0.5 + 0.1).sample, rtol=1e-4, atol=1e-4
    )


def tiny_ldm(folder: Path) -> tuple[Any, Any, Any]:
    torch.manual_seed(2)
    vqvae = diffusers.VQModel(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=3,
        norm_num_groups=4,
        num_vq_embeddings=16,
        scaling_factor=0.8,
    ).eval()
    scheduler = diffusers.DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False)
    unet = tiny_unet().eval()
    diffusers.LDMPipeline(vqvae, unet, scheduler).save_pretrained(folder)
    return vqvae, unet, scheduler


@torch.no_grad()
def test_latent_diffusion_is_measured_in_the_latents_of_its_vq_vae(tmp_path: Path) -> None:
    vqvae, unet, scheduler = tiny_ldm(tmp_path / "ldm")
    denoiser = load_denoiser(tmp_path / "ldm", "cpu")
    assert (denoiser.shape, denoiser.picture_shape) == ((3, 8, 8), (3, 16, 16))
    pictures = images(side=16).clamp(-1, 1)
    latents = denoiser.encode(pictures)
    torch.testing.assert_close(latents, vqvae.encode(pictures).latents * 0.8, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        denoiser.decode(latents), vqvae.decode(latents / 0.8).sample, rtol=1e-3, atol=1e-3
    )
    sigma = float(denoiser.schedule.sigmas[400])
    scheduler.set_timesteps(1000)
    x_t = latents / (1 + sigma**2) ** 0.5
    same_prediction(
        denoiser,
        latents,
        sigma,
        scheduler.step(unet(x_t, 400).sample, 400, x_t).pred_original_sample,
    )
    found = volume_growth(denoiser, latents, steps=2, probes=1)
    assert found.map is not None
    assert found.map.shape == (2, 8, 8)
    with pytest.raises(ValueError, match="takes images of shape"):
        p_laplace(denoiser, pictures, 0.5)


def test_the_digest_of_a_latent_model_follows_its_autoencoder(tmp_path: Path) -> None:
    tiny_ldm(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    config = json.loads((tmp_path / "b/vqvae/config.json").read_text())
    (tmp_path / "b/vqvae/config.json").write_text(json.dumps({**config, "scaling_factor": 0.9}))
    assert model_digest(tmp_path / "a") != model_digest(tmp_path / "b")


@torch.no_grad()
def test_a_learned_variance_is_split_off(save_model: Save) -> None:
    wide = tiny_unet(out_channels=6).eval()
    scheduler = diffusers.DDPMScheduler(variance_type="learned_range", clip_sample=False)
    denoiser = load_denoiser(save_model(scheduler, unet=wide), "cpu")
    sigma = float(denoiser.schedule.sigmas[200])
    y = images() * (1 + sigma)
    x_t = y / (1 + sigma**2) ** 0.5
    same_prediction(
        denoiser, y, sigma, scheduler.step(wide(x_t, 200).sample, 200, x_t).pred_original_sample
    )


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@torch.no_grad()
def test_half_precision_checkpoints_are_measured_in_float32(
    kind: torch.dtype, save_model: Save
) -> None:
    unet = tiny_unet().to(kind)
    denoiser = load_denoiser(save_model(diffusers.DDPMScheduler(), unet=unet), "cpu")
    assert {weight.dtype for weight in denoiser.network.parameters()} == {torch.float32}
    reference = unet.float().eval()
    torch.testing.assert_close(
        denoiser.noise(images(), float(denoiser.schedule.sigmas[300])),
        reference(
            images() * float(1 / (1 + denoiser.schedule.sigmas[300] ** 2) ** 0.5), 300
        ).sample,
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_single_weights_file_with_its_configs_beside_it_loads(
    save_model: Save, tmp_path: Path
) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    flat = tmp_path / "flat"
    flat.mkdir()
    shutil.copy(folder / "unet/config.json", flat)
    shutil.copy(folder / "scheduler/scheduler_config.json", flat)
    shutil.copy(folder / "unet/diffusion_pytorch_model.safetensors", flat / "epoch-7.safetensors")
    denoiser = load_denoiser(flat / "epoch-7.safetensors", "cpu")
    assert torch.equal(denoiser(images(), 1.0), load_denoiser(folder, "cpu")(images(), 1.0))
    (flat / "epoch-7.ckpt").write_bytes(b"\x80\x04")
    with pytest.raises(ValueError, match="pickles"):
        load_denoiser(flat / "epoch-7.ckpt")
    shutil.copy(flat / "epoch-7.safetensors", flat / "epoch-8.safetensors")
    with pytest.raises(ValueError, match="2 weight files"):
        load_denoiser(flat, "cpu")


def test_weights_in_shards_and_with_old_attention_names_load(
    save_model: Save, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        attention_head_dim=8,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )
    whole = save_model(diffusers.DDPMScheduler(), unet=unet)
    expected = load_denoiser(whole, "cpu")(images(), 1.0)
    old = shutil.copytree(whole, tmp_path / "old")
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = load_file(old / "unet/diffusion_pytorch_model.safetensors")
    for new, name in names.items():
        weights = {key.replace(f".{new}.", f".{name}."): weight for key, weight in weights.items()}
    assert any(".query." in key for key in weights)
    save_file(weights, old / "unet/diffusion_pytorch_model.safetensors")
    assert torch.equal(load_denoiser(old, "cpu")(images(), 1.0), expected)
    shards = shutil.copytree(whole, tmp_path / "shards")
    shutil.rmtree(shards / "unet")
    unet.save_pretrained(shards / "unet", max_shard_size="20KB")
    assert len(list((shards / "unet").glob("*.safetensors"))) > 1
    assert torch.equal(load_denoiser(shards, "cpu")(images(), 1.0), expected)
    next((shards / "unet").glob("*-00001-*.safetensors")).unlink()
    with pytest.raises(ValueError, match="missing"):
        load_denoiser(shards, "cpu")


class FakeHub:
    """A Hub of one repository, which keeps commits in folders as the real cache does and remembers
    what it was asked.
    """

    def __init__(self, repository: Path, cache: Path) -> None:
        self.repository, self.cache, self.asked = repository, cache, []  # type: ignore[var-annotated]

    def __call__(
        self,
        repo: str,
        *,
        revision: str | None,
        allow_patterns: list[str],
        token: str | None = None,
        ignore_patterns: Any = None,
    ) -> str:
        from fnmatch import fnmatch

        self.asked.append((repo, revision, token))
        target = self.cache / "snapshots" / ("a" * 40)
        for file in self.repository.rglob("*"):
            name = file.relative_to(self.repository).as_posix()
            if file.is_file() and any(fnmatch(name, pattern) for pattern in allow_patterns):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target / name)
        return str(target)


def test_a_hub_model_is_pinned_to_its_commit_and_only_safetensors_come(
    save_model: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    (folder / "unet/diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "run.py").write_text("raise SystemExit")
    hub = FakeHub(folder, tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    denoiser = load_denoiser("someone/model@main", "cpu", token="secret")
    assert denoiser.digest == load_denoiser(folder, "cpu").digest
    assert denoiser.source == f"someone/model@{'a' * 40}"
    assert denoiser.name == "someone/model@aaaaaaa"
    assert hub.asked == [("someone/model", "main", "secret"), ("someone/model", "a" * 40, "secret")]
    suffixes = {file.suffix for file in (tmp_path / "cache").rglob("*") if file.is_file()}
    assert suffixes == {".json", ".safetensors"}


def test_a_hub_model_that_is_refused_by_its_config_costs_no_download(
    save_model: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    (folder / "unet/config.json").write_text(json.dumps({"_class_name": "UVit2DModel"}))
    hub = FakeHub(folder, tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    with pytest.raises(ValueError, match="not noise"):
        load_denoiser("someone/model", "cpu")
    assert len(hub.asked) == 1
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_the_schedule_can_be_read_off_for_every_family(save_model: Save) -> None:
    kinds = [
        diffusers.DDPMScheduler(),
        diffusers.EDMEulerScheduler(),
        diffusers.FlowMatchEulerDiscreteScheduler(),
    ]
    for place, scheduler in enumerate(kinds):
        schedule = load_denoiser(save_model(scheduler, f"model-{place}"), "cpu").schedule
        usable = schedule.sigmas < 200
        np.testing.assert_allclose(
            schedule.time(schedule.sigmas[usable]), schedule.times[usable], rtol=1e-6, atol=1e-6
        )
        assert (np.diff(schedule.sigmas) > 0).all()

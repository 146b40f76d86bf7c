"""What a model costs is counted, not guessed; a device that computes wrongly is found out."""

from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest
import torch

from memlib import MEASURES, load_denoiser
from memlib.denoisers.network import NetworkDenoiser
from memlib.runs.device import check_device, memory
from tests.conftest import tiny_unet


@pytest.fixture
def denoiser(save_model: Callable[..., Path]) -> NetworkDenoiser:
    return load_denoiser(save_model(diffusers.DDPMScheduler()), "cpu")


@pytest.mark.parametrize("name", ["volume_growth", "flipd", "denoising_loss", "k_2_at_0.5"])
def test_the_stated_forwards_are_those_the_network_really_runs(
    name: str, denoiser: NetworkDenoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, forward = 0, denoiser.network.forward

    def counted(x: torch.Tensor, *rest: object, **more: object) -> object:
        nonlocal run
        run += len(x)
        return forward(x, *rest, **more)

    monkeypatch.setattr(denoiser.network, "forward", counted)
    measure = MEASURES[name]
    measure.function(denoiser, torch.zeros(2, 3, 8, 8), **measure.defaults(denoiser))
    assert measure.forwards(denoiser) == run / 2


def test_a_measure_outside_the_models_noise_range_has_no_cost(
    save_model: Callable[..., Path],
) -> None:
    short = load_denoiser(
        save_model(diffusers.DDPMScheduler(beta_end=2e-4, num_train_timesteps=800)), "cpu"
    )  # sigma up to 0.35
    assert "not 2" in MEASURES["k_1_at_2"].refusal(short)
    assert not MEASURES["k_1_at_0.2"].refusal(short)


def test_memory_is_that_of_the_weights_and_of_what_the_layers_hand_on(
    denoiser: NetworkDenoiser,
) -> None:
    weights, handed_on = memory(denoiser)
    assert weights == 4 * sum(weight.numel() for weight in tiny_unet().parameters())
    first = 4 * 8 * 8 * 8  # the first convolution's eight channels
    assert first < handed_on < 1000 * first
    assert not any(module._forward_hooks for module in denoiser.network.modules())


def test_the_cpu_agrees_with_itself_in_double_precision(denoiser: NetworkDenoiser) -> None:
    found = check_device(denoiser, torch.rand(4, 3, 8, 8) * 2 - 1)
    assert found.passed
    assert 0 < max(found.differences) < 1e-4
    assert next(denoiser.network.parameters()).dtype == torch.float32  # the check works on a copy


def test_a_device_that_computes_in_low_precision_is_found_out(
    denoiser: NetworkDenoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = denoiser.network.forward

    def rough(x: torch.Tensor, *rest: object, **more: object) -> tuple:
        return (forward(x.bfloat16().float(), *rest, **more)[0].bfloat16().float(),)

    plain = type(denoiser.network).forward
    monkeypatch.setattr(denoiser.network, "forward", rough)

    def of_class(network: torch.nn.Module) -> torch.nn.Module:
        network.forward = plain.__get__(network)  # type: ignore[method-assign]
        return network

    import copy

    copied = copy.deepcopy
    monkeypatch.setattr(
        "memlib.runs.device.copy.deepcopy", lambda network: of_class(copied(network))
    )
    assert not check_device(denoiser, torch.rand(4, 3, 8, 8) * 2 - 1).passed

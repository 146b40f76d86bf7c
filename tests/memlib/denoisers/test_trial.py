"""The work of a trial forward is estimated before it is done."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from memlib import load_denoiser
from memlib.confined import Child
from memlib.denoisers import trial, weights, work
from memlib.denoisers.autoencoder import Autoencoder
from memlib.denoisers.network import NetworkDenoiser
from tests.conftest import tiny_unet
from tests.memlib.denoisers.test_loaders_models import tiny_ldm

Save = Callable[..., Path]


class Stopped(Exception):
    pass


def set_config(folder: Path, part: str, **changes: object) -> None:
    file = folder / part / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.fixture
def never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a network computes with numbers."""
    for owner, name in ((NetworkDenoiser, "__call__"), (Autoencoder, "encode")):
        monkeypatch.setattr(owner, name, lambda *_: pytest.fail("it was run"))


@pytest.mark.usefixtures("never_run")
def test_a_forward_that_would_take_minutes_is_refused_before_it_is_run(
    save_model: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    monkeypatch.setattr(work, "MOST_OPERATIONS", 1e9)
    set_config(folder, "unet", sample_size=1024)
    with pytest.raises(ValueError, match="too large to be measured"):
        load_denoiser(folder, "cpu")


@pytest.mark.usefixtures("never_run")
def test_a_forward_that_would_fill_the_memory_is_refused_before_it_is_run(
    save_model: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    monkeypatch.setattr(work, "LARGEST_TENSOR", 8 * 64**2 - 1)
    set_config(folder, "unet", sample_size=64)
    with pytest.raises(ValueError, match="numbers in one tensor"):
        load_denoiser(folder, "cpu")


@pytest.mark.usefixtures("never_run")
def test_a_forward_whose_work_cannot_be_estimated_is_refused(
    save_model: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_model(diffusers.DDPMScheduler())

    def fail(*_: object, **__: object) -> None:
        raise NotImplementedError("no shapes\nhere")

    monkeypatch.setattr(diffusers.UNet2DModel, "forward", fail)
    with pytest.raises(ValueError, match=r"fails on an image of its own size: no shapes\.$"):
        load_denoiser(folder, "cpu")


def test_the_autoencoder_counts_as_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_ldm(tmp_path / "ldm")
    needed = []
    real = work.check_work

    def counted(name: str, *forwards: Callable[[], object]) -> None:
        for kept in (forwards[:1], forwards):
            with FlopCounterMode(display=False) as counter:
                real(name, *kept)
            needed.append(counter.get_total_flops())

    monkeypatch.setattr(trial, "check_work", counted)
    load_denoiser(tmp_path / "ldm", "cpu")
    alone, both = needed
    assert both > 2 * alone > 0
    monkeypatch.setattr(trial, "check_work", real)
    monkeypatch.setattr(work, "MOST_OPERATIONS", (alone + both) / 2)
    for owner, name in ((NetworkDenoiser, "__call__"), (Autoencoder, "encode")):
        monkeypatch.setattr(owner, name, lambda *_: pytest.fail("it was run"))
    with pytest.raises(ValueError, match="too large to be measured"):
        load_denoiser(tmp_path / "ldm", "cpu")


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [("MOST_TENSORS", 10, "tensors, too many"), ("MOST_PARAMETERS", 1000, "numbers, too many")],
)
def test_weights_of_absurd_size_are_refused_before_a_network_is_built(
    limit: str, value: int, said: str, save_model: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    monkeypatch.setattr(weights, limit, value)
    monkeypatch.setattr(weights, "_build", lambda *_: pytest.fail("it was built"))
    with pytest.raises(ValueError, match=said):
        load_denoiser(folder, "cpu")


def test_more_layers_than_the_weights_can_fill_are_refused_before_a_network_is_built(
    save_model: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To build a network of thousands of layers takes minutes, even without memory."""
    folder = save_model(diffusers.DDPMScheduler())
    set_config(folder, "unet", layers_per_block=256)
    monkeypatch.setattr(weights, "_build", lambda *_: pytest.fail("it was built"))
    with pytest.raises(ValueError, match="too few for 512 layers"):
        load_denoiser(folder, "cpu")


@pytest.mark.parametrize("channels", ["x", None, {}, [3], 0, True])
def test_channels_of_another_kind_are_a_sentence(channels: object, save_model: Save) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    config = folder / "unet/config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "in_channels": channels}))
    with pytest.raises(ValueError, match="positive numbers"):
        load_denoiser(folder, "cpu")


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[Child]:
    """The children that are asked from now on."""
    found: list[Child] = []
    take = trial.TRIALS._take

    def seen() -> Child:
        found.append(take())
        return found[-1]

    monkeypatch.setattr(trial.TRIALS, "_take", seen)
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("never_run")
def test_a_model_from_outside_is_tried_in_another_process(
    save_model: Save, tmp_path: Path, children: list[Child]
) -> None:
    tiny_ldm(tmp_path / "ldm")
    for folder in (save_model(diffusers.DDPMScheduler()), tmp_path / "ldm"):
        assert load_denoiser(folder, "cpu", roots=[tmp_path])
    first, second = children
    assert first is second  # started once, and kept
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, first.process.pid) > own


@pytest.mark.slow
def test_what_a_trial_finds_is_the_same_sentence_in_another_process(
    save_model: Save, tmp_path: Path
) -> None:
    unet = tiny_unet()
    with torch.no_grad():
        unet.conv_out.bias[0] = torch.nan
    folder = save_model(diffusers.DDPMScheduler(), unet=unet)
    said = []
    for roots in (None, [tmp_path]):
        with pytest.raises(ValueError, match="not finite") as caught:
            load_denoiser(folder, "cpu", roots=roots)
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.slow
def test_a_trial_is_ended_when_it_is_stopped_or_takes_too_long(
    save_model: Save, tmp_path: Path, children: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    unet = diffusers.UNet2DModel(
        sample_size=1024,  # which takes seconds
        layers_per_block=1,
        block_out_channels=(32,),
        add_attention=False,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
    )
    folder = save_model(diffusers.DDPMScheduler(), unet=unet)

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        load_denoiser(folder, "cpu", roots=[tmp_path], tick=stop)
    assert children[-1].process.poll() == -signal.SIGKILL
    monkeypatch.setattr(trial, "SECONDS", 1)
    with pytest.raises(ValueError, match="The network of model takes too long"):
        load_denoiser(folder, "cpu", roots=[tmp_path])

"""The work of a trial forward is estimated before it is done."""

import json
from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest

from memlib import load_denoiser
from memlib.denoisers import loading

Save = Callable[..., Path]


def test_a_forward_that_would_take_minutes_is_refused_before_it_is_run(
    save_model: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    config = folder / "unet/config.json"
    small = loading.forward_operations(load_denoiser(folder, "cpu").network, (3, 8, 8), None)
    assert small > 1e4
    config.write_text(json.dumps({**json.loads(config.read_text()), "sample_size": 1024}))
    monkeypatch.setattr(loading, "MOST_OPERATIONS", 100 * small)
    monkeypatch.setattr(loading.NetworkDenoiser, "__call__", lambda *_: pytest.fail("it was run"))
    with pytest.raises(ValueError, match="too large to be measured"):
        load_denoiser(folder, "cpu")


@pytest.mark.parametrize("channels", ["x", None, {}, [3], 0, True])
def test_channels_of_another_kind_are_a_sentence(channels: object, save_model: Save) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    config = folder / "unet/config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "in_channels": channels}))
    with pytest.raises(ValueError, match="positive numbers"):
        load_denoiser(folder, "cpu")

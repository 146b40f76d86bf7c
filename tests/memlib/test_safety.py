"""Thousands of damaged files for every loader: a ValueError with a message comes out, soon, and
memory stays bounded.
"""

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest
import torch

from memlib import load_denoiser


def grown(before: int) -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit


@pytest.mark.parametrize(
    ("name", "length", "header"),
    [
        ("longer than the file", 10**12, b"{}"),
        ("no json", 4, b"\xff\xfe{}"),
        ("a list", 2, b"[]"),
        ("nested without end", 60_000, b'{"a":' * 12_000),
        (
            "huge shapes",
            0,
            json.dumps(
                {"w": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4]}}
            ).encode(),
        ),
        (
            "negative shapes",
            0,
            json.dumps({"w": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}).encode(),
        ),
        (
            "offsets outside",
            0,
            json.dumps(
                {"w": {"dtype": "F32", "shape": [1], "data_offsets": [10**9, 10**9 + 4]}}
            ).encode(),
        ),
        (
            "an unknown type",
            0,
            json.dumps({"w": {"dtype": "F3000", "shape": [1], "data_offsets": [0, 4]}}).encode(),
        ),
    ],
)
def test_malformed_safetensors_headers_are_refused_before_anything_is_allocated(
    name: str, length: int, header: bytes, save_model: Callable[..., Path]
) -> None:
    folder = save_model(diffusers.DDPMScheduler())
    (folder / "unet/diffusion_pytorch_model.safetensors").write_bytes(
        (length or len(header)).to_bytes(8, "little") + header + bytes(64)
    )
    with pytest.raises(ValueError, match=r"damaged|do not fit") as caught:
        load_denoiser(folder, "cpu")
    assert "\n" not in str(caught.value)


def test_no_loader_knows_pickle() -> None:
    root = Path(__file__).parents[2]
    code = "\n".join(file.read_text() for file in (root / "memlib").rglob("*.py"))
    assert "import pickle" not in code
    restricted = 'torch.load(stream, map_location="cpu", weights_only=True)'
    assert code.count("torch.load(") == code.count(restricted) == 1  # memlib/denoisers/pickles.py
    assert "allow_pickle=True" not in code


def test_memory_is_asked_for_only_once_the_weights_fit(
    save_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network of hundreds of gigabytes is refused from the header of its small file."""
    folder = save_model(diffusers.DDPMScheduler())
    config = json.loads((folder / "unet/config.json").read_text())
    (folder / "unet/config.json").write_text(
        json.dumps({**config, "block_out_channels": [32768, 65536]})
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="do not fit"):
        load_denoiser(folder, "cpu")
    assert grown(before) < 2e8
    assert torch.get_default_device() == torch.device("cpu")

"""Only tensors leave a pickle, and it is read by a process that can do nothing else."""

import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file

from memlib import load_denoiser
from memlib.__main__ import main
from memlib.denoisers.pickles import _state_dict
from memlib.denoisers.weights import ONE_FILE

Save = Callable[..., Path]
Convert = Callable[..., tuple[int, str]]


class Runs:
    """A pickle that runs a command when it is opened."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.file}",)


@pytest.fixture
def unet(save_model: Save) -> Path:
    """The folder of a network without its weights; those lie beside the model, as `weights`."""
    folder = save_model(diffusers.DDPMScheduler()) / "unet"
    (folder / ONE_FILE).rename(folder.parent.parent / "weights")
    return folder


@pytest.fixture
def weights(unet: Path) -> dict[str, torch.Tensor]:
    return load_file(unet.parent.parent / "weights")


@pytest.fixture
def convert(unet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Convert:
    """convert(content, "--part", ...) -> exit code, and what was said; saved as PyTorch does."""

    def converted(content: object, *more: str, **options: Any) -> tuple[int, str]:
        torch.save(content, tmp_path / "model.ckpt", **options)
        code = main(["convert", str(tmp_path / "model.ckpt"), str(unet), *more])
        found = capsys.readouterr()
        return code, found.out + found.err

    return converted


@pytest.mark.slow
@pytest.mark.parametrize("new", [True, False], ids=["zip", "before 1.6"])
def test_what_is_converted_is_the_same_model(
    new: bool, convert: Convert, unet: Path, weights: dict[str, torch.Tensor]
) -> None:
    mixed = {
        name: weight.half() if "conv_in" in name else weight for name, weight in weights.items()
    }
    code, said = convert(OrderedDict(mixed), _use_new_zipfile_serialization=new)
    assert (code, said) == (0, f"{unet / ONE_FILE}: {len(weights)} tensors.\n")
    found = load_file(unet / ONE_FILE)
    assert found.keys() == mixed.keys()
    for name, weight in mixed.items():
        assert found[name].dtype is weight.dtype
        assert torch.equal(found[name], weight)
    assert load_denoiser(unet.parent, "cpu").shape == (3, 8, 8)
    assert sorted(file.name for file in unet.iterdir()) == ["config.json", ONE_FILE]
    assert "exists already" in convert(mixed)[1]


@pytest.mark.slow
def test_a_part_of_a_checkpoint_is_chosen_by_its_name(
    convert: Convert, weights: dict[str, torch.Tensor], unet: Path
) -> None:
    content = {"epoch": 3, "ema": weights, "optimizer": {"lr": 0.1}}
    code, said = convert(content)
    assert code == 2
    assert "'epoch' is of the type int; choose a part that is one: --part 'ema'." in said
    assert not (unet / ONE_FILE).exists()
    assert convert(content, "--part", "ema")[0] == 0
    assert (unet / ONE_FILE).exists()


@pytest.mark.slow
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(
    convert: Convert, tmp_path: Path, unet: Path
) -> None:
    for new in (True, False):
        content = {"weight": Runs(tmp_path / "ran")}
        code, said = convert(content, _use_new_zipfile_serialization=new)
        assert code == 2
        assert "'model.ckpt' asks for posix.system, which is no part of a tensor" in said
        assert said.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    assert [file.name for file in unet.iterdir()] == ["config.json"]


@pytest.mark.slow
def test_damaged_files_and_weights_of_another_network_are_a_sentence(
    convert: Convert,
    weights: dict[str, torch.Tensor],
    unet: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, said = convert({name: one for name, one in weights.items() if "conv_in" not in name})
    assert code == 2
    assert "model.ckpt do not fit its config: 2 tensors differ" in said
    whole = (tmp_path / "model.ckpt").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2]):
        (tmp_path / "model.ckpt").write_bytes(damaged)
        assert main(["convert", str(tmp_path / "model.ckpt"), str(unet)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
    assert [file.name for file in unet.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([torch.zeros(1)], "contains something of the type list"),
        ({}, "contains something of the type dict"),
        ({"a": 1.0}, "'a' is of the type float"),
        ({3: torch.zeros(1)}, "3 is of the type Tensor"),
        ({"__metadata__": torch.zeros(1)}, "'__metadata__' is of the type Tensor"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "'a' is of the type Tensor"),
        ({"a": torch.zeros(1, dtype=torch.complex64)}, "'a' is of the type Tensor"),
        ({"a": torch.zeros(1).expand(10**12)}, "'a' is of the type Tensor"),
        ({"a": torch.zeros(1, device="meta")}, "'a' is of the type Tensor"),
        (dict.fromkeys(map(str, range(5000)), torch.zeros(1)), "5,000 tensors, too many"),
    ],
)
def test_only_a_flat_table_of_dense_tensors_is_a_state_dict(content: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _state_dict(content, None)
    with pytest.raises(ValueError, match="has no part 'ema'"):
        _state_dict(content, "ema")


@pytest.mark.slow
def test_a_sealed_process_opens_no_file_no_connection_and_no_program() -> None:
    code = """
import os, socket, subprocess
from memlib.denoisers.limits import seal
seal()
for do in (lambda: open("/dev/null"), socket.socket, lambda: subprocess.run(["true"])):
    try:
        do()
    except OSError:
        continue
    raise SystemExit("it was done")
if not os.fork():
    os.execv("/bin/sh", ["sh", "-c", "exit 0"])
assert os.wait()[1], "a program ran"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("file", "config", "said"),
    [
        ("model.safetensors", "unet", "is no file that ends in"),
        ("nowhere.ckpt", "unet", "is no file that ends in"),
        ("model.ckpt", "nowhere", "There is no config"),
        ("model.ckpt", "text", "describes a 'UVit2DModel'"),
    ],
)
def test_what_cannot_be_converted_is_refused_before_it_is_read(
    file: str, config: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("model.safetensors", "model.ckpt"):
        (tmp_path / name).write_bytes(b"")
    for folder, kind in (("unet", "UNet2DModel"), ("text", "UVit2DModel")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text(f'{{"_class_name": "{kind}"}}')
    assert main(["convert", str(tmp_path / file), str(tmp_path / config)]) == 2
    assert said in capsys.readouterr().err

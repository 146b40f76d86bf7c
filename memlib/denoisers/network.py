"""A trained network behind the denoiser contract: y and sigma on the outside, its own input, time
and output inside.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from memlib.denoisers.autoencoder import Autoencoder
from memlib.denoisers.base import Denoiser, expand
from memlib.denoisers.schedules import Schedule
from memlib.quoting import quoted

LARGEST_SIGMA = 200.0
ENCODED = 8  # pictures that pass an autoencoder together: they are large
SLACK = 1e-3  # relative: a schedule that starts at 0.0100005 can be asked for 0.01
# the default ladder of the measures starts here: below, a picture's texture speaks louder than
# memory
LADDER_START = 0.2


class NetworkDenoiser(Denoiser):
    """A diffusers network with the noise levels and the prediction of its scheduler, perhaps in the
    latent space of an autoencoder.

    `source` is what `load_denoiser` finds the same weights by; of the Hub it names the commit.
    `network(x, time, class_labels=..., return_dict=False)[0]` is its raw output; of twice as many
    channels the second half, a learned variance, is left out. `label` is the class it draws, one of
    `classes`, or `classes` itself for none of them; None for a network without classes. `truncated`
    is True where the schedule goes past the largest sigma used here. A noise level outside
    [sigma_floor, sigma_max] is a ValueError; `sigma_min`, where the measures start by default, is
    higher. Batches are split into chunks of `batch` images, halved whenever the device runs out of
    memory.
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
        self.autoencoder = autoencoder
        self.parameters = sum(weight.numel() for weight in network.parameters()) + (
            autoencoder.parameters if autoencoder else 0
        )
        self.to(device)
        self._lock = threading.Lock()  # sessions share a model; a device serves them in turn

    def to(self, device: torch.device) -> Self:
        """Move this denoiser itself to a device."""
        self.network.to(device)
        if self.autoencoder:
            self.autoencoder.to(device)
        self.device, self.batch = device, 64 if device.type == "cpu" else 512
        return self

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def sigma_floor(self) -> float:
        return self._sigma_floor

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        return self.autoencoder.picture_shape(self.shape) if self.autoencoder else self.shape

    def with_network(self, network: Any, device: torch.device) -> "NetworkDenoiser":
        """The same denoiser around another state of its network, on another device; without its
        autoencoder.
        """
        return NetworkDenoiser(
            network,
            self.schedule,
            name=self.name,
            source=self.source,
            digest=self.digest,
            device=device,
            label=self.label,
            classes=self.classes,
        )

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
                for part in torch.split(pictures.to(self.device), ENCODED)
            ]
        )

    @torch.no_grad()
    def decode(self, images: Tensor) -> Tensor:
        return (
            torch.cat(
                [
                    self.autoencoder.decode(part)
                    for part in torch.split(images.to(self.device), ENCODED)
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
        """The network timestep of sigma, float64, shape () or (B,); timesteps may be fractional."""
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
        """The network's raw output F, in its own precision (float32) whatever that of y, in chunks
        that fit the device.
        """
        precision = next(self.network.parameters()).dtype
        times = self.timestep(sigma).to(self.device, torch.float32).expand(len(y))
        x = (
            self.schedule.prediction.shown(y, expand(sigma, y))
            .to(precision)
            .contiguous(memory_format=torch.channels_last)
        )
        labels = (
            None if self.label is None else torch.full((len(y),), self.label, device=self.device)
        )
        outputs, start = [], 0
        while start < len(x):
            chunk = slice(start, start + self.batch)
            try:
                with self._lock, full_float32():
                    classes = None if labels is None else labels[chunk]
                    outputs.append(
                        self.network(
                            x[chunk], times[chunk], class_labels=classes, return_dict=False
                        )[0]
                    )
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


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
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

"""A small learned denoiser in the plane, trained in seconds: what a network learns from n samples,
where the truth is known.

With data of standard deviation c the network F sees y and sigma at unit scale (Karras et al. 2022,
preconditioning):

    D(y, sigma) = c^2 / (sigma^2 + c^2) y + sigma c / sqrt(sigma^2 + c^2) F(y / sqrt(sigma^2 + c^2),
    ln sigma)

so that D is the best linear guess plus what the network adds, and its training target has variance
1 at every noise level.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from memlib.denoisers.base import Denoiser, expand
from memlib.denoisers.exact import FiniteDataset
from memlib.seeds import generator

WIDTH, LAYERS = 128, 3  # hidden units, hidden layers
FREQUENCIES = 8  # frequencies of the embedding of ln sigma
BATCH = 512
LEARNING_RATE = 4e-3
AVERAGE = 0.99  # decay of the running average of the weights, which is returned
LOW, HIGH = 0.03, 20.0  # range of the noise levels in training, uniform in ln sigma


class ToyDenoiser(Denoiser):
    """A multilayer perceptron for points of shape (1, 1, 2), on the CPU, float32; untrained until
    `training` has run.

    `scale` is the data's standard deviation per coordinate; the initial weights depend only on the
    seed.
    """

    name = "Small network"

    def __init__(self, scale: float, seed: int = 0) -> None:
        if not 0 < scale < math.inf:
            raise ValueError(f"The scale of the data must be positive, not {scale}.")
        self.shape = (1, 1, 2)
        self.sigma_min, self.sigma_max = LOW, HIGH
        self.device = torch.device("cpu")
        self.scale = float(scale)
        sizes = [2 + 2 * FREQUENCIES, *[WIDTH] * LAYERS, 2]
        layers: list[nn.Module] = []
        draw = generator(seed)
        for fan_in, fan_out in pairwise(sizes):
            layer = nn.Linear(fan_in, fan_out, device="meta").to_empty(
                device="cpu"
            )  # does not use torch's global generator
            gain = (
                math.sqrt(2 / fan_in) if fan_out == WIDTH else 0.0
            )  # starts as the best linear guess, F = 0
            with torch.no_grad():
                layer.weight.copy_(gain * torch.randn(fan_out, fan_in, generator=draw))
                layer.bias.zero_()
            layers += [layer, nn.SiLU()]
        self.network = nn.Sequential(*layers[:-1])

    @property
    def digest(self) -> str:  # type: ignore[override]
        """A hash of the current weights."""
        parts = [weight.detach().numpy().tobytes() for weight in self.network.parameters()]
        return hashlib.sha256(b"".join([repr(self.scale).encode(), *parts])).hexdigest()[:16]

    def predict(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        """Return F of points (B, 1, 1, 2), at unit scale in and out."""
        level = torch.as_tensor(sigma, dtype=y.dtype).expand(len(y))
        phase = level.log()[:, None] * (torch.arange(FREQUENCIES) + 1) * 0.4
        size = (level**2 + self.scale**2).sqrt()
        inputs = torch.cat([y.flatten(1) / size[:, None], phase.sin(), phase.cos()], 1)
        out: Tensor = self.network(inputs)
        return out.view(y.shape)

    @torch.no_grad()
    def __call__(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        return y - expand(sigma, y) * self.noise(y, sigma)

    @torch.no_grad()
    def noise(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        # sigma / (sigma^2 + c^2) y - c / sqrt(sigma^2 + c^2) F: no cancellation at small sigma
        point, level = y.float(), expand(sigma, y.float())
        square = torch.as_tensor(level**2 + self.scale**2)
        return (
            level / square * point - self.scale / square.sqrt() * self.predict(point, sigma)
        ).to(y.dtype)


@dataclass(frozen=True)
class Progress:
    """Steps done and in all, the mean loss since the last report (1 is the best linear guess on
    Gaussian data), the network so far.
    """

    step: int
    steps: int
    loss: float
    denoiser: ToyDenoiser


def training(samples: Tensor, steps: int, *, seed: int = 0, every: int = 50) -> Iterator[Progress]:
    """Train a network on samples (n, 1, 1, 2); yield a report every `every` steps and at the end.
    Stop iterating to stop training.

    Each report's denoiser holds the running average of the weights and stays as it was reported.
    Adam on batches of 512 samples drawn with replacement, noise levels uniform in ln sigma from
    0.03 to 20, a learning rate that falls to 0 along a cosine. The same seed gives the same network
    for the same number of threads. Raises ValueError for samples of another shape or steps below 1.
    """
    if (
        samples.ndim != 4
        or tuple(samples.shape[1:]) != (1, 1, 2)
        or not len(samples)
        or not torch.isfinite(samples).all()
    ):
        raise ValueError(
            "Samples must be finite and of shape (n, 1, 1, 2) with n >= 1, not "
            f"{tuple(samples.shape)}."
        )
    if steps < 1:
        raise ValueError(f"Training takes at least one step, not {steps}.")
    data = samples.float()
    scale = max(
        float(data.std(0, correction=0).square().mean().sqrt()), 0.1
    )  # a single sample has no standard deviation
    learner, average = ToyDenoiser(scale, seed), ToyDenoiser(scale, seed)
    weights, averages = list(learner.network.parameters()), list(average.network.parameters())
    optimiser = torch.optim.Adam(weights, lr=LEARNING_RATE, fused=True)
    draw = generator(seed, len(data))
    losses: list[Tensor] = []
    for step in range(steps):
        x = data[torch.randint(len(data), (BATCH,), generator=draw)]
        sigma = (math.log(LOW) + torch.rand(BATCH, generator=draw) * math.log(HIGH / LOW)).exp()
        level = expand(sigma, x)
        y = x + level * torch.randn(x.shape, generator=draw)
        square = torch.as_tensor(level**2 + scale**2)
        target = (x - scale**2 / square * y) * square.sqrt() / (level * scale)
        optimiser.param_groups[0]["lr"] = (
            LEARNING_RATE * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * step / steps))
        )
        with torch.enable_grad():
            loss = (learner.predict(y, sigma) - target).square().mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            for kept, weight in zip(averages, weights, strict=True):
                kept.lerp_(weight, 1 - min(AVERAGE, (1 + step) / (10 + step)))
        losses.append(loss.detach())
        if (step + 1) % every == 0 or step + 1 == steps:
            reported = ToyDenoiser(scale, seed)
            reported.network.load_state_dict(average.network.state_dict())
            yield Progress(step + 1, steps, float(torch.stack(losses).mean()), reported)
            losses = []


@torch.no_grad()
def noise_error(
    first: Denoiser, second: Denoiser, clean: Tensor, sigmas: list[float], seed: int = 0
) -> Tensor:
    """Return the root mean square difference between noise(y, sigma) of two denoisers, at y = clean
    + sigma n, for each level, (L,), float64.

    In units of the noise, per coordinate: 0 is the same score; 1 is as wrong as a score of 0 where
    little is known.
    """
    errors = []
    for level, sigma in enumerate(sigmas):
        y = clean.double() + sigma * torch.randn(
            clean.shape, generator=generator(seed, level), dtype=torch.float64
        )
        errors.append(
            (first.noise(y, sigma).double() - second.noise(y, sigma).double())
            .square()
            .mean()
            .sqrt()
        )
    return torch.stack(errors)


def distances(
    network: Denoiser, truth: Denoiser, samples: Tensor, sigmas: list[float], count: int = 512
) -> tuple[Tensor, Tensor]:
    """Return `noise_error` of a network from the truth and from the ideal memoriser of its training
    samples (n, 1, 1, 2), at `count` noised samples, each (L,).
    """
    clean = samples.repeat(-(-count // len(samples)), 1, 1, 1)[:count]
    memoriser = FiniteDataset(samples)
    return (
        noise_error(network, truth, clean, sigmas),
        noise_error(network, memoriser, clean, sigmas),
    )

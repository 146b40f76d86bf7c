"""Paths of the stochastic sampler that are led towards an image, and their weights.

A step of the sampler from sigma to sigma' is Gaussian,

    y' = m + s z,   m = D + r (y - D),   r = sigma'^2 / sigma^2,   s^2 = sigma'^2 (1 - r),

with z ~ N(0, I). A led path moves m to D + g (x - D) + r (y - D): at g = 1 the exact posterior of
the noising of x, at g = 0 the sampler. With a = (1 - r) (x - D) / s this is z = n + g a, n ~ N(0,
I), and its density over the sampler's is exp(g a.z - g^2 |a|^2 / 2) a step. Each path has one of
the gains GAINS; together they are draws of the mixture q of the three (Veach & Guibas 1995), so

    w = p / q = N(y_K; 0, sigma_K^2 I) / N(y_K; x, sigma_K^2 I) / mean_g e(g),
    e(g) = exp( sum over steps of g a.z - g^2 |a|^2 / 2 ).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import ode_step, stochastic_step
from memlib.seeds import generator

GAINS = (1.0, 0.8, 0.6)  # the paths take them in turn


@dataclass(frozen=True)
class Led:
    """Paths of one image at one level. `denoised` (P, C, H, W) is D at that level; `log_weight`
    (P,).
    """

    level: int
    y: Tensor
    denoised: Tensor
    log_weight: Tensor
    surprise: Tensor  # (H, W) mean over paths of -log(p / q) of each path's own gain, by pixel


def lead(
    denoiser: Denoiser,
    image: Tensor,
    sigmas: Tensor,
    numbers: Sequence[int],
    seed: int,
    until: int | None = None,
) -> Iterator[Led]:
    """Yield the led paths of `numbers` at every level of the sampler down to `until`, or all."""
    draws = [generator(seed, number) for number in numbers]
    gains = torch.tensor(GAINS, dtype=torch.float64)
    own = torch.tensor([GAINS[number % len(GAINS)] for number in numbers])
    share = torch.stack([(own == gain).double().mean() for gain in own.new_tensor(GAINS)]).log()
    along = own.to(image)[:, None, None, None]

    def normal() -> Tensor:
        noise = [torch.randn(denoiser.shape, generator=draw, dtype=torch.float32) for draw in draws]
        return torch.stack(noise).to(image)

    sigma, n = float(sigmas[0]), normal()
    y = image + sigma * n
    begun = -(image * n / sigma + image.square() / (2 * sigma**2)).double()  # log p / q, by value
    start, surprise = begun.flatten(1).sum(1).cpu(), -begun.mean(0)
    led = torch.zeros(len(GAINS), len(own), dtype=torch.float64)  # log q_g / p of the steps
    for k in range(len(sigmas) - 1):
        sigma, lower = float(sigmas[k]), float(sigmas[k + 1])
        denoised = denoiser(y, sigma)
        weight = start - (led + share[:, None]).logsumexp(0)
        yield Led(k, y, denoised, weight, surprise.sum(0))
        if k == until or not lower:
            return
        kept = (lower / sigma) ** 2
        push = math.sqrt(1 - kept) / lower * (image - denoised)
        z = normal() + along * push
        product, square = (push * z).double(), push.double().square()
        led += (
            gains[:, None] * product.flatten(1).sum(1).cpu()
            - gains[:, None] ** 2 / 2 * square.flatten(1).sum(1).cpu()
        )
        surprise = surprise + (along * product - along**2 / 2 * square).mean(0)
        y = stochastic_step(y, denoised, sigma, lower, z)


def let_go(
    denoiser: Denoiser, led: Led, sigmas: Tensor, seed: int, tell: Callable[[], None]
) -> Tensor:
    """Take paths (P, C, H, W) from their level to the end with the plain sampler."""
    draw = generator(seed, 2**31 - 1)
    y, denoised = led.y, led.denoised
    for k in range(led.level, len(sigmas) - 1):
        sigma, lower = float(sigmas[k]), float(sigmas[k + 1])
        if k > led.level:
            denoised = denoiser(y, sigma)
            tell()
        if lower:
            noise = torch.randn(y.shape, generator=draw).to(y)
            y = stochastic_step(y, denoised, sigma, lower, noise)
        else:
            y = ode_step(y, denoised, None, sigmas, k)
    return y

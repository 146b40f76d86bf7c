"""The path of one sample, and the posterior of an ideal memoriser at every noise level."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.extraction.attack import draw_clusters
from memlib.extraction.surrogate import Surrogate
from memlib.flow import sample
from memlib.images import ImageSet

COMMITTED = 0.9  # share of the posterior weight on one image, from this level to the end
TOP = 5


@dataclass(frozen=True)
class Trajectory:
    """T noise levels of one sampling path, with the posterior of the training images given its
    state.

    `sigmas` (T,) falling; `noisy` and `denoised` (T, C, H, W); `index` and `weight` (T, 5), the
    training images with the largest weights; `candidates` (T,), exp of the entropy of the weights:
    how many images are still in question; `commit`, the index of the level from which one image has
    90% of the weight to the end, None if there is no such level. `image` is the sample.
    """

    sigmas: Tensor
    noisy: Tensor
    denoised: Tensor
    index: Tensor
    weight: Tensor
    candidates: Tensor
    commit: int | None
    image: Tensor


def posterior(
    y: Tensor,
    sigma: Tensor,
    images: Tensor | ImageSet,
    copies: Tensor | None = None,
    encode: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Return p(x_i | y, sigma) of a model that knows the training images and nothing else, (T, N)
    float64, for states y (T, C, H, W):

        softmax_i( ln n_i - |y - x_i|^2 / (2 sigma^2) ),

    n_i the copies of image i in the training set. `encode` maps pictures to the space of the
    states, if these are latents.
    """
    flat = y.double().flatten(1)
    logits = []
    for start in range(0, len(images), 4096):
        stop = min(len(images), start + 4096)
        block = (
            images[start:stop] if isinstance(images, Tensor) else images.batch(range(start, stop))
        )
        block = (block if encode is None else encode(block).cpu()).double().flatten(1)
        logits.append(
            block @ flat.T - 0.5 * block.square().sum(1, keepdim=True)
        )  # |y|^2 is the same for all images
    exponents = torch.cat(logits).T / sigma.double()[:, None] ** 2
    if copies is not None:
        exponents = exponents + copies.double().log()
    return exponents.softmax(1)


def training_copies(images: ImageSet) -> Tensor:
    """Return how often each image is in the training set, (N,) float64: its column `copies` if all
    are numbers, else how often it is in the image set.
    """
    stated = images.metadata.get("copies", [""])
    if all(value.isdecimal() for value in stated):
        return torch.tensor([max(1.0, float(value)) for value in stated], dtype=torch.float64)
    counts = Counter(images.ids)
    return torch.tensor([float(counts[image]) for image in images.ids], dtype=torch.float64)


def trajectory(
    denoiser: Denoiser,
    images: Tensor | ImageSet,
    number: int,
    *,
    copies: Tensor | None = None,
    surrogate: Surrogate | None = None,
    strength: float = 0.0,
    seed: int = 0,
    **sampler: Any,
) -> Trajectory:
    """Draw sample `number` again, as `sample` or `extract` drew it, and follow it.

    `sampler` are the arguments of `sample` that say how: `steps` or `sigmas`, `eta`,
    `second_order`.
    """
    states, denoised, levels = [], [], []

    def trace(sigma: float, y: Tensor, guess: Tensor) -> None:
        levels.append(sigma)
        states.append(y.cpu())
        denoised.append(guess.cpu())

    guidance = None
    if surrogate is not None and strength:
        wanted = draw_clusters(len(surrogate), 1, seed, number).expand(number + 1)
        guidance = surrogate.guidance(wanted, strength)
    image = sample(denoiser, 1, seed=seed, first=number, guidance=guidance, trace=trace, **sampler)[
        0
    ]
    sigmas, noisy = torch.tensor(levels, dtype=torch.float64), torch.cat(states)
    weights = posterior(noisy, sigmas, images, copies, denoiser.encode)
    weight, index = weights.topk(min(TOP, weights.shape[1]), dim=1)
    certain = weights[:, index[-1, 0]] >= COMMITTED
    run = int(certain.flip(0).long().cumprod(0).sum())
    return Trajectory(
        sigmas=sigmas,
        noisy=noisy,
        denoised=torch.cat(denoised),
        index=index,
        weight=weight,
        candidates=torch.special.entr(weights).sum(1).exp(),
        commit=len(sigmas) - run if run else None,
        image=image,
    )

"""An attack that spends its forwards where something new may be found."""

from dataclasses import dataclass

import torch
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.extraction.seeking.found import Found
from memlib.extraction.seeking.steering import Steered
from memlib.flow import generate, sample
from memlib.progress import Progress


@dataclass(frozen=True)
class Sought:
    """n images (n, C, H, W), and what each cost in network forwards (n,)."""

    images: Tensor
    forwards: Tensor


def seek(
    denoiser: Denoiser,
    n: int,
    *,
    sigmas: Tensor,
    look: int,
    found: Found,
    enough: int = 1,
    seed: int = 0,
    first: int = 0,
    callback: Progress | None = None,
) -> Sought:
    """Draw n images by DDIM, and end those paths early that lead to an image found before.

    After `look` levels of the ladder `sigmas` the path is looked at: the denoised image there tells
    where it leads, because few of them change their mind further down. If that is an image of which
    `enough` have been drawn, the path ends, and the denoised image is its picture; otherwise it
    goes on to the end. So every path brings an image, which depends only on (seed, its number) and
    on what was found before it, and paths are independent draws whether or not they end early. The
    n images are compared with `found` as it is, and not added to it. With `enough` beyond what was
    found this is `sample`, bit for bit. `denoiser` may be `Steered`. Eta is 0.
    """
    if not 0 < look < len(sigmas):
        raise ValueError(
            f"A path of {len(sigmas) - 1} levels can be looked at after 1 to {len(sigmas) - 1} of "
            f"them, not after {look}."
        )
    points: list[Tensor] = []

    def watch(sigma: float, y: Tensor, denoised: Tensor) -> None:
        if sigma == float(sigmas[look - 1]):
            points.append(denoised.cpu())

    states = sample(
        denoiser,
        n,
        sigmas=sigmas[: look + 1],
        seed=seed,
        first=first,
        trace=watch,
        callback=callback,
    )
    images = torch.cat(points)
    group = found.place(images)
    times = torch.where(group >= 0, found.times[group], 0) if len(found) else torch.zeros(n)
    going = times < enough
    if look == len(sigmas) - 1:
        images = states
    elif going.any():
        images[going] = generate(denoiser, states[going], sigmas=sigmas[look:]).cpu()
    spent = denoiser.forwards if isinstance(denoiser, Steered) else len
    head, tail = spent(sigmas[:look]), spent(sigmas[look:-1])
    return Sought(images, head + tail * going.long())

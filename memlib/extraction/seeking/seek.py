"""An attack that spends its forwards where something new may be found."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.extraction.plan import Plan
from memlib.extraction.seeking.found import Found
from memlib.extraction.seeking.steering import Steered
from memlib.flow import generate, sample
from memlib.images import of_pixels
from memlib.progress import Progress


@dataclass(frozen=True)
class Sought:
    """n images (n, C, H, W), what each cost in network forwards (n,), and whether its path was
    ended early (n,).
    """

    images: Tensor
    forwards: Tensor
    ended: Tensor


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
    return Sought(images, head + tail * going.long(), ~going)


class Seeker:
    """`seek` part by part: every part looks at what the earlier ones drew, as it was stored."""

    def __init__(self, denoiser: Denoiser, plan: Plan, reference: Denoiser | None = None) -> None:
        self.plan, self.sigmas = plan, plan.sigmas(denoiser)
        self.denoiser = Steered(
            denoiser,
            reference=reference,
            contrast=plan.contrast,
            repulsion=plan.repulsion,
            band=(float(self.sigmas[plan.look - 1]), float(self.sigmas[0])),
        )
        self.found = Found(denoiser.shape)

    @property
    def forwards(self) -> dict[str, int]:
        """The network forwards of an image whose path went to the end, or was ended."""
        ended = self.denoiser.forwards(self.sigmas[: self.plan.look])
        return {"whole": self.denoiser.forwards(self.sigmas[:-1]), "ended": ended}

    def draw(self, start: int, count: int, callback: Progress | None = None) -> Sought:
        """Draw `count` images from the one at `start` on."""
        plan = self.plan
        self.denoiser.found = self.found.images[self.found.times > 1]
        return seek(
            self.denoiser,
            count,
            sigmas=self.sigmas,
            look=plan.look,
            found=self.found,
            enough=plan.enough,
            seed=plan.seed,
            first=plan.first + start,
            callback=callback,
        )

    def take(self, pixels: np.ndarray) -> None:
        """Take in stored images, uint8 (n, H, W, C)."""
        images = of_pixels("", pixels).batch(range(len(pixels)))
        self.found.add(self.denoiser.model.encode(images).cpu())

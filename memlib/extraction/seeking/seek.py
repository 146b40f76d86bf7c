"""An attack that spends its forwards where something new may be found."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.extraction.plan import PART, Plan
from memlib.extraction.seeking.found import Found
from memlib.extraction.seeking.steering import Steered
from memlib.flow import descending, sample
from memlib.images import of_pixels
from memlib.progress import Progress

FRESH = 2  # of so many parts, one is of new paths
AGAIN = 2  # noise levels through which an image is drawn again


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
    eta: float = 0.0,
    second_order: bool = False,
    seed: int = 0,
    first: int = 0,
    callback: Progress | None = None,
) -> Sought:
    """Draw n images, and end those paths early that lead to an image found before.

    After `look` levels of the ladder `sigmas` the path is looked at: the denoised image there tells
    where it leads, because few of them change their mind further down. If that is an image of which
    `enough` have been drawn, the path ends, and the denoised image is its picture; otherwise it
    goes on to the end. So every path brings an image, which depends only on (seed, its number) and
    on what was found before it. The n images are compared with `found` as it is, and not added to
    it. With `enough` beyond what was found this is `sample`, bit for bit. `denoiser` may be
    `Steered`.
    """
    if not 0 < look < len(sigmas):
        raise ValueError(
            f"A path of {len(sigmas) - 1} levels can be looked at after 1 to {len(sigmas) - 1} of "
            f"them, not after {look}."
        )
    spent = denoiser.forwards if isinstance(denoiser, Steered) else len
    forwards = torch.full((n,), spent(sigmas[:-1]))

    def known(sigma: float, denoised: Tensor, index: Tensor) -> Tensor:
        if sigma != float(sigmas[look - 1]) or not len(found):
            return torch.zeros(len(index), dtype=torch.bool)
        group = found.place(denoised.cpu())
        ended = (group >= 0) & (found.times[group] >= enough)
        forwards[index[ended] - first] = spent(sigmas[:look])
        return ended

    images = sample(
        denoiser,
        n,
        sigmas=sigmas,
        seed=seed,
        first=first,
        eta=eta,
        second_order=second_order,
        ending=known,
        callback=callback,
    )
    return Sought(images, forwards)


class Seeker:
    """The attack part by part: every part knows what the earlier ones drew, as it was stored.

    Paths from pure noise find what the model draws often. The chance that one of them brings
    something new falls fast, and most of its forwards are spent before it commits to an image. So
    most parts draw again what was drawn: each of the groups found so far, those first that were
    drawn again least often, is noised to the level `again` and denoised from there in AGAIN steps,
    for a fraction of the forwards. A memorised image returns, and sharper; anything else
    goes elsewhere nearby, and what is drawn once in a thousand pictures gets as many tries as what
    is drawn in every tenth. Noising and denoising leave the distribution of what a model draws as
    it is (Gibbs sampling of an image and its noised state); that every group counts once, and not
    as often as it was drawn, is what leads to different images.
    """

    def __init__(self, denoiser: Denoiser, plan: Plan, reference: Denoiser | None = None) -> None:
        self.plan, self.sigmas = plan, plan.sigmas(denoiser)
        self.denoiser = Steered(
            denoiser,
            reference=reference,
            contrast=plan.contrast,
            repulsion=plan.repulsion,
            band=(float(self.sigmas[plan.look - 1]), float(self.sigmas[0])),
        )
        self._levels = descending(denoiser, AGAIN, plan.again or None, plan.low)
        self.found = Found(denoiser.shape)
        self.tries = torch.zeros(0, dtype=torch.long)  # how often each group was drawn again

    def draw(self, start: int, count: int, callback: Progress | None = None) -> Sought:
        """Draw `count` images from the one at `start` on, all in one part."""
        plan, groups = self.plan, self._again(start, count)
        self.denoiser.found = self.found.images[self.found.times > 1]
        where: dict[str, Any] = {
            "seed": plan.seed,
            "first": plan.first + start,
            "eta": plan.eta,
            "second_order": plan.order == 2,
        }
        if groups is None:
            look, enough = plan.look, plan.enough
            where |= {"sigmas": self.sigmas, "found": self.found, "callback": callback}
            return seek(self.denoiser, count, look=look, enough=enough, **where)
        levels, around = self._levels, self.found.images[groups]
        images = sample(self.denoiser, count, sigmas=levels, around=around, **where)
        return Sought(images, torch.full((count,), self.denoiser.forwards(levels[:-1])))

    def take(self, start: int, pixels: np.ndarray) -> None:
        """Take in a stored part, uint8 (n, H, W, C), whose first image is the one at `start`."""
        groups = self._again(start, len(pixels))
        if groups is not None:
            self.tries[groups] += 1
        images = of_pixels("", pixels).batch(range(len(pixels)))
        self.found.add(self.denoiser.model.encode(images).cpu())
        new = len(self.found) - len(self.tries)
        self.tries = torch.cat([self.tries, torch.zeros(new, dtype=torch.long)])

    def _again(self, start: int, count: int) -> Tensor | None:
        """Return the groups that a part draws again, (count,), those that were tried least often
        first; None for a part of new paths: the first FRESH, and every FRESH-th of the others.
        """
        part = start // PART
        if not self.plan.again or part < FRESH or part % FRESH == 0:
            return None
        order = torch.argsort(self.tries, stable=True)
        return order.repeat(-(-count // len(order)))[:count]

"""An attack that spends its forwards where something new may be found."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.extraction.plan import Plan
from memlib.extraction.seeking.found import Found
from memlib.extraction.seeking.steering import Steered
from memlib.flow import descending, sample
from memlib.images import of_pixels
from memlib.progress import Progress

KINDS = NEW, AGAIN, SHARPEN = "new", "again", "sharpen"  # of parts
STEPS = 2  # noise levels through which an image is drawn again
SHARPER = 4  # times that a group is sharpened


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
    other parts draw again what was drawn, STEPS steps from where it is, in turn: each group of
    nearly equal images counts once, those first that were drawn again least often. From the level
    `again` a memorised image returns, and anything else goes elsewhere nearby: noising and
    denoising leave the distribution of what a model draws as it is (Gibbs sampling of an image and
    its noised state), but what is drawn once in a thousand pictures gets as many tries as what is
    drawn in every tenth. From halfway down, in ln sigma, the groups that were drawn twice are
    sharpened, SHARPER times each: their images become those that the model remembers. Each of these
    KINDS of part gets as many forwards as the others, as far as there is something to do.
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
        self.found = Found(denoiser.shape)
        self.ladders = {NEW: self.sigmas}
        if plan.again:
            low = float(self.sigmas[-2])
            for kind, top in ((AGAIN, plan.again), (SHARPEN, (plan.again * low) ** 0.5)):
                self.ladders[kind] = descending(denoiser, STEPS, top, low)
        self.spent = dict.fromkeys(self.ladders, 0)  # forwards, as if no path were ended
        self.tries = {kind: torch.zeros(0, dtype=torch.long) for kind in self.ladders}  # by group

    def draw(self, start: int, count: int, callback: Progress | None = None) -> Sought:
        """Draw `count` images from the one at `start` on, all in one part."""
        plan, (kind, groups) = self.plan, self._choose(count)
        self.denoiser.found = self.found.images[self.found.times > 1]
        where: dict[str, Any] = {
            "sigmas": self.ladders[kind],
            "seed": plan.seed,
            "first": plan.first + start,
            "eta": plan.eta,
            "second_order": plan.order == 2,
            "callback": callback,
        }
        if kind == NEW:
            look, enough = plan.look, plan.enough
            return seek(self.denoiser, count, look=look, found=self.found, enough=enough, **where)
        images = sample(self.denoiser, count, around=self.found.images[groups], **where)
        return Sought(images, torch.full((count,), self._cost(kind)))

    def take(self, pixels: np.ndarray) -> None:
        """Take in a stored part, uint8 (n, H, W, C), the next one."""
        kind, groups = self._choose(len(pixels))
        self.spent[kind] += len(pixels) * self._cost(kind)
        self.tries[kind] += torch.bincount(groups, minlength=len(self.found))
        images = of_pixels("", pixels).batch(range(len(pixels)))
        self.found.add(self.denoiser.model.encode(images).cpu())
        for known, tries in self.tries.items():
            new = torch.zeros(len(self.found) - len(tries), dtype=torch.long)
            self.tries[known] = torch.cat([tries, new])

    def _choose(self, count: int) -> tuple[str, Tensor]:
        """Choose the kind of the next part, and the groups it starts from (count,), none for new
        paths.
        """
        choices = {NEW: torch.zeros(0, dtype=torch.long)}
        for kind in self.ladders.keys() - {NEW}:
            tries = self.tries[kind]
            ready = (self.found.times > 1) & (tries < SHARPER) if kind == SHARPEN else tries >= 0
            if (number := int(ready.sum())) >= count / 2:
                order = torch.argsort(tries + 10**9 * ~ready, stable=True)[:number]
                choices[kind] = order.repeat(2)[:count]
        kind = min(KINDS, key=lambda kind: (kind not in choices, self.spent.get(kind, 0)))
        return kind, choices[kind]

    def _cost(self, kind: str) -> int:
        return self.denoiser.forwards(self.ladders[kind][:-1])

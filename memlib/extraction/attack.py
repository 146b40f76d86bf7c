"""The attack: sampling led towards clusters of the model's own images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from memlib.denoisers import Denoiser
from memlib.extraction.surrogate import Surrogate
from memlib.flow import sample
from memlib.progress import Progress
from memlib.seeds import generator


@dataclass(frozen=True)
class Extraction:
    """n images (n, C, H, W), the cluster each was led to (n,), and the cost of one image in network
    forwards.
    """

    images: Tensor
    clusters: Tensor
    evaluations: float


def draw_clusters(count: int, n: int, seed: int = 0, first: int = 0) -> Tensor:
    """The cluster of images first to first + n - 1, uniform over `count`; image i's depends on
    (seed, i) alone.
    """
    return torch.tensor(
        [
            int(torch.randint(count, (), generator=generator(seed, index, 4)))
            for index in range(first, first + n)
        ]
    )


def extract(
    denoiser: Denoiser,
    surrogate: Surrogate,
    n: int,
    *,
    strength: float = 10.0,
    steps: int = 50,
    seed: int = 0,
    first: int = 0,
    callback: Progress | None = None,
) -> Extraction:
    """Draw n images led towards clusters of the surrogate, drawn uniformly: DDIM with the score

        s(y, sigma) + strength * grad log p(c | y, sigma),

    which is eps - sigma * strength * grad log p(c | y) (SIDE, Algorithm 1; Dhariwal & Nichol 2021).
    Strength 0 is `sample`, to the bit. Images are numbered from `first` on, as in `sample`.
    `callback(done, total)` counts steps.
    """
    if strength < 0:
        raise ValueError(f"The strength must not be negative, not {strength:g}.")
    clusters = draw_clusters(len(surrogate), n, seed, first)
    everyone = torch.cat(
        [torch.zeros(first, dtype=torch.long), clusters]
    )  # guidance is asked by number
    guidance = surrogate.guidance(everyone, strength) if strength else None
    images = sample(
        denoiser, n, steps=steps, seed=seed, first=first, guidance=guidance, callback=callback
    )
    return Extraction(images, clusters, steps * (1 + (surrogate.step_cost if strength else 0.0)))

"""The attack: sampling guided towards clusters of the model's own images."""

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
    """n images (n, C, H, W), the cluster towards which each was guided (n,), and the cost of one
    image in network forwards.
    """

    images: Tensor
    clusters: Tensor
    evaluations: float


def draw_clusters(count: int, n: int, seed: int = 0, first: int = 0) -> Tensor:
    """Draw the clusters of images first to first + n - 1, uniform over `count`; that of image i
    depends only on (seed, i).
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
    """Draw n images guided towards clusters of the surrogate, which are chosen uniformly: DDIM with
    the score

        s(y, sigma) + strength * grad log p(c | y, sigma),

    which is eps - sigma * strength * grad log p(c | y) (SIDE, Algorithm 1; Dhariwal & Nichol 2021).
    Strength 0 equals `sample` bit for bit. Images are numbered from `first`, as in `sample`.
    `callback(done, total)` counts steps.
    """
    if strength < 0:
        raise ValueError(f"The strength must not be negative, not {strength:g}.")
    clusters = draw_clusters(len(surrogate), n, seed, first)
    everyone = torch.cat(
        [torch.zeros(first, dtype=torch.long), clusters]
    )  # the guidance is called with image numbers
    guidance = surrogate.guidance(everyone, strength) if strength else None
    images = sample(
        denoiser, n, steps=steps, seed=seed, first=first, guidance=guidance, callback=callback
    )
    return Extraction(images, clusters, steps * (1 + (surrogate.step_cost if strength else 0.0)))

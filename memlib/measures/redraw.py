"""Redraw: noise an image to sigma, denoise it again with many seeds, and count how often it
returns.

y = x + sigma n is carried down by DDIM. At small sigma every image returns; at large sigma only
images the model would draw unconditionally. The noise level up to which an image returns is the
size of its basin. It is conditioned on the image: a basin shows that the model can reconstruct the
image, not that someone without it would draw it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import generate, ladder
from memlib.images import to_pixels
from memlib.measures.measure import Measure
from memlib.measures.result import Result, Row, standard_error
from memlib.measures.settings import Settings, noise_level
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import generator
from memlib.statistics import score_shares

LEVELS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


def levels_of(denoiser: Denoiser) -> list[float]:
    """Return those of LEVELS within the denoiser's range; its largest level if there are none."""
    return [sigma for sigma in LEVELS if denoiser.sigma_floor < sigma <= denoiser.sigma_max] or [
        denoiser.sigma_max
    ]


@dataclass(frozen=True, kw_only=True)
class RedrawSettings(Settings):
    """Settings of redrawing."""

    sigmas: tuple[float, ...] | None = noise_level(
        None, "Noise levels σ", "The levels to which the image is noised.", most=64, optional=True
    )
    draws: int = option(32, "Draws", "Redraws from each noise level.", low=1, high=4096)
    steps: int = option(15, "Steps", "DDIM steps of a redraw.", low=1, high=1000, implied=True)
    threshold: float = option(
        0.1,
        "Returned below",
        "Root mean square difference per value, in [-1, 1] units, below which a redraw counts "
        "as the image.",
        low=0.0,
        high=2.0,
        implied=True,
    )
    keep_images: bool = option(False, "Keep images", "Store the redraws.", implied=True)

    def forwards(self, denoiser: Denoiser) -> int:
        return len(self.sigmas or levels_of(denoiser)) * self.draws * self.steps

    @property
    def degrees(self) -> int:
        return self.draws - 1


@dataclass(frozen=True)
class Redraw(Result):
    """`value` is the share of all redraws that return to the image, with equal weight for each
    level; draws (B, n, 1).
    """

    distance: Tensor  # (B, levels, n) root mean square difference to the image
    returned: Tensor  # (B, levels, n) whether it is below the threshold
    images: Tensor | None  # (B, levels, n, C, H, W)

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "draws", "distance", "images")

    @property
    def interval(self) -> tuple[Tensor, Tensor]:
        """The ends of the 95% interval of `value`, which has positive width even if all draws
        agree.

        With p_l the share that returns from level l of L, (a_l, b_l) its Wilson interval, and r_lm
        the correlation of two levels over the draws (0 if a level does not vary),

            low = value - sqrt(sum over l, m of r_lm (p_l - a_l) (p_m - a_m)) / L

        and high likewise (square-and-add: Zou & Donner 2008). Coverage with 8 and 32 draws of point
        masses and mixtures: .94 to 1, where that of Student's t falls to .85.
        """
        back = self.returned.double().numpy()
        shares = back.mean(2)
        ends = score_shares(shares, back.shape[2])
        apart = back - shares[..., None]
        size = np.sqrt((apart**2).sum(2, keepdims=True))
        unit = np.divide(apart, size, out=np.zeros_like(apart), where=size > 0)
        alike = unit @ unit.swapaxes(1, 2)
        alike[:, range(back.shape[1]), range(back.shape[1])] = 1
        low, high = (
            torch.from_numpy(np.sqrt(np.einsum("bl,blm,bm->b", reach, alike, reach)))
            / back.shape[1]
            for reach in (shares - ends[0], ends[1] - shares)
        )
        return self.value - low, self.value + high


def redrawn_pictures(denoiser: Denoiser, row: Row, level: int = 0) -> np.ndarray:
    """Return the redraws from one level that a row kept, as pictures uint8 (n, H, W, C)."""
    return to_pixels(denoiser.decode(torch.from_numpy(row["images"][level])))


def redraw(
    denoiser: Denoiser,
    images: Tensor,
    *,
    sigmas: Sequence[float] | None = None,
    draws: int = RedrawSettings.draws,
    steps: int = RedrawSettings.steps,
    threshold: float = RedrawSettings.threshold,
    seed: int = RedrawSettings.seed,
    keep_images: bool = RedrawSettings.keep_images,
    callback: Progress | None = None,
) -> Redraw:
    """Redraw images (B, C, H, W) `draws` times from each noise level, with len(sigmas) * draws *
    steps forwards per image.

    By default `sigmas` are those of LEVELS within the denoiser's range. A redraw returns if its
    root-mean-square difference to the image is below `threshold`. The noise of draw i depends only
    on (seed, i), so it is shared by all images and levels. `callback(done, total)` counts levels.
    Raises ValueError for levels outside the denoiser's range.
    """
    sigmas = levels_of(denoiser) if sigmas is None else sigmas
    if draws < 1 or not len(sigmas):
        raise ValueError("At least one draw at one noise level is needed.")
    x = denoiser.check(images).float()
    noise = torch.stack(
        [torch.randn(denoiser.shape, generator=generator(seed, draw)) for draw in range(draws)]
    ).to(x.device)
    pictures, distances = [], []
    for level, sigma in enumerate(sigmas):
        rungs = ladder(denoiser, steps, denoiser.sigma_floor, sigma).flip(0)
        rungs[-1] = 0  # the last step ends at sigma = 0
        redrawn = generate(denoiser, (x[:, None] + sigma * noise).flatten(0, 1), sigmas=rungs).view(
            len(x), draws, *x.shape[1:]
        )
        distances.append((redrawn - x[:, None]).square().mean((2, 3, 4)).sqrt().cpu())
        if keep_images:
            pictures.append(redrawn.cpu())
        if callback:
            callback(level + 1, len(sigmas))
    distance = torch.stack(distances, 1)
    returned = distance < threshold
    back = returned.float().transpose(1, 2) / len(sigmas)  # (B, draws, levels)
    return Redraw(
        value=back.sum(2).mean(1),
        stderr=standard_error(back.sum(2, keepdim=True)),  # a draw shares noise over levels
        map=None,
        draws=back.sum(2, keepdim=True),
        evaluations=len(sigmas) * draws * steps,
        distance=distance,
        returned=returned,
        images=torch.stack(pictures, 1) if keep_images else None,
    )


ENTRIES = (
    Measure(
        name="redraw",
        title="Redraw",
        function=redraw,
        settings=RedrawSettings(draws=8),
        direction=+1,
        unit="share",
        definition="The image is noised at several levels and denoised again with many seeds. "
        "The value is the share of redraws that return to it: the width of its basin.",
        formula=r"\Pr\left[\operatorname{rms}\left(\Phi_{\sigma \to 0}(x + \sigma n) - "
        r"x\right) < 0.1\right] \text{ averaged over } \sigma",
        limits="It is conditioned on the image. A wide basin shows that the model can "
        "reconstruct the image, not that it would draw it unprompted.",
        citation="Afterimage; noising and denoising as in Meng et al., SDEdit, arXiv 2108.01073",
    ),
)

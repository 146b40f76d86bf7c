"""How exactly every pixel returns when an image is redrawn: a map of what the model knows by heart.

The image is noised, y = x + sigma n, and carried down again by DDIM in a few steps. Where the model
has stored the picture, the redraws z agree with x to a fraction of a grey level; where it has only
learned the kind, they look right and are different. The map is

    -1/2 median ln(|z - x|^2 / C + floor^2)

in every pixel, over draws, averaged over noise levels: the logarithm, so that a pixel that returns
exactly counts as much as one that is far off, and the median, because some draws end at another
picture altogether. (With means of as many draws, the pixel AUC on the demo is lower by .04.)
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.flow import generate, ladder
from memlib.measures.measure import Measure
from memlib.measures.result import Result
from memlib.measures.settings import Settings, noise_level
from memlib.options import option
from memlib.progress import Progress
from memlib.seeds import generator

LEVELS = (2.5, 4.0)


@dataclass(frozen=True, kw_only=True)
class PrecisionSettings(Settings):
    """Settings of redraw precision."""

    sigmas: tuple[float, ...] = noise_level(
        LEVELS, "Noise levels σ", "The levels to which the image is noised.", most=64
    )
    draws: int = option(
        12, "Draws", "Redraws from each noise level.", low=1, high=4096, address="draws"
    )
    steps: int = option(5, "Steps", "DDIM steps of a redraw.", low=1, high=1000, implied=True)
    floor: float = option(
        0.1,
        "Error that counts as none",
        "Root mean square difference of a pixel, in [-1, 1] units.",
        low=1e-6,
        high=2.0,
        implied=True,
    )

    def forwards(self, denoiser: Denoiser) -> int:
        return len(self.sigmas) * self.draws * self.steps

    def refusal(self, denoiser: Denoiser) -> str:
        low, high = denoiser.sigma_floor, denoiser.sigma_max
        outside = [sigma for sigma in self.sigmas if not low < sigma <= high]
        if not outside:
            return ""
        return f"The model knows noise levels from {low:.3g} to {high:.3g}, not {outside[0]:g}."


@dataclass(frozen=True)
class RedrawPrecision(Result):
    """Precision of B images in nats, the mean over pixels. Since it is a median, the draws do not
    average to it, and its standard error is NaN.
    """

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "map")


@torch.no_grad()
def redraw_precision(
    denoiser: Denoiser,
    images: Tensor,
    *,
    sigmas: tuple[float, ...] = PrecisionSettings.sigmas,
    draws: int = PrecisionSettings.draws,
    steps: int = PrecisionSettings.steps,
    floor: float = PrecisionSettings.floor,
    seed: int = PrecisionSettings.seed,
    callback: Progress | None = None,
) -> RedrawPrecision:
    """Return the mean over pixels and `sigmas` of -1/2 median ln(|z - x|^2 / C + floor^2) for
    images x (B, C, H, W) and their redraws z, and its map; len(sigmas) * draws * steps forwards an
    image.

    It is -ln floor for an isolated point, which every redraw returns to. The noise of a draw
    depends only on (seed, draw): it is shared by all images and levels. `callback(done, total)`
    counts levels. Raises ValueError for settings that are not allowed.
    """
    asked = PrecisionSettings(sigmas=sigmas, draws=draws, steps=steps, floor=floor, seed=seed)
    refused = asked.refusal(denoiser)
    if refused:
        raise ValueError(refused)
    x = denoiser.check(images).float()
    heat = torch.zeros(len(x), *x.shape[2:])
    for done, sigma in enumerate(asked.sigmas):
        rungs = ladder(denoiser, steps, denoiser.sigma_floor, sigma).flip(0)
        rungs[-1] = 0  # the last step ends at sigma = 0
        errors = []
        for draw in range(draws):
            noise = torch.randn(denoiser.shape, generator=generator(seed, draw)).to(x)
            redrawn = generate(denoiser, x + sigma * noise, sigmas=rungs)
            errors.append((redrawn - x).square().mean(1).cpu())
        heat -= 0.5 * (torch.stack(errors) + floor**2).log().quantile(0.5, 0)
        if callback:
            callback(done + 1, len(asked.sigmas))
    heat /= len(asked.sigmas) * math.prod(x.shape[2:])
    value = heat.double().sum((1, 2)).float()
    return RedrawPrecision(
        value=value,
        stderr=torch.full_like(value, torch.nan),
        map=heat,
        draws=None,
        evaluations=asked.forwards(denoiser),
    )


ENTRIES = (
    Measure(
        name="redraw_precision",
        title="Redraw precision",
        function=redraw_precision,
        settings=PrecisionSettings(),
        direction=+1,
        unit="nats, mean over pixels",
        definition="The image is noised and redrawn in a few steps. The value says how exactly its "
        "pixels return, on a logarithmic scale; the map says which of them.",
        formula=r"-\tfrac{1}{2} \, \mathbb{E}_\sigma \operatorname{median}_n \ln\left(\lVert "
        r"\Phi_{\sigma \to 0}(x + \sigma n) - x \rVert^2 / C + 0.1^2\right)",
        limits="A plain area also returns exactly. Between images, plain ones have high values; "
        "within an image the map is to be compared with how flat it is.",
        citation="Afterimage; noising and denoising as in Meng et al., SDEdit, arXiv 2108.01073",
    ),
)

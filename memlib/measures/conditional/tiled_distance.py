"""How far the pictures that one prompt gives are from each other (Carlini et al. 2023)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from memlib.denoisers.base import Denoiser
from memlib.measures.conditional.prompt_measure import PromptMeasure
from memlib.measures.result import Result
from memlib.measures.settings import Settings
from memlib.options import option
from memlib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class TiledSettings(Settings):
    """Settings of the tiled distance."""

    tiles: int = option(
        4, "Tiles", "Along each side; 4 are of 128 pixels in 512.", low=1, high=64, address="tiles"
    )

    def forwards(self, denoiser: Denoiser) -> int:
        return 0


@torch.no_grad()
def tiled_distance(
    denoiser: Denoiser,
    null: Denoiser,
    latents: Tensor,
    *,
    tiles: int = TiledSettings.tiles,
    seed: int = TiledSettings.seed,
    callback: Progress | None = None,
) -> Result:
    """Return, for each of B generated latents (B, C, H, W) of one prompt, the mean over the others
    of the largest distance of two decoded pictures within a tile; NaN for one latent.

    The distance is the root mean square over a tile of tiles x tiles, in image units: Carlini et
    al.'s tiled l2 (USENIX Security 2023, arXiv 2301.13188) over the square root of a tile's
    numbers. No forward is needed; `null` and `seed` are not used. Raises ValueError for more tiles
    than pixels.
    """
    sides = denoiser.picture_shape[1:]
    if not 1 <= tiles <= min(sides):
        raise ValueError(f"A picture of {sides[0]} x {sides[1]} has no {tiles} x {tiles} tiles.")
    pictures = denoiser.decode(denoiser.check(latents)).float()
    window = (sides[0] // tiles, sides[1] // tiles)
    value = torch.full((len(pictures),), torch.nan)
    for place, picture in enumerate(pictures):
        others = torch.cat([pictures[:place], pictures[place + 1 :]])
        if len(others):
            squares = (others - picture).square().mean(1, keepdim=True)
            value[place] = avg_pool2d(squares, window).flatten(1).amax(1).sqrt().mean().cpu()
        if callback:
            callback(place + 1, len(pictures))
    return Result(value, torch.full_like(value, torch.nan), None, None, 0)


ENTRIES = (
    PromptMeasure(
        name="tiled_distance",
        title="Distance among generated pictures",
        function=tiled_distance,
        settings=TiledSettings(),
        direction=-1,
        unit="image units",
        definition="How far the pictures of different seeds are from each other, in the part where "
        "they differ most: a memorised prompt gives the same picture again and again.",
        formula=r"\overline{\max_{\text{tiles}} \lVert x_i - x_j \rVert_{\text{rms}}}",
        limits="Copies of one template with different contents are far apart, and plain prompts "
        "give pictures that are alike without being copies.",
        citation="Carlini et al., Extracting Training Data from Diffusion Models, USENIX Security "
        "2023, arXiv 2301.13188",
        when="after",
        published=".908 / .088 with four seeds, .940 / .232 with sixteen",
    ),
)

"""Maps over pixels: smoothing, maps that use no model, and how well a map finds a mask."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import sobel, uniform_filter
from scipy.stats import rankdata
from torch import Tensor

AGREE = 0.05  # variants agree in a pixel if no channel differs by more; black to white is 2


def smooth(maps: np.ndarray, width: int) -> np.ndarray:
    """Average maps (..., H, W) over width x width boxes, mirrored at the border, which keeps each
    map's sum.
    """
    return np.asarray(
        uniform_filter(maps, size=(1,) * (maps.ndim - 2) + (width, width), mode="reflect")
    )


def agreement(variants: Tensor) -> np.ndarray:
    """Return a mask (H, W), True where all variants (V, C, H, W) agree within AGREE in every
    channel.
    """
    return (variants.amax(0) - variants.amin(0) <= AGREE).all(0).numpy()


def baselines(image: Tensor, mean: Tensor) -> dict[str, np.ndarray]:
    """Return maps (H, W) that use no model.

    `flatness` is minus the local variance in 3x3 boxes, `edges` the size of the gradient (Sobel),
    `typicality` minus the distance to the mean image (C, H, W), `everything` the same in all
    pixels.
    """
    pixels = image.numpy()
    variance = (
        uniform_filter(pixels**2, (1, 3, 3), mode="reflect")
        - uniform_filter(pixels, (1, 3, 3), mode="reflect") ** 2
    )
    return {
        "flatness": -variance.sum(0),
        "edges": np.sqrt(sobel(pixels, 1) ** 2 + sobel(pixels, 2) ** 2).sum(0),
        "typicality": -(np.square(pixels - mean.numpy()).sum(0) ** 0.5),
        "everything": np.zeros(pixels.shape[1:]),
    }


def pixel_auc(heat: np.ndarray, mask: np.ndarray, within: np.ndarray | None = None) -> float:
    """Return the probability that a pixel inside the mask (H, W) is brighter than one outside, ties
    counting half; NaN if the mask has only one value.

    From the ranks r of the pixels (Mann & Whitney): (sum of r inside - n (n + 1) / 2) / (n m), for
    n pixels inside and m outside. `within` (H, W) leaves out the pixels where it is False.
    """
    chosen = np.ones_like(mask) if within is None else within
    truth = mask[chosen]
    inside, outside = int(truth.sum()), int((~truth).sum())
    if not inside or not outside:
        return float("nan")
    above = rankdata(heat[chosen])[truth].sum() - inside * (inside + 1) / 2
    return float(above / (inside * outside))


def families(names: Sequence[object], least: int = 2) -> dict[str, list[int]]:
    """Return the positions of the images of each family with at least `least` of them, by the
    family's name; images with an empty name belong to no family.
    """
    found: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if name not in ("", None):
            found.setdefault(str(name), []).append(index)
    return {name: places for name, places in found.items() if len(places) >= least}

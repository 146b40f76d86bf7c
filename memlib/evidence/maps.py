"""Maps over pixels: smoothing, and how well a map finds the part of a drawing that its variants
share.

If several training images are variants of one drawing, the true mask of partial memorisation is
known: the pixels in which all variants agree. A map that finds memorised pixels ranks them above
the others.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata
from torch import Tensor

from memlib.images import ImageSet

VARIANTS = 4  # fewer variants say little about what they share
WHITE = 0.99
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
    """Return maps (H, W) that use no model, each signed so that high means memorised.

    `flatness` is minus the local variance in 3x3 boxes, `typicality` minus the distance to the mean
    image (C, H, W).
    """
    pixels = image.numpy()
    variance = (
        uniform_filter(pixels**2, (1, 3, 3), mode="reflect")
        - uniform_filter(pixels, (1, 3, 3), mode="reflect") ** 2
    )
    return {
        "flatness": -variance.sum(0),
        "typicality": -(np.square(pixels - mean.numpy()).sum(0) ** 0.5),
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


def family_aucs(
    images: ImageSet, found: Mapping[str, Mapping[str, np.ndarray]], width: int = 3
) -> pd.DataFrame | None:
    """Return the mean pixel AUC of each named set of maps {name: {image id: map}} and of the
    baselines, against the families' masks.

    Families come from the metadata column `family`, among the images that a `copies` column does
    not say were never trained on; masks are made from all their members, AUCs from those of which
    every named set has a map. One line per map: over the whole picture, and within the drawing
    (where some variant is not white). None if there are no families.
    """
    trained = [str(copies) != "0" for copies in images.metadata.get("copies", [""] * len(images))]
    groups = families(
        [
            name if seen else ""
            for name, seen in zip(images.metadata["family"], trained, strict=True)
        ],
        least=VARIANTS,
    )
    shared = set.intersection(
        *(set(maps) for maps in found.values())
    )  # so that every line uses the same images
    if not any(images.ids[place] in shared for places in groups.values() for place in places):
        return None
    mean = images.batch([index for index, seen in enumerate(trained) if seen][:1000]).mean(0)
    scores: dict[str, list[tuple[float, float]]] = {}
    for places in groups.values():
        variants = images.batch(places)
        mask, drawn = agreement(variants), (variants.amin(0) < WHITE).any(0).numpy()
        for place, image in zip(places, variants, strict=True):
            if images.ids[place] in shared:
                own = {name: smooth(maps[images.ids[place]], width) for name, maps in found.items()}
                for name, heat in (own | baselines(image, mean)).items():
                    scores.setdefault(name, []).append(
                        (pixel_auc(heat, mask), pixel_auc(heat, mask, drawn))
                    )
    lines = [
        (name, len(values), *np.nanmean(values, axis=0).round(3).tolist())
        for name, values in scores.items()
    ]
    return pd.DataFrame(lines, columns=["map", "images", "whole picture", "inside the drawing"])

"""True masks of partial memorisation, and how well maps find them.

A mask is known in two ways. Images with words in their metadata column `mask`, such as "in 3 5 14
16" (top, left, bottom, right; `out` for what is outside the box), share that part with the others
of their family. Where training images are variants of one drawing, the mask is where all variants
agree. A map that finds memorised pixels ranks those of the mask above the others.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from memlib.denoisers import Denoiser
from memlib.evidence.maps import agreement, baselines, families, pixel_auc, smooth
from memlib.images import ImageSet
from memlib.measures import redraw_precision
from memlib.quoting import quoted

VARIANTS = 4  # fewer variants say little about what they share
WHITE = 0.99
RESAMPLES, THRESHOLDS = 2000, 512
COLUMNS = ["map", "images", "clusters", "whole picture", "inside the drawing", "low", "high"]
COLUMNS += ["IoU", "IoU low", "IoU high"]


@dataclass(frozen=True)
class Mask:
    """What of an image is known to repeat: `truth` (H, W), to be judged where it is `drawn`."""

    place: int  # of the image
    cluster: str  # images with an equal name share the part, and are one observation
    truth: np.ndarray
    drawn: np.ndarray


def mask_in_words(words: str, height: int, width: int) -> np.ndarray:
    """Return the mask (height, width) that words such as "in 3 5 14 16" stand for; all False for
    "". Raises ValueError for other words.
    """
    mask = np.zeros((height, width), bool)
    if not words:
        return mask
    side, *box = words.split()
    if side not in ("in", "out") or len(box) != 4 or not all(edge.isdecimal() for edge in box):
        raise ValueError(
            f"A mask is written as 'in' or 'out' and a box's top, left, bottom and right, not as "
            f"{quoted(words, 40)}."
        )
    top, left, bottom, right = (int(edge) for edge in box)
    mask[top:bottom, left:right] = True
    return mask if side == "in" else ~mask


def true_masks(images: ImageSet) -> list[Mask]:
    """Return the masks of all training images that have one: written ones if the metadata have a
    column `mask`, otherwise those of families with at least VARIANTS members.
    """
    trained = [str(copies) != "0" for copies in images.metadata.get("copies", [""] * len(images))]
    if "family" not in images.metadata:
        return []
    names = [
        name if seen else "" for name, seen in zip(images.metadata["family"], trained, strict=True)
    ]
    if "mask" in images.metadata:
        _, height, width = images.shape
        everywhere = np.ones((height, width), bool)
        return [
            Mask(place, names[place], mask_in_words(words, height, width), everywhere)
            for place, words in enumerate(images.metadata["mask"])
            if words and names[place]
        ]
    found = []
    for name, places in families(names, least=VARIANTS).items():
        variants = images.batch(places)
        mask, drawn = agreement(variants), (variants.amin(0) < WHITE).any(0).numpy()
        found += [Mask(place, name, mask, drawn) for place in places]
    return found


def family_aucs(
    images: ImageSet,
    found: Mapping[str, Mapping[str, np.ndarray]],
    width: int = 3,
    masks: Sequence[Mask] | None = None,
) -> pd.DataFrame | None:
    """Judge each named set of maps {name: {image id: map}}, smoothed, and the baselines, against
    true masks, by default all `true_masks`; None if no image has a mask and every map.

    One line per map: the mean pixel AUC over the whole picture, and within the drawing (where some
    variant is not white) with its 95% interval; and the intersection over union of mask and map
    within the drawing at the single best threshold for all images together, with its interval.
    Intervals resample clusters.
    """
    shared = set.intersection(*(set(maps) for maps in found.values()))  # so that all lines are of
    every = true_masks(images) if masks is None else masks
    kept = [mask for mask in every if images.ids[mask.place] in shared]  # the same images
    if not kept:
        return None
    trained = np.flatnonzero(~images.held_out)[:1000].tolist()
    mean = images.batch(trained).mean(0)
    heats: dict[str, list[np.ndarray]] = {}
    for mask in kept:
        image = images.ids[mask.place]
        own = {name: smooth(maps[image], width) for name, maps in found.items()}
        for name, heat in (own | baselines(images[mask.place], mean)).items():
            heats.setdefault(name, []).append(np.asarray(heat, np.float64))
    return pd.DataFrame([_line(name, maps, kept) for name, maps in heats.items()], columns=COLUMNS)


def masked_examples(
    denoiser: Denoiser, images: ImageSet, count: int, width: int = 3
) -> list[tuple[Mask, np.ndarray]]:
    """Return up to `count` images with a mask, of as many different families, those with the most
    members first, with their smoothed maps of redraw precision.
    """
    every = true_masks(images)
    sizes = Counter(mask.cluster for mask in every)
    first = {mask.cluster: mask for mask in reversed(every)}
    order = sorted(first, key=lambda name: (-sizes[name], name))[:count]
    chosen = [first[name] for name in order]
    heats = redraw_precision(denoiser, images.batch(mask.place for mask in chosen)).map
    assert heats is not None
    return list(zip(chosen, smooth(heats.numpy(), width), strict=True))


def _line(name: str, heats: Sequence[np.ndarray], masks: Sequence[Mask]) -> tuple[object, ...]:
    """Judge one set of maps, one for each mask."""
    pairs = list(zip(heats, masks, strict=True))
    whole = [pixel_auc(heat, mask.truth) for heat, mask in pairs]
    inside = np.array([pixel_auc(heat, mask.truth, mask.drawn) for heat, mask in pairs])
    clusters, place = np.unique([mask.cluster for mask in masks], return_inverse=True)
    many = len(clusters)
    draw = np.random.default_rng(0)
    weights = draw.multinomial(many, np.full(many, 1 / many), RESAMPLES)
    weights = np.vstack([np.ones(many, int), weights])  # the first line is the estimate itself
    known = ~np.isnan(inside)
    sums = np.bincount(place[known], inside[known], many)
    with np.errstate(invalid="ignore"):
        areas = (weights @ sums) / (weights @ np.bincount(place[known], minlength=many))
    overlaps = _overlaps(heats, masks, place, many, weights)
    ends = [np.nanquantile(values[1:], (0.025, 0.975)) for values in (areas, overlaps)]
    numbers = (np.nanmean(whole), areas[0], *ends[0], overlaps[0], *ends[1])
    return (name, len(masks), many, *(round(float(number), 3) for number in numbers))


def _overlaps(
    heats: Sequence[np.ndarray],
    masks: Sequence[Mask],
    place: np.ndarray,
    many: int,
    weights: np.ndarray,
) -> np.ndarray:
    """Return the intersection over union at the best threshold for each line of the weights of
    clusters (lines, many).
    """
    pooled = np.concatenate([heat[mask.drawn] for heat, mask in zip(heats, masks, strict=True)])
    cuts = np.unique(np.quantile(pooled, np.linspace(0, 1, THRESHOLDS)))
    called, hits, truth = (np.zeros((many, len(cuts))) for _ in range(3))
    for heat, mask, cluster in zip(heats, masks, place, strict=True):
        values, true = heat[mask.drawn], mask.truth[mask.drawn]
        for total, chosen in ((called, values), (hits, values[true])):
            below = np.searchsorted(np.sort(chosen), cuts, "left")
            total[cluster] += len(chosen) - below
        truth[cluster] += true.sum()
    shared = weights @ hits
    best: np.ndarray = (shared / (weights @ called + weights @ truth - shared)).max(1)
    return best

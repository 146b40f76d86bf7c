"""Maps against true masks: which map shows what repeats, on the demo and on the benchmark."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from memlib import Denoiser, ImageSet, load_denoiser, load_images
from memlib.evidence.masks import Mask, family_aucs, true_masks
from memlib.measures import integrated_loss, noised_growth, redraw_precision, volume_growth
from memlib.measures.differences.subtraction import curvature_apart, score_apart
from memlib.measures.result import Result
from memlib.progress import Stages

SUBJECTS = {"demo": "demo-reference", "benchmark": "benchmark-reference"}  # and their references
MEMBERS = 3  # images of a family whose maps are judged; masks are of whole families
BATCH = 32
GUESS = 3.0  # the noise level of the map that takes one forward
# from a model, its reference and images (B, C, H, W): maps (B, H, W), high is memorised
Make = Callable[[Denoiser, Denoiser, Tensor], Tensor]


def _map(result: Result) -> Tensor:
    assert result.map is not None
    return result.map


def _own(measure: Callable[..., Result], sign: int = 1) -> Make:
    """Return the map of a measure of the model."""
    return lambda one, other, x: sign * _map(measure(one, x))


def _minus(measure: Callable[..., Result], sign: int = 1) -> Make:
    """Return the map of a measure minus that of the reference."""
    return lambda one, other, x: sign * (_map(measure(one, x)) - _map(measure(other, x)))


def _pair(measure: Callable[..., Result], **settings: int) -> Make:
    """Return the map of a measure of both."""
    return lambda one, other, x: _map(measure(one, other, x, **settings))


@torch.no_grad()
def best_guess(denoiser: Denoiser, reference: Denoiser, x: Tensor) -> Tensor:
    """Return minus the distance of the image from the denoiser's best guess, by pixel, where the
    image itself is taken for one with noise: one forward.
    """
    return -(denoiser(x, GUESS) - x).square().sum(1).cpu()


MAPS: dict[str, Make] = {
    "redraw precision": _own(redraw_precision),
    f"best guess at {GUESS:g}": best_guess,
    "volume growth": _own(volume_growth),
    "volume growth minus reference": _minus(volume_growth),
    "growth at noised states": _own(noised_growth),
    "growth at noised states minus reference": _minus(noised_growth),
    "integrated loss, negative": _own(integrated_loss, -1),
    "integrated loss, reference minus model": _minus(integrated_loss, -1),
    "score difference": _pair(score_apart),
    "score difference at the image": _pair(score_apart, draws=0),
    "curvature difference": _pair(curvature_apart),
    "curvature difference at the image": _pair(curvature_apart, draws=0, probes=4),
}


def chosen_masks(images: ImageSet) -> list[Mask]:
    """Return the masks of at most MEMBERS images of each family."""
    taken: dict[str, int] = {}
    kept = []
    for mask in true_masks(images):
        taken[mask.cluster] = taken.get(mask.cluster, 0) + 1
        if taken[mask.cluster] <= MEMBERS:
            kept.append(mask)
    return kept


def make_maps(subject: str, work: Path, stages: Stages) -> dict[str, dict[str, np.ndarray]]:
    """Return every map of the images with a mask, {name: {image id: map}}; finished ones are kept
    in `work`.
    """
    images, denoiser = load_images(subject), load_denoiser(subject, "cpu")
    reference = load_denoiser(SUBJECTS[subject], "cpu")
    places = [mask.place for mask in chosen_masks(images)]
    found = {}
    for done, (name, make) in enumerate(MAPS.items()):
        file = work / f"{subject}-{denoiser.digest[:12]}-{name.replace(' ', '-')}.npy"
        if not file.exists():
            work.mkdir(parents=True, exist_ok=True)
            parts = [
                make(denoiser, reference, images.batch(places[start : start + BATCH])).numpy()
                for start in range(0, len(places), BATCH)
            ]
            np.save(file, np.concatenate(parts).astype(np.float32))
        heats = np.load(file)
        found[name] = {images.ids[place]: heat for place, heat in zip(places, heats, strict=True)}
        stages(f"maps of the {subject}")(done + 1, len(MAPS))
    return found


def write_maps(target: Path, work: Path, stages: Stages) -> None:
    """Write the judgement of every map: of the demo by its families, of the benchmark by its
    partial copies, all together, for each kind of mask and for each dose.
    """
    tables = []
    for subject in SUBJECTS:
        images, found = load_images(subject), make_maps(subject, work, stages)
        for part, masks in _parts(images, chosen_masks(images)).items():
            table = family_aucs(images, found, masks=masks)
            if table is not None:
                tables.append(table.assign(subject=subject, part=part))
    judged = pd.concat(tables)
    leading = ["subject", "part"]
    judged[leading + [one for one in judged if one not in leading]].to_csv(target, index=False)


def _parts(images: ImageSet, masks: Sequence[Mask]) -> dict[str, list[Mask]]:
    """Return the masks that are judged together, by name; the name of a family of the benchmark
    begins with the kind of its mask and its dose.
    """
    found = {"all": list(masks)}
    if "shared" in images.metadata:
        doses = [int(images.metadata["shared"][mask.place]) for mask in masks]
        often = [mask for mask, dose in zip(masks, doses, strict=True) if dose >= 8]
        found["in 8 images or more"] = often
        for kind in dict.fromkeys(mask.cluster.split("-")[0] for mask in often):
            found[f"{kind}, in 8 or more"] = [one for one in often if one.cluster.startswith(kind)]
        for dose in sorted(set(doses)):
            of = [mask for mask, one in zip(masks, doses, strict=True) if one == dose]
            found[f"in {dose} images"] = of
    return found

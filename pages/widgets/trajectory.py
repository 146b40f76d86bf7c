"""The sampling path of one generated image, explored in the browser.

At each noise level it shows the denoised image, the training images with the largest posterior
weight for an ideal memoriser, and how many are still in question.
"""

import numpy as np

from pages.widgets.base import as_sheet, check_pictures
from pages.widgets.component import widget

_component = widget("trajectory")


def trajectory(
    noisy: np.ndarray,
    denoised: np.ndarray,
    sigmas: np.ndarray,
    index: np.ndarray,
    weight: np.ndarray,
    candidates: np.ndarray,
    thumbnails: dict[int, np.ndarray],
    names: dict[int, str],
    commit: int | None,
    *,
    key: str,
    alt: str,
) -> None:
    """Draw a path over T positive, descending noise levels `sigmas`.

    `noisy` and `denoised` are (T, H, W, 3) uint8. `index` and `weight` (T, k) are the training
    images with the largest posterior weight given the noisy state, largest first, with a thumbnail
    (H, W, 3) uint8 and a name for each; `candidates` (T,) is exp(entropy) of all weights. From
    level `commit` on the path is committed to one image. Raises ValueError where shapes or levels
    do not agree.
    """
    levels = len(sigmas)
    check_pictures(noisy, "The noisy states")
    check_pictures(denoised, "The denoised images")
    if not (
        noisy.shape == denoised.shape
        and len(noisy) == len(index) == len(weight) == len(candidates) == levels
        and index.shape == weight.shape
    ):
        raise ValueError(
            f"A path over {levels} noise levels needs as many states, weights and candidates; "
            f"given are {noisy.shape}, {denoised.shape}, {index.shape}, {weight.shape} and "
            f"{candidates.shape}."
        )
    if not (np.asarray(sigmas) > 0).all() or (np.diff(sigmas) >= 0).any():
        raise ValueError(
            "Noise levels must be positive and descending; these are "
            f"{np.asarray(sigmas).tolist()}."
        )
    if commit is not None and not 0 <= commit < levels:
        raise ValueError(
            f"The path has levels 0 to {levels - 1}; it cannot commit at level {commit}."
        )
    images = np.unique(index)
    missing = [int(image) for image in images if image not in thumbnails or image not in names]
    if missing:
        raise ValueError(f"Training images {missing} have a weight but no thumbnail or no name.")
    pictures = np.stack([thumbnails[int(image)] for image in images])
    check_pictures(pictures, "Thumbnails")
    _component(
        key=key,
        data={
            "id": key,
            "noisy": as_sheet(noisy, 128),
            "denoised": as_sheet(denoised, 128),
            "thumbnails": as_sheet(pictures, 64),
            "names": [names[int(image)] for image in images],
            "sigmas": np.asarray(sigmas, float).tolist(),
            "index": np.searchsorted(images, index).tolist(),
            "weight": np.asarray(weight, float).tolist(),
            "candidates": np.maximum(candidates, 1).astype(float).tolist(),
            "commit": commit,
            "alt": alt,
        },
    )

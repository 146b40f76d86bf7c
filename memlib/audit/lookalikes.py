"""Images that look alike though their pixels differ, found by a perceptual hash, which hardly
changes with brightness, contrast or slight noise.
"""

import numpy as np
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from memlib.images import ImageSet

SIDE, LOW = (
    32,
    8,
)  # pixels per side of the shrunk picture, and of the square of low frequencies that is kept
BITS = LOW * LOW - 1
APART = 6  # bits that may differ
BLOCK = 1024


def perceptual_hash(images: Tensor) -> np.ndarray:
    """Return the signs of the lowest 63 frequencies of each image (B, C, H, W) in grey, relative to
    their median, (B, 63) of -1 and 1.

    pHash: shrink, discrete cosine transform, keep the 8 x 8 lowest frequencies without the mean.
    """
    grey = adaptive_avg_pool2d(images.mean(1, keepdim=True), SIDE)[:, 0].numpy()
    low = dctn(grey, axes=(1, 2), norm="ortho")[:, :LOW, :LOW].reshape(len(grey), -1)[:, 1:]
    return np.where(low > np.median(low, 1, keepdims=True), 1, -1).astype(np.float32)


def lookalikes(images: ImageSet | Tensor, apart: int = APART) -> np.ndarray:
    """Return the group of each image, (N,): the smallest index in it. Images belong together if at
    most `apart` bits of their hashes differ, or if a chain of such images joins them. Flat images
    have no meaningful hash and stay alone.
    """
    if not 0 <= apart <= BITS:
        raise ValueError(f"At most {BITS} bits can differ, not {apart}.")
    count = len(images)
    hashes, flat = np.empty((count, BITS), np.float32), np.zeros(count, bool)
    for start in range(0, count, BLOCK):
        places = range(start, min(count, start + BLOCK))
        block = (
            images[start : start + BLOCK] if isinstance(images, Tensor) else images.batch(places)
        )
        hashes[start : start + BLOCK] = perceptual_hash(block)
        flat[start : start + BLOCK] = (block.flatten(1).std(1) < 1e-3).numpy()
    pairs = [np.stack([np.arange(count)] * 2)]
    for start in range(0, count, BLOCK):
        differ = (
            BITS - hashes[start : start + BLOCK] @ hashes[: start + BLOCK].T
        ) / 2  # only earlier images, so that each pair is compared once
        left, right = np.nonzero(differ <= apart + 0.5)
        left = left + start
        keep = ~flat[left] & ~flat[right] & (right < left)
        pairs.append(np.stack([left[keep], right[keep]]))
    ends = np.concatenate(pairs, 1)
    label = connected_components(
        coo_array((np.ones(ends.shape[1], bool), ends), shape=(count, count)), directed=False
    )[1]
    first = np.full(label.max() + 1, count)
    np.minimum.at(first, label, np.arange(count))
    return np.asarray(first[label])

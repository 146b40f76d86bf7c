"""How simple an image is, by the size of its PNG, and a measure with the part that this explains
removed.
"""

import io
from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image
from torch import Tensor

from memlib.images import to_pixels
from memlib.measures.result import Row


def png_size(images: Iterable[Tensor]) -> np.ndarray:
    """Return the size in bytes of each image (C, H, W) as an optimised PNG, int64 (N,): its
    complexity.
    """
    sizes = []
    for image in images:
        pixels, stream = to_pixels(image), io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(
            stream, "PNG", optimize=True
        )
        sizes.append(stream.tell())
    return np.array(sizes, dtype=np.int64)


def regress_out(values: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Return values (N,) minus their least-squares line on `control` (N,): the part that the
    control does not explain, with mean 0.
    """
    centred = np.asarray(control, dtype=np.float64) - np.mean(control)
    spread = float((centred**2).sum())
    slope = float((centred * values).sum()) / spread if spread > 0 else 0.0
    return np.asarray(values - np.mean(values) - slope * centred)


def without(rows: Mapping[str, Row], control: np.ndarray) -> dict[str, Row]:
    """Return rows by image id with the part of their values that a control (N,), in their order,
    explains removed.
    """
    left = regress_out(np.array([row["value"] for row in rows.values()]), control)
    return {
        image: {**row, "value": float(value)}
        for (image, row), value in zip(rows.items(), left, strict=True)
    }

"""Two pictures of the same shape laid over each other, with a boundary to drag, and their
difference.
"""

import numpy as np

from pages.figures.pictures import data_url
from pages.widgets.base import check_pictures
from pages.widgets.component import widget

_component = widget("wipe")


def wipe(
    left: np.ndarray,
    right: np.ndarray,
    names: tuple[str, str],
    *,
    key: str,
    alt: str,
    size: int = 320,
) -> None:
    """Draw two pictures (H, W, 3) uint8 of the same shape, with `names` above their halves.

    They are at most `size` pixels wide, enlarged by a whole factor. Raises ValueError for pictures
    of different shapes.
    """
    if left.shape != right.shape:
        raise ValueError(
            "The pictures must have the same shape to be laid over each other; these are "
            f"{left.shape} and {right.shape}."
        )
    check_pictures(np.stack([left, right]), "A wipe's two sides")
    difference = np.abs(left.astype(np.int16) - right.astype(np.int16)).astype(np.uint8)
    brighter = 255 // int(difference.max() or 255)  # the difference of a good copy looks black
    height, width = left.shape[:2]
    _component(
        key=key,
        data={
            "id": key,
            "left": data_url(left),
            "right": data_url(right),
            "difference": data_url(difference * np.uint8(brighter)),
            "told": f"Mean {difference.mean():.1f}, largest {difference.max()} of 255"
            + (f", drawn {brighter} times brighter" if brighter > 1 else ""),
            "width": width,
            "height": height,
            "size": size,
            "names": list(names),
            "alt": alt,
        },
    )

"""An image, its map and an overlay of both, with sliders that work in the browser.

All maps are sent once; changing noise level, p and opacity needs no server. Slider positions stay
when another image is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pages.figures.pictures import DIVERGING_TABLE, SEQUENTIAL_TABLE, coarse, data_url
from pages.widgets.base import packed
from pages.widgets.component import widget


@dataclass(frozen=True)
class Axis:
    """A slider: its label, the name of each position, and the position where it starts."""

    label: str
    names: Sequence[str]
    start: int = -1


@dataclass(frozen=True)
class Kind:
    """Maps of one kind, (H, W), (n, H, W) or (n, m, H, W) along the axes, their colour limits, and
    a line of text for each.
    """

    name: str
    maps: np.ndarray
    limits: tuple[float, float]
    unit: str
    signed: bool = False
    texts: Sequence[str] = ()
    note: str = ""


_component = widget("player")


def player(
    pixels: np.ndarray,
    kinds: Sequence[Kind],
    axes: Sequence[Axis] = (),
    *,
    key: str,
    alt: str,
    size: int = 256,
) -> None:
    """Draw a picture (H, W, 3) uint8 and its maps side by side.

    Each is at most `size` pixels wide, enlarged by a whole factor.
    """
    _component(
        key=key,
        data={
            "id": key,
            "image": data_url(pixels),
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "size": size,
            "alt": alt,
            "kinds": [_kind(kind) for kind in kinds],
            "axes": [
                {
                    "label": axis.label,
                    "names": list(axis.names),
                    "start": axis.start % max(1, len(axis.names)),
                }
                for axis in axes
            ],
            "sequential": SEQUENTIAL_TABLE.tolist(),
            "diverging": DIVERGING_TABLE.tolist(),
        },
    )


def _kind(kind: Kind) -> dict[str, Any]:
    """Return a kind in the form player.js reads, its maps in four dimensions."""
    leading = kind.maps.shape[:-2]
    places = (*leading, *(1,) * (2 - len(leading))) if leading else (1, 1)
    maps = coarse(kind.maps.reshape(*places, *kind.maps.shape[-2:]))
    return {
        "name": kind.name,
        "maps": packed(maps),
        "shape": maps.shape[:2],
        "size": maps.shape[2:],
        "low": kind.limits[0],
        "high": kind.limits[1],
        "signed": kind.signed,
        "unit": kind.unit,
        "texts": list(kind.texts),
        "note": kind.note,
    }

"""What is done to a decoded picture before a model sees it.

Pixels are arrays (C, H, W), uint8 0..255, or float32 in [-1, 1] already. Pictures are resized
bilinearly. Without torch: decoder processes import it.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from PIL import Image

from memlib.quoting import quoted

Pixels = np.ndarray
LARGEST_SIDE = 4096
FITS: dict[str, str] = {
    "crop": "Resize the shorter side, keep the centre",
    "stretch": "Resize both sides, proportions are lost",
    "centre": "Cut the centre out, nothing is resized",
}


@dataclass(frozen=True)
class Transform:
    """Bring pictures to `size` x `size` as `fit` says, mirror them left to right, make them grey
    (1) or coloured (3).

    `size=None` keeps the size, `channels=None` the colours. ValueError for values out of range.
    """

    size: int | None = None
    channels: int | None = None
    fit: str = "crop"
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.size is not None:
            check_count(self.size, LARGEST_SIDE, "The image size")
        if self.channels is not None and check_count(self.channels, 3, "The channels") == 2:
            raise ValueError("Images have 1 channel (grey) or 3 (colour), not 2.")
        if self.fit not in FITS:
            raise ValueError(
                f"Pictures are fitted by one of {', '.join(FITS)}, not {quoted(self.fit, 40)}."
            )

    def __call__(self, pixels: Pixels) -> Pixels:
        """The transformed picture; ValueError, as a phrase about it, where that cannot be."""
        if self.channels is not None and pixels.shape[0] != self.channels:
            if pixels.dtype != np.uint8:
                raise ValueError(f"has {pixels.shape[0]} channels, not {self.channels}")
            pixels = to_array(_picture(pixels).convert("L" if self.channels == 1 else "RGB"))
        if self.size is not None and pixels.shape[1:] != (self.size, self.size):
            pixels = self._resized(pixels, self.size)
        return np.ascontiguousarray(pixels[:, :, ::-1]) if self.mirror else pixels

    def _resized(self, pixels: Pixels, size: int) -> Pixels:
        _, height, width = pixels.shape
        if self.fit == "centre":
            if min(height, width) < size:
                raise ValueError(
                    f"is {width} x {height}, too small to cut {size} x {size} out of it"
                )
            top, left = (height - size) // 2, (width - size) // 2
            return np.ascontiguousarray(pixels[:, top : top + size, left : left + size])
        if pixels.dtype != np.uint8:
            raise ValueError("has floating-point pixels, which are not resized")
        box: tuple[float, float, float, float] = (0, 0, width, height)
        if self.fit == "crop":  # cropped first, so that a long thin picture stays small
            side = min(width, height)
            left, top = (width - side) / 2, (height - side) / 2
            box = (left, top, left + side, top + side)
        return to_array(_picture(pixels).resize((size, size), Image.Resampling.BILINEAR, box=box))

    def identify(self, pixels: Pixels) -> str:
        """The id of a transformed picture: a hash of its pixels and of how it was resized."""
        said = f"{pixels.dtype}{pixels.shape}{self.size}" + (
            self.fit if self.fit != "crop" and self.size else ""
        )
        return hashlib.sha256(said.encode() + pixels.tobytes()).hexdigest()[:16]

    def with_channels(self, channels: int) -> Self:
        return replace(self, channels=channels)


def check_count(value: object, most: int, what: str) -> int:
    """A whole number from 1 to `most`, or a ValueError that quotes at most 20 of its digits."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and 1 <= value <= most:
        return int(value)
    if isinstance(value, int) and abs(value) >= 10**20:
        shown = "a number of more than 20 digits"
    else:
        shown = quoted(value, 40)
    raise ValueError(f"{what} must be a whole number between 1 and {most:,}, not {shown}.")


def describe(shape: tuple[int, ...]) -> str:
    """8 x 8 in colour"""
    return (
        f"{shape[2]} x {shape[1]} in "
        f"{'grey' if shape[0] == 1 else 'colour' if shape[0] == 3 else f'{shape[0]} channels'}"
    )


def to_array(picture: Image.Image) -> Pixels:
    """A grey or RGB picture as (C, H, W)."""
    array = np.asarray(picture)
    if array.ndim == 2:
        return array[None].copy()  # Pillow's own memory cannot be written to
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def _picture(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[0] if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0))

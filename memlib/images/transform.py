"""What is done to a decoded picture before a model sees it, and the way from uint8 to [-1, 1] and
back.

Pixels are arrays (C, H, W), uint8 0..255, or float32 in [-1, 1] already. Pictures are resized
bilinearly.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

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

    Without a `size` or `channels` that stays as it is. ValueError for values that mean nothing.
    """

    size: int | None = None
    channels: int | None = None
    fit: str = "crop"
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= LARGEST_SIDE:
            raise ValueError(
                f"The image size must be between 1 and {LARGEST_SIDE}, not {self.size}."
            )
        if self.channels not in (None, 1, 3):
            raise ValueError(f"Images have 1 channel (grey) or 3 (colour), not {self.channels}.")
        if self.fit not in FITS:
            raise ValueError(
                f"Pictures are fitted by one of {', '.join(FITS)}, not {self.fit!r:.40}."
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


def describe(shape: tuple[int, ...]) -> str:
    """8 x 8 in colour"""
    return (
        f"{shape[2]} x {shape[1]} in "
        f"{'grey' if shape[0] == 1 else 'colour' if shape[0] == 3 else f'{shape[0]} channels'}"
    )


def to_unit(pixels: Pixels) -> Tensor:
    """uint8 0..255 to float32 -1..1; float arrays are there already."""
    tensor = torch.from_numpy(np.ascontiguousarray(pixels))
    return tensor.float() / 127.5 - 1 if pixels.dtype == np.uint8 else tensor.float()


def to_pixels(images: Tensor) -> Pixels:
    """float -1..1 (..., C, H, W) to uint8 (..., H, W, C), rounded and clipped."""
    return ((images.movedim(-3, -1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()


def to_array(picture: Image.Image) -> Pixels:
    """A grey or RGB picture as (C, H, W)."""
    array = np.array(picture)  # a copy: Pillow's own memory cannot be written to
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _picture(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[0] if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0))


Reader = Callable[[int], Pixels]

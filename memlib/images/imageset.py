"""Image sets: pictures, a transform, and the ids of the usable ones.

Pixels are decoded on demand.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from memlib.images.cache import thumbnails
from memlib.images.pictures import decode_one
from memlib.images.transform import Pixels, Transform, describe
from memlib.quoting import quoted, shortened

Reader = Callable[[Sequence[int], Transform], Iterator[Pixels | ValueError]]

HELD_OUT = "held-out"
FOLDER = "folder"  # groups pictures by their folder
THUMBNAIL = 64  # the longer side of a small picture


@dataclass
class ImageSet:
    """A sequence of images: `len(set)`, `set[i]` (C, H, W), `set.batch(indices)` (B, C, H, W),
    float32 in [-1, 1].

    `ids[i]` is a hash of the decoded pixels and of how they were transformed; equal pictures have
    equal ids. `digest` is the hash of all ids in order. `skipped` lists (name, reason) of files
    that are not usable pictures. `metadata` has the values of each column for all images; the pages
    use the columns group, copies and family.
    """

    name: str
    names: list[str]
    ids: list[str]
    shape: tuple[int, int, int]
    skipped: list[tuple[str, str]]
    metadata: dict[str, list[str]]
    transform: Transform
    source: str
    digest: str = field(init=False)
    _read: Reader = field(repr=False)  # pictures at some places, after a transform

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256("\n".join(self.ids).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Tensor:
        return self.batch([index])[0]

    def original(self, index: int) -> Pixels:
        """Return one picture as stored in its file, (C, H, W), before the transform."""
        (pixels,) = self._pixels([index], Transform())
        return pixels

    @property
    def held_out(self) -> np.ndarray:
        """A mask (N,), True for images of the group called held-out: the model was not trained on
        them.
        """
        groups = self.metadata.get("group", [""] * len(self))
        return np.array([group == HELD_OUT for group in groups])

    def batch(self, indices: Iterable[int]) -> Tensor:
        """Return the images at `indices`, (B, C, H, W)."""
        return to_unit(np.stack(list(self._transformed(indices))))

    def thumbnails(self, indices: Sequence[int]) -> np.ndarray:
        """Return small pictures (B, h, w, 3) uint8 for galleries: the images themselves, or
        thumbnails cached on disk if they are large.
        """
        _, height, width = self.shape
        if max(height, width) <= THUMBNAIL:
            return np.stack([_coloured(pixels) for pixels in self._transformed(indices)])

        def make(places: Sequence[int]) -> Iterator[np.ndarray]:
            for pixels in self._transformed(indices[place] for place in places):
                picture = Image.fromarray(_coloured(pixels))
                picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
                yield np.asarray(picture)

        return np.stack(thumbnails([self.ids[int(index)] for index in indices], make))

    def take(self, data: bytes) -> tuple[Tensor, str]:
        """Decode another picture, transformed like those of this set, and return it with its id.
        Raises ValueError with a phrase about it.
        """
        channels, height, width = self.shape
        pixels, transform = decode_one(data, Transform()), self.transform.with_channels(channels)
        if transform.size is None and pixels.shape[1:] != (height, width) and height == width:
            transform = replace(transform, size=width)
        pixels = transform(pixels)
        if pixels.shape != self.shape:
            raise ValueError(f"is {describe(pixels.shape)}, not {describe(self.shape)}")
        return to_unit(pixels), transform.identify(pixels)

    def subset(self, indices: Sequence[int]) -> "ImageSet":
        """Return the set of the chosen images, in this order."""
        return replace(
            self,
            names=[self.names[i] for i in indices],
            ids=[self.ids[i] for i in indices],
            skipped=[],
            metadata={
                column: [values[i] for i in indices] for column, values in self.metadata.items()
            },
            _read=lambda places, transform: self._read([indices[at] for at in places], transform),
        )

    def grouped(self, by: str) -> "ImageSet":
        """Return the same images with the column `by` as their group, or the folder of each if `by`
        is "folder".
        """
        if by in self.metadata:
            values = self.metadata[by]
        elif by == FOLDER:
            values = [name.rsplit("/", 1)[0] if "/" in name else "" for name in self.names]
        else:
            known = shortened(", ".join([FOLDER, *self.metadata]), 200)
            raise ValueError(
                f"There is no column {quoted(by, 60)} to group the images by; there are {known}."
            )
        return replace(
            self,
            metadata={
                "group": values,
                **{name: column for name, column in self.metadata.items() if name != "group"},
            },
        )

    def beside(self, others: "ImageSet") -> "ImageSet":
        """Return these images with others that were not trained on, which get the group "held-out";
        images in both count as trained on.
        """
        if others.shape != self.shape or others.transform != self.transform:
            raise ValueError(
                f"The held-out images are {describe(others.shape)}, the images "
                f"{describe(self.shape)}. Resize both to one size and convert them to the same "
                "colours."
            )
        own = set(self.ids)
        kept = [place for place, image in enumerate(others.ids) if image not in own]
        both = [
            (f"{HELD_OUT}/{others.names[place]}", "is among the images too")
            for place, image in enumerate(others.ids)
            if image in own
        ]
        columns = {"group": self.metadata.get("group", ["trained"] * len(self)), **self.metadata}
        columns = {
            name: values + [HELD_OUT if name == "group" else "" for _ in kept]
            for name, values in columns.items()
        }

        def read(places: Sequence[int], transform: Transform) -> Iterator[Pixels | ValueError]:
            for own, run in itertools.groupby(places, lambda place: place < len(self)):
                if own:
                    yield from self._read(list(run), transform)
                else:
                    yield from others._read([kept[at - len(self)] for at in run], transform)

        return replace(
            self,
            names=self.names + [f"{HELD_OUT}/{others.names[place]}" for place in kept],
            ids=self.ids + [others.ids[place] for place in kept],
            skipped=self.skipped + others.skipped + both,
            metadata=columns,
            _read=read,
        )

    def _pixels(self, indices: Iterable[int], transform: Transform) -> Iterator[Pixels]:
        """Read some pictures. Raises ValueError, with a sentence, for one that can no longer be
        read.
        """
        places = [int(index) for index in indices]
        for index in places:
            if not -len(self) <= index < len(self):
                raise IndexError(f"image {index} of {len(self)}")
        places = [index % len(self) for index in places]
        for place, found in zip(places, self._read(places, transform), strict=True):
            if isinstance(found, ValueError):
                raise ValueError(
                    f"{self.names[place]!r} {found}; the images changed since they were loaded."
                ) from found
            yield found

    def _transformed(self, indices: Iterable[int]) -> Iterator[Pixels]:
        for pixels in self._pixels(indices, self.transform):
            if pixels.shape != self.shape:
                raise ValueError(
                    f"A picture of {self.name!r} is {describe(pixels.shape)}, not "
                    f"{describe(self.shape)}; the images changed since they were loaded."
                )
            yield pixels


def _coloured(pixels: Pixels) -> np.ndarray:
    """Convert any pixels to uint8 (H, W, 3)."""
    if pixels.dtype != np.uint8:
        own: np.ndarray = to_pixels(to_unit(pixels))
    else:
        own = pixels.transpose(1, 2, 0)
    return np.repeat(own, 3, -1) if own.shape[-1] == 1 else own


def to_unit(pixels: Pixels) -> Tensor:
    """Convert uint8 0..255 to float32 -1..1; float arrays stay as they are."""
    tensor = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
    return tensor.float() / 127.5 - 1 if pixels.dtype == np.uint8 else tensor.float()


def to_pixels(images: Tensor) -> Pixels:
    """Convert float -1..1 (..., C, H, W) to uint8 (..., H, W, C), rounded and clipped."""
    return ((images.movedim(-3, -1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()

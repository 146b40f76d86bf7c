"""Image sets: a source of pictures, a transform, and an index of the usable ones.

Pixels are decoded when they are asked for.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from memlib.bundled import DEMO
from memlib.images.arrays import Array
from memlib.images.cache import INDEXED, Index, read_index, thumbnails, write_index
from memlib.images.decode import decode
from memlib.images.sources import Source, open_folder, open_tar, open_zip, printable
from memlib.images.tables import HubData, Parquet
from memlib.images.transform import Pixels, Reader, Transform, describe, to_pixels, to_unit

HELD_OUT = "held-out"
FOLDER = "folder"  # what pictures are grouped by where no column is: the folder they lie in
THUMBNAIL = 64  # the longer side of a small picture
REPORT = 64  # pictures between two reports of progress
TAR = (".tar", ".tar.gz", ".tgz")


@dataclass
class ImageSet:
    """A sequence of images: `len(set)`, `set[i]` (C, H, W), `set.batch(indices)` (B, C, H, W),
    float32 in [-1, 1].

    `ids[i]` is a hash of the decoded pixels and of how they were transformed; equal pictures have
    equal ids. `digest` is the hash of all ids in order. `skipped` lists (name, reason) of files
    that are no usable picture. `metadata` says of each column what it holds for each image; the
    pages know the columns group, copies and family.
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
    _read: Reader = field(repr=False)  # one picture as it is in its source

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256("\n".join(self.ids).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Tensor:
        return to_unit(self.transform(self.original(index)))

    def original(self, index: int) -> Pixels:
        """One picture as its file has it, (C, H, W), before the transform."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        try:
            return self._read(index % len(self))
        except ValueError as error:
            raise ValueError(
                f"{self.names[index]!r} {error}; the images changed since they were loaded."
            ) from error

    @property
    def held_out(self) -> np.ndarray:
        """True (N,) for the images of the group called held-out: the model was not trained on them."""
        groups = self.metadata.get("group", [""] * len(self))
        return np.array([group == HELD_OUT for group in groups])

    def batch(self, indices: Iterable[int]) -> Tensor:
        return torch.stack([self[int(i)] for i in indices])

    def thumbnails(self, indices: Sequence[int]) -> np.ndarray:
        """Small pictures (B, h, w, 3) uint8 for galleries: the images themselves, or from a store
        on disk where they are large.
        """
        _, height, width = self.shape
        small = max(height, width) <= THUMBNAIL

        def make(place: int) -> np.ndarray:
            own = self.transform(self.original(int(indices[place])))
            pixels = own.transpose(1, 2, 0) if own.dtype == np.uint8 else to_pixels(to_unit(own))
            pixels = np.repeat(pixels, 3, -1) if pixels.shape[-1] == 1 else pixels
            if small:
                return pixels
            picture = Image.fromarray(pixels)
            picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
            return np.asarray(picture)

        found = (
            [make(place) for place in range(len(indices))]
            if small
            else thumbnails([self.ids[int(index)] for index in indices], make)
        )
        return np.stack(found)

    def take(self, data: bytes) -> tuple[Tensor, str]:
        """Another encoded picture, brought to this set's shape as its own were, and its id;
        ValueError, as a phrase about it.
        """
        channels, height, width = self.shape
        pixels, transform = decode(data), self.transform.with_channels(channels)
        if transform.size is None and pixels.shape[1:] != (height, width) and height == width:
            transform = replace(transform, size=width)
        pixels = transform(pixels)
        if pixels.shape != self.shape:
            raise ValueError(f"is {describe(pixels.shape)}, not {describe(self.shape)}")
        return to_unit(pixels), transform.identify(pixels)

    def subset(self, indices: Sequence[int]) -> "ImageSet":
        """The chosen images, in this order."""
        return replace(
            self,
            names=[self.names[i] for i in indices],
            ids=[self.ids[i] for i in indices],
            skipped=[],
            metadata={
                column: [values[i] for i in indices] for column, values in self.metadata.items()
            },
            _read=lambda place: self._read(indices[place]),
        )

    def grouped(self, by: str) -> "ImageSet":
        """The same images with the column `by` as their group, or the folder each lies in where
        `by` is "folder".
        """
        if by in self.metadata:
            values = self.metadata[by]
        elif by == FOLDER:
            values = [name.rsplit("/", 1)[0] if "/" in name else "" for name in self.names]
        else:
            known = ", ".join([FOLDER, *self.metadata])
            raise ValueError(
                f"There is no column {by!r:.60} to group the images by; there are {known:.200}."
            )
        return replace(
            self,
            metadata={
                "group": values,
                **{name: column for name, column in self.metadata.items() if name != "group"},
            },
        )

    def beside(self, others: "ImageSet") -> "ImageSet":
        """These images and others that were not trained on, which get the group "held-out"; images
        in both count as trained on.
        """
        if others.shape != self.shape or others.transform != self.transform:
            raise ValueError(
                f"The held-out images are {describe(others.shape)}, the images "
                f"{describe(self.shape)}. Bring both to one size and colour."
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

        def read(index: int) -> Pixels:
            return self._read(index) if index < len(self) else others._read(kept[index - len(self)])

        return replace(
            self,
            names=self.names + [f"{HELD_OUT}/{others.names[place]}" for place in kept],
            ids=self.ids + [others.ids[place] for place in kept],
            skipped=self.skipped + others.skipped + both,
            metadata=columns,
            _read=read,
        )


def load_images(
    source: str | Path,
    size: int | None = None,
    channels: int | None = None,
    limit: int | None = None,
    *,
    fit: str = "crop",
    mirror: bool = False,
    token: str | None = None,
    callback: Callable[[int, int], object] | None = None,
) -> ImageSet:
    """Open an image set.

    `source` is a folder (searched recursively), a .zip, .tar, .tar.gz, .npz, .npy or .parquet file,
    a folder of .parquet files, a data set of the Hugging Face Hub ("owner/name:split",
    "owner/name/config@revision:split", downloaded), or "demo". A `metadata.csv` with a column
    `file_name` beside the pictures becomes `ImageSet.metadata`, as do a table's other columns.

    `size` resizes the shorter side and crops the centre to size x size; without it all pictures
    must be one size. `fit` "stretch" resizes both sides instead, "centre" only cuts the centre out;
    `mirror` flips left to right. `channels` is 1 (grey) or 3 (colour), by default what the first
    picture has; transparency is laid on white, 16-bit pictures are scaled to 8. `limit` keeps the
    first pictures only. An .npz holds an array `images`, a .npy is one: uint8 (N, H, W, 3) or (N,
    H, W), or float (N, C, H, W) in [-1, 1].

    Every picture is decoded once, for its id; of large sets the result is kept on disk.
    `callback(done, total)` counts pictures; what it raises stops the work, and what was done is
    kept. Files that are no usable picture are left out and listed in `skipped`. Raises ValueError
    where nothing is usable.
    """
    transform = Transform(size, channels, fit, mirror)
    if limit is not None and limit < 1:
        raise ValueError(f"The limit must be at least 1 image, not {limit}.")
    pictures, name = _open(source, token)
    index = _index(pictures, transform, limit, name, callback)
    return _assemble(
        pictures,
        index,
        transform,
        "Emoji" if str(source) == "demo" else name,
        getattr(pictures, "source", str(source)),
    )


def of_pixels(name: str, pixels: np.ndarray) -> ImageSet:
    """An image set of an array in memory, uint8 (N, H, W, C)."""
    pictures = _Pixels(pixels)
    return _assemble(
        pictures, _index(pictures, Transform(), None, name, None), Transform(), name, name
    )


class _Pixels:
    """Pictures of an array in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.names = [f"{place:06d}" for place in range(len(pixels))]
        self.metadata: dict[str, list[str]] = {}
        self.stamp = ""  # never kept on disk
        self._pixels = pixels

    def read(self, index: int) -> Pixels:
        return np.ascontiguousarray(self._pixels[index].transpose(2, 0, 1))


def _assemble(
    pictures: Source, index: Index, transform: Transform, name: str, source: str
) -> ImageSet:
    assert index.shape is not None  # there is at least one picture
    places = index.places
    return ImageSet(
        name=printable(name),
        names=[pictures.names[place] for place in places],
        ids=index.ids,
        shape=index.shape,
        skipped=[(pictures.names[place], reason) for place, reason in index.skipped],
        metadata={
            column: [values[place] for place in places]
            for column, values in pictures.metadata.items()
        },
        transform=transform.with_channels(index.shape[0]),
        source=source,
        _read=lambda place: pictures.read(places[place]),
    )


def _open(source: str | Path, token: str | None) -> tuple[Source, str]:
    path = DEMO / "images.zip" if str(source) == "demo" else Path(source)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        is_folder = is_file = False
    if is_folder:
        tables = sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))
        return (Parquet(tables, path.name) if tables else open_folder(path)), path.name
    if not is_file:
        return HubData(str(source), token), str(source)
    kind = path.name.lower()
    if kind.endswith(".zip"):
        return open_zip(path), path.name
    if kind.endswith(TAR):
        return open_tar(path), path.name
    if kind.endswith((".npz", ".npy")):
        return Array(path), path.name
    if kind.endswith(".parquet"):
        return Parquet([path], path.name), path.name
    raise ValueError(
        f"{path.name!r} is no image set; one is a folder, a .zip, .tar, .tar.gz, .npz, .npy or "
        ".parquet file."
    )


def _index(
    pictures: Source,
    transform: Transform,
    limit: int | None,
    name: str,
    callback: Callable[[int, int], object] | None,
) -> Index:
    """Decode every picture once for its id, and forget the pixels; go on where an earlier visit
    stopped.
    """
    total = len(pictures.names)
    key = f"{pictures.stamp} {transform} {limit}" if total > INDEXED and pictures.stamp else None
    index = read_index(key) if key else Index()
    started = index.done
    try:
        while index.done < total and (limit is None or len(index.places) < limit):
            _add(index, pictures, transform)
            if callback and index.done % REPORT == 0:
                callback(index.done, total)
    finally:
        if key and index.done > started:
            write_index(key, index)
    if not index.places:
        place, reason = index.skipped[0]
        raise ValueError(
            f"There is no usable picture in {printable(name)!r}. The first of "
            f"{len(index.skipped)}: {pictures.names[place]!r} {reason}."
        )
    return index


def _add(index: Index, pictures: Source, transform: Transform) -> None:
    """The next picture into the index."""
    place = index.done
    try:
        own = transform if index.channels is None else transform.with_channels(index.channels)
        pixels = own(pictures.read(place))
    except ValueError as error:
        index.skipped.append((place, str(error)))
        index.done += 1
        return
    if index.shape is None:
        index.channels, index.shape = (
            pixels.shape[0],
            (pixels.shape[0], pixels.shape[1], pixels.shape[2]),
        )
    elif pixels.shape != index.shape:
        raise ValueError(
            f"The pictures differ in size: {pictures.names[place]!r} is {describe(pixels.shape)}, "
            f"the first picture is {describe(index.shape)}. Choose a size to bring them to."
        )
    index.places.append(place)
    index.ids.append(own.identify(pixels))
    index.done += 1

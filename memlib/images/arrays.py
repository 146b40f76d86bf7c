"""One array of pictures, read piece by piece. An .npz is unpacked to a temporary file first."""

import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from memlib.confined import Tick
from memlib.images.archives import check_pictures
from memlib.images.columns import printable
from memlib.images.decode import LARGEST_PICTURE
from memlib.images.files import open_file, stamp_file
from memlib.images.pictures import Decoded, ask_about, read_at, words, write_temporary
from memlib.images.transform import Pixels
from memlib.quoting import shortened
from memlib.sources import Source

IMAGES = "images"  # the array of an .npz that is taken unless another one is named
FLOATS = ("<f2", "<f4", "<f8", "<f16", ">f2", ">f4", ">f8", ">f16")


class Array(Decoded):
    """An array of pictures, uint8 (N, H, W, 3) or (N, H, W), or float (N, C, H, W) in [-1, 1]; of
    an .npz the named one, else the one called `images`, else the only one of pictures. `labels`
    beside it are kept.

    The file is read, not memory-mapped: if it is truncated while open, that is an error and not a
    crash.
    """

    def __init__(self, path: Path, tick: Tick | None = None, array: str = "") -> None:
        name = printable(path.name)
        self.stamp = stamp_file(path)
        self.metadata: dict[str, list[str]] = {}
        self._file = open_file(path)
        packed = self._file.seek(0, 2)
        labels: list[str] = []
        if path.suffix.lower() == ".npz":
            array = array or _chosen(self._file, name, tick)
            self.stamp += f" {array}"
            for found, _ in ask_about("labels", name, [self._file], tick):
                labels += words(found.get("labels"))
            unpacked = ask_about("unpack", name, [self._file], tick, kind="npz", array=array)
            self._file = write_temporary(unpacked)
        self._file.seek(0)
        ((found, _),) = ask_about("header", name, [self._file], tick)
        self._dtype, self._shape, self._start = checked_header(found, self._file, name)
        self._mapped: np.ndarray | None = None
        if found["fortran"]:  # the bytes of a picture are scattered over the file
            self._mapped = self._map(path.suffix.lower() == ".npy")
        check_pictures(self._shape[0], packed, name)
        if array != IMAGES and len(labels) != self._shape[0]:
            labels = []  # of another array
        if labels and len(labels) != self._shape[0]:
            raise ValueError(f"{name!r} contains {self._shape[0]} images but {len(labels)} labels.")
        self.metadata = {"label": labels} if labels else {}
        stem = printable(path.stem if array in ("", IMAGES) else f"{path.stem}:{array}")
        self.names = [f"{stem}[{place}]" for place in range(self._shape[0])]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self._shape

    @property
    def bytes(self) -> int:
        """The size of the array in bytes."""
        return math.prod(self._shape) * self._dtype.itemsize

    def pixels(self) -> np.ndarray:
        """Return all pictures at once, uint8 (N, H, W, C). Raises ValueError for floating-point
        pictures.
        """
        if self._dtype != np.uint8:
            raise ValueError("contains no pixels")
        every = [self.picture(place) for place in range(self._shape[0])]
        return np.stack(every).transpose(0, 2, 3, 1)

    def picture(self, place: int) -> Pixels:
        if self._mapped is not None:
            pixels = np.array(self._mapped[place])
        else:
            size = math.prod(self._shape[1:]) * self._dtype.itemsize
            data = read_at(self._file, self._start + place * size, size)
            pixels = np.frombuffer(data, self._dtype).reshape(self._shape[1:])
        if pixels.ndim == 2:
            return pixels[None]
        if pixels.dtype == np.uint8:
            return np.ascontiguousarray(pixels.transpose(2, 0, 1))
        with np.errstate(over="ignore"):
            pixels = np.ascontiguousarray(pixels, dtype=np.float32)
        if not (np.abs(pixels) <= 1.001).all():  # NaN fails the comparison too
            raise ValueError("has values that are NaN or outside [-1, 1]")
        return pixels

    def _map(self, copy: bool) -> np.ndarray:
        """Copy a column-major array to a private file and memory-map it, so that no other process
        can truncate it.
        """
        if copy:
            self._file.seek(0)
            unshared: BinaryIO = tempfile.TemporaryFile(prefix="afterimage-")  # noqa: SIM115
            shutil.copyfileobj(self._file, unshared, 2**20)
            self._file = unshared
        return np.memmap(self._file, self._dtype, "r", self._start, tuple(self._shape), order="F")


def arrays_in(source: Source) -> dict[str, str]:
    """Return the arrays of pictures in an .npz, each with its shape in words; none for another
    source, and for one that names an array.
    """
    path = source.path
    if path is None or source.array or path.suffix.lower() != ".npz" or not path.is_file():
        return {}
    with open_file(source.file(path)) as file:
        return _arrays(file, printable(path.name), None)


def _arrays(file: BinaryIO, name: str, tick: Tick | None) -> dict[str, str]:
    found = {}
    for told, _ in ask_about("arrays", name, [file], tick):
        shape = told.get("shape")
        if isinstance(shape, list) and of_pictures(str(told.get("dtype")), shape):
            found[printable(str(told.get("name")))] = " x ".join(f"{side:,}" for side in shape)
    return found


def _chosen(file: BinaryIO, name: str, tick: Tick | None) -> str:
    """Return the array of an .npz to take. Raises ValueError if several may be meant."""
    found = _arrays(file, name, tick)
    if IMAGES in found or not found:
        return IMAGES
    if len(found) > 1:
        told = ", ".join(f"{array} ({shape})" for array, shape in found.items())
        first = next(iter(found))
        raise ValueError(
            f"{name!r} has {len(found)} arrays that may be the images: {shortened(told, 200)}. "
            f"Name one, as in {name}:{first}."
        )
    return next(iter(found))


def of_pictures(kind: str, shape: Sequence[int]) -> bool:
    """Return whether an array of this type and shape can be pictures."""
    grey = len(shape) == 3 and kind == "|u1"
    colour = len(shape) == 4 and kind == "|u1" and shape[3] in (1, 3)
    return grey or colour or (len(shape) == 4 and kind in FLOATS and shape[1] in (1, 3))


def checked_header(
    found: dict[str, Any], file: BinaryIO, name: str
) -> tuple[np.dtype, tuple[int, ...], int]:
    """Read the type, shape and start of the array from a header. Raises ValueError if the array is
    not usable.
    """
    kind, shape, start = found.get("dtype"), found.get("shape"), found.get("offset")
    whole = isinstance(shape, list) and all(isinstance(side, int) for side in shape)
    if not (whole and isinstance(shape, list) and isinstance(start, int)):
        raise ValueError(f"{name!r} is damaged.")
    if not of_pictures(str(kind), shape):
        said = f"{shortened(str(kind), 40)} ({shortened(', '.join(map(str, shape[:6])), 100)})"
        raise ValueError(
            f"{name!r} contains {said}; expected uint8 (N, H, W, 3) or (N, H, W), or float (N, "
            "C, H, W) in [-1, 1]."
        )
    if min(shape) < 1:
        raise ValueError(f"The array in {name!r} is empty: {shape}.")
    height, width = shape[2:] if kind in FLOATS else shape[1:3]
    if height * width > LARGEST_PICTURE:
        raise ValueError(
            f"The pictures in {name!r} are {width} x {height} pixels, too large to open."
        )
    dtype = np.dtype(kind)
    if start + math.prod(shape) * dtype.itemsize > os.fstat(file.fileno()).st_size:
        raise ValueError(f"{name!r} cannot be opened: it is damaged or cut off.")
    return dtype, tuple(shape), start

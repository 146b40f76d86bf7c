"""Image sets: any folder, zip or array of pictures as float32 tensors in [-1, 1], with ids that outlive file names.

Only an index is kept in memory; pictures are decoded when asked for. A `metadata.csv` with a `file_name` column beside
the pictures (the image-folder convention of Hugging Face data sets) becomes `ImageSet.metadata`.
"""

import csv
import hashlib
import io
import lzma
import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from memlib.denoisers.unet import DEMO

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # what Pillow may try, whatever a file is called
DAMAGE = (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError)  # of an archive
LARGEST_FILE = 64 * 2**20  # bytes of one encoded picture
LARGEST_PICTURE = 64 * 2**20  # pixels of one decoded picture
LARGEST_ARRAY = 8 * 2**30  # bytes of one unpacked array


class Source(Protocol):
    """Where pictures come from: their names, and the uint8 (C, H, W) or float32 pixels of each."""

    names: list[str]

    def read(self, index: int) -> np.ndarray: ...


@dataclass
class ImageSet:
    """A sequence of images: `len(set)`, `set[i]` (C, H, W), `set.batch(indices)` (B, C, H, W), float32 in [-1, 1].

    `ids[i]` is a hash of the decoded pixels and of how they were transformed; equal pictures have equal ids.
    `digest` is the hash of all ids in order. `skipped` lists (name, reason) of files that are no usable picture.
    """

    name: str
    names: list[str]
    ids: list[str]
    shape: tuple[int, int, int]
    skipped: list[tuple[str, str]]
    metadata: dict[str, list[str]]
    size: int | None  # what pictures are resized to, None for as they are
    digest: str = field(init=False)
    _read: Callable[[int], np.ndarray] = field(repr=False)

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256("\n".join(self.ids).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Tensor:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        try:
            return to_unit(self._read(index % len(self)))
        except ValueError as error:
            raise ValueError(f"{self.names[index]!r} {error}; the images changed since they were loaded.") from error

    def take(self, data: bytes) -> tuple[Tensor, str]:
        """Another encoded picture, brought to this set's shape as its own were, and its id; ValueError, as a phrase about it."""
        channels, height, width = self.shape
        pixels, size = decode(data), self.size
        if size is None and pixels.shape[1:] != (height, width) and height == width:
            size = width
        pixels = _transform(pixels, size, channels)
        if pixels.shape != self.shape:
            raise ValueError(f"is {_describe(pixels.shape)}, not {_describe(self.shape)}")
        return to_unit(pixels), _identify(pixels, size)

    def batch(self, indices: Iterable[int]) -> Tensor:
        return torch.stack([self[int(i)] for i in indices])

    def subset(self, indices: Sequence[int]) -> "ImageSet":
        """The chosen images, in this order."""
        return ImageSet(
            name=self.name,
            names=[self.names[i] for i in indices],
            ids=[self.ids[i] for i in indices],
            shape=self.shape,
            skipped=[],
            metadata={column: [values[i] for i in indices] for column, values in self.metadata.items()},
            size=self.size,
            _read=lambda place: self._read(indices[place]),
        )


def load_images(source: str | Path, size: int | None = None, channels: int | None = None, limit: int | None = None) -> ImageSet:
    """Open an image set: a folder (searched recursively), a .zip, .npz or .npy file, or "demo".

    `size` resizes the shorter side and crops the centre to size x size; without it all pictures must be one size.
    `channels` is 1 (grey) or 3 (colour), by default what the first picture has; transparency is laid on white,
    16-bit pictures are scaled to 8. `limit` keeps the first pictures only. An .npz holds an array `images`, a .npy is
    one: uint8 (N, H, W, 3) or (N, H, W), or float (N, C, H, W) in [-1, 1].

    Files that are no usable picture are left out and listed in `skipped`. Raises ValueError where nothing is usable.
    """
    if size is not None and not 1 <= size <= 4096:
        raise ValueError(f"The image size must be between 1 and 4096, not {size}.")
    if channels not in (None, 1, 3):
        raise ValueError(f"Images have 1 channel (grey) or 3 (colour), not {channels}.")
    if limit is not None and limit < 1:
        raise ValueError(f"The limit must be at least 1 image, not {limit}.")
    path = DEMO / "images.zip" if str(source) == "demo" else Path(source)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        is_folder = is_file = False
    if is_folder:
        pictures: Source = _Files.of_folder(path)
    elif not is_file:
        raise ValueError(f"There is no file or folder {str(source)[:200]!r}.")
    elif path.suffix.lower() == ".zip":
        pictures = _Files.of_zip(path)
    elif path.suffix.lower() in (".npz", ".npy"):
        pictures = _Array(path)
    else:
        raise ValueError(f"{path.name!r} is no image set; one is a folder, a .zip, a .npz or a .npy file.")
    return _index(pictures, "Emoji" if str(source) == "demo" else path.name, size, channels, limit)


def of_pixels(name: str, pixels: np.ndarray) -> ImageSet:
    """An image set of an array in memory, uint8 (N, H, W, C)."""
    return _index(_Pixels(pixels, [f"{place:06d}" for place in range(len(pixels))]), name, None, None, None)


@dataclass
class _Pixels:
    """Pictures of an array in memory."""

    pixels: np.ndarray
    names: list[str]

    def read(self, index: int) -> np.ndarray:
        return np.ascontiguousarray(self.pixels[index].transpose(2, 0, 1))


def to_unit(pixels: np.ndarray) -> Tensor:
    """uint8 0..255 to float32 -1..1; float arrays are there already."""
    tensor = torch.from_numpy(np.ascontiguousarray(pixels))
    return tensor.float() / 127.5 - 1 if pixels.dtype == np.uint8 else tensor.float()


def to_pixels(images: Tensor) -> np.ndarray:
    """float -1..1 (..., C, H, W) to uint8 (..., H, W, C), rounded and clipped."""
    return ((images.movedim(-3, -1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()


def _index(pictures: Source, name: str, size: int | None, channels: int | None, limit: int | None) -> ImageSet:
    """Decode every picture once for its id, and forget the pixels."""
    kept: list[int] = []
    ids: list[str] = []
    skipped: list[tuple[str, str]] = []
    shape: tuple[int, ...] | None = None
    odd: str | None = None
    for index in range(len(pictures.names)):
        if limit is not None and len(kept) >= limit:
            break
        try:
            pixels = _transform(pictures.read(index), size, channels)
        except ValueError as error:
            skipped.append((pictures.names[index], str(error)))
            continue
        if channels is None:
            channels = pixels.shape[0]
            pixels = _transform(pixels, None, channels)
        if shape is None:
            shape = pixels.shape
        elif pixels.shape != shape:
            odd = odd or f"{pictures.names[index]!r} is {_describe(pixels.shape)}, the first picture is {_describe(shape)}"
        kept.append(index)
        ids.append(_identify(pixels, size))
    if not kept or shape is None:
        first = f" The first of {len(skipped)}: {skipped[0][0]!r} {skipped[0][1]}." if skipped else ""
        raise ValueError(f"There is no usable picture in {name!r}.{first}")
    if odd:
        raise ValueError(f"The pictures differ in size: {odd}. Choose a size to bring them to.")

    def read(index: int) -> np.ndarray:
        return _transform(pictures.read(kept[index]), size, channels)

    table = getattr(pictures, "metadata", {})
    metadata = {column: [values.get(pictures.names[index], "") for index in kept] for column, values in table.items()}
    size_of_one = (shape[0], shape[1], shape[2])
    return ImageSet(name, [pictures.names[index] for index in kept], ids, size_of_one, skipped, metadata, size, read)


def _identify(pixels: np.ndarray, size: int | None) -> str:
    return hashlib.sha256(f"{pixels.dtype}{pixels.shape}{size}".encode() + pixels.tobytes()).hexdigest()[:16]


def _describe(shape: tuple[int, ...]) -> str:
    return f"{shape[2]} x {shape[1]} in {'grey' if shape[0] == 1 else 'colour'}"


def _transform(pixels: np.ndarray, size: int | None, channels: int | None) -> np.ndarray:
    """Convert (C, H, W) pixels to the wanted channels and size."""
    if channels is not None and pixels.shape[0] != channels:
        if pixels.dtype != np.uint8:
            raise ValueError(f"has {pixels.shape[0]} channels, not {channels}")
        picture = Image.fromarray(pixels[0] if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0))
        pixels = _to_array(picture.convert("L" if channels == 1 else "RGB"))
    if size is not None and pixels.shape[1:] != (size, size):
        if pixels.dtype != np.uint8:
            raise ValueError("has floating-point pixels, which are not resized")
        picture = Image.fromarray(pixels[0] if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0))
        side = min(picture.size)
        left, top = (picture.width - side) / 2, (picture.height - side) / 2
        square = (left, top, left + side, top + side)  # cropped first, so that a long thin picture stays small
        pixels = _to_array(picture.resize((size, size), Image.Resampling.BILINEAR, box=square))
    return pixels


def _to_array(picture: Image.Image) -> np.ndarray:
    array = np.asarray(picture)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def decode(data: bytes) -> np.ndarray:
    """An encoded picture as uint8 (1 or 3, H, W); ValueError, as a phrase about the file, where that fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own warnings about size; the limit below is stricter
            picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > LARGEST_PICTURE:
                raise ValueError(f"is {picture.width} x {picture.height} pixels, too large to open")
            picture.load()
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith("is ") else f"cannot be decoded ({error})") from error
    except Image.DecompressionBombError as error:
        raise ValueError("has too many pixels to open") from error
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        raise ValueError("is no picture" if isinstance(error, UnidentifiedImageError) else "is damaged or cut off") from error
    if picture.mode.startswith("I") or picture.mode == "F":  # 16-bit grey opens as I;16 or, in old files, I
        values = np.asarray(picture, dtype=np.float64)
        if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise ValueError("has floating-point or 32-bit pixels, whose range is unknown")
        return np.rint(values / 257).astype(np.uint8)[None]
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        return _to_array(picture.convert("RGB"))
    return _to_array(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))


class _Files:
    """Encoded pictures in a folder or zip."""

    def __init__(self, names: list[str], load: Callable[[str], bytes], metadata: bytes | None) -> None:
        self.names, self._load = names, load
        self.metadata: dict[str, dict[str, str]] = {}
        if metadata is not None:
            try:
                rows = list(csv.DictReader(io.StringIO(metadata.decode("utf-8-sig", errors="replace"), newline="")))
            except csv.Error:
                rows = []  # the pictures are usable without their table
            for column in [column for column in (rows[0] if rows else {}) if column and column != "file_name"]:
                self.metadata[column] = {str(row.get("file_name")): row.get(column) or "" for row in rows}

    @classmethod
    def of_folder(cls, folder: Path) -> "_Files":
        files = (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        names = sorted(name for file in files if not (name := file.relative_to(folder).as_posix()).startswith(".") and "/." not in name)
        if not names:
            raise ValueError(f"The folder {folder.name!r} holds no picture files.")
        table = folder / "metadata.csv"

        def load(name: str) -> bytes:
            if (folder / name).stat().st_size > LARGEST_FILE:
                raise ValueError(f"is larger than {LARGEST_FILE >> 20} MB")
            return (folder / name).read_bytes()

        try:
            metadata = table.read_bytes() if table.is_file() else None
        except OSError:
            metadata = None
        return cls(names, load, metadata)

    @classmethod
    def of_zip(cls, path: Path) -> "_Files":
        try:
            archive = zipfile.ZipFile(path)
            members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        except (*DAMAGE, ValueError) as error:
            raise ValueError(f"{path.name!r} is damaged or no zip file.") from error
        hidden = ("__MACOSX/", ".")
        names = sorted(
            name for name in members if Path(name).suffix.lower() in SUFFIXES and not name.startswith(hidden) and "/." not in name
        )
        if not names:
            raise ValueError(f"The zip file {path.name!r} holds no picture files.")

        def load(name: str) -> bytes:
            if members[name].file_size > LARGEST_FILE:
                raise ValueError(f"is larger than {LARGEST_FILE >> 20} MB")
            try:
                return archive.read(name)
            except DAMAGE as error:
                raise ValueError("cannot be unpacked") from error

        try:
            table = load("metadata.csv") if "metadata.csv" in members else None
        except ValueError:
            table = None
        return cls(names, load, table)

    def read(self, index: int) -> np.ndarray:
        try:
            return decode(self._load(self.names[index]))
        except OSError as error:
            raise ValueError("cannot be read") from error


class _Array:
    """One array of pictures, memory-mapped; from an .npz it is unpacked to a temporary file first."""

    def __init__(self, path: Path) -> None:
        try:
            array = self._map(path)
        except (*DAMAGE, ValueError) as error:
            reason = (
                "it holds Python objects, which can run code when opened"
                if "Object arrays" in str(error)
                else "it is damaged or no array file"
            )
            if isinstance(error, _Refusal):
                raise
            raise ValueError(f"{path.name!r} cannot be opened: {reason}.") from error
        if array.dtype == np.uint8 and array.ndim == 3:
            array = array[:, None]
        elif array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] in (1, 3):
            array = array.transpose(0, 3, 1, 2)
        elif not (array.dtype.kind == "f" and array.ndim == 4 and array.shape[1] in (1, 3)):
            raise ValueError(
                f"{path.name!r} holds {array.dtype} {array.shape}; expected uint8 (N, H, W, 3) or (N, H, W), or float (N, C, H, W) in [-1, 1]."
            )
        if 0 in array.shape:
            raise ValueError(f"The array in {path.name!r} is empty: {array.shape}.")
        if array.dtype.kind == "f":
            step = max(1, 2**24 // array[0].size)
            for start in range(0, len(array), step):
                block = np.asarray(array[start : start + step], dtype=np.float32)
                bad = np.flatnonzero(~(np.abs(block) <= 1.001).all((1, 2, 3)))  # NaN fails the comparison too
                if len(bad):
                    raise ValueError(f"Image {start + bad[0]} of {path.name!r} has values that are NaN or outside [-1, 1].")
        self.names = [f"{path.stem}[{index}]" for index in range(len(array))]
        self._array = array

    def _map(self, path: Path) -> np.ndarray:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                if "images.npy" not in archive.namelist():
                    found = ", ".join(Path(name).stem for name in archive.namelist()) or "nothing"
                    raise _Refusal(f"{path.name!r} holds no array named images (it holds {found}).")
                if archive.getinfo("images.npy").file_size > LARGEST_ARRAY:
                    raise _Refusal(f"The array in {path.name!r} is larger than {LARGEST_ARRAY >> 30} GB.")
                self._folder = tempfile.TemporaryDirectory(prefix="afterimage-")  # goes when the image set does
                path = Path(self._folder.name) / "images.npy"
                with archive.open("images.npy") as packed, path.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 2**20)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise _Refusal(f"{path.name!r} is an .npz file under another name.")
        return array

    def read(self, index: int) -> np.ndarray:
        pixels = self._array[index]
        return np.array(pixels, dtype=np.uint8 if pixels.dtype == np.uint8 else np.float32, order="C")


class _Refusal(ValueError):
    """A message that is a sentence already."""

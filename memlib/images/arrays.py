"""One array of pictures, memory-mapped; from an .npz it is unpacked to a temporary file first.

Arrays of Python objects are refused.
"""

import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from memlib.images.decode import LARGEST_PICTURE
from memlib.images.sources import check_unpacked, stamp_file
from memlib.images.transform import Pixels

LARGEST_ARRAY = 64 * 2**30  # bytes of one unpacked array


class _Refusal(ValueError):
    """A message that is a sentence already."""


class Array:
    """uint8 (N, H, W, 3) or (N, H, W), or float (N, C, H, W) in [-1, 1]; an .npz holds it as
    `images`, `labels` beside it are kept.
    """

    def __init__(self, path: Path) -> None:
        self.stamp = stamp_file(path)
        self.metadata: dict[str, list[str]] = {}
        try:
            array = self._open(path)
        except _Refusal:
            raise
        except Exception as error:  # numpy raises many kinds for a damaged header
            objects = "Object arrays" in str(error)
            reason = (
                "it holds Python objects, which can run code when opened"
                if objects
                else "it is damaged or no array file"
            )
            raise ValueError(f"{path.name!r} cannot be opened: {reason}.") from error
        if array.dtype == np.uint8 and array.ndim == 3:
            array = array[:, None]
        elif array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] in (1, 3):
            array = array.transpose(0, 3, 1, 2)
        elif not (array.dtype.kind == "f" and array.ndim == 4 and array.shape[1] in (1, 3)):
            raise ValueError(
                f"{path.name!r} holds {array.dtype} {array.shape}; expected uint8 (N, H, W, 3) or "
                "(N, H, W), or float (N, C, H, W) in [-1, 1]."
            )
        if 0 in array.shape:
            raise ValueError(f"The array in {path.name!r} is empty: {array.shape}.")
        if array.shape[2] * array.shape[3] > LARGEST_PICTURE:
            raise ValueError(
                f"The pictures in {path.name!r} are {array.shape[3]} x {array.shape[2]} pixels, "
                "too large to open."
            )
        if array.dtype.kind == "f":
            _check_range(array, path.name)
        self.names = [f"{path.stem}[{index}]" for index in range(len(array))]
        if any(len(values) != len(array) for values in self.metadata.values()):
            raise ValueError(
                f"{path.name!r} holds {len(array)} images but {len(self.metadata['label'])} labels."
            )
        self._array = array

    def read(self, index: int) -> Pixels:
        pixels = self._array[index]
        return np.array(
            pixels, dtype=np.uint8 if pixels.dtype == np.uint8 else np.float32, order="C"
        )

    def _open(self, path: Path) -> np.ndarray:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                if "images.npy" not in archive.namelist():
                    found = (
                        ", ".join(Path(name).stem for name in archive.namelist()[:20]) or "nothing"
                    )
                    raise _Refusal(
                        f"{path.name!r} holds no array named images (it holds {found:.200})."
                    )
                size = archive.getinfo("images.npy").file_size
                if size > LARGEST_ARRAY:
                    raise _Refusal(
                        f"The array in {path.name!r} is larger than {LARGEST_ARRAY >> 30} GB."
                    )
                _refused(lambda: check_unpacked(size, path.stat().st_size, path.name))
                self._folder = tempfile.TemporaryDirectory(
                    prefix="afterimage-"
                )  # goes when the image set does
                unpacked = Path(self._folder.name) / "images.npy"
                with archive.open("images.npy") as source, unpacked.open("wb") as target:
                    shutil.copyfileobj(source, target, 2**20)
                if (
                    "labels.npy" in archive.namelist()
                    and archive.getinfo("labels.npy").file_size <= 2**27
                ):
                    with archive.open("labels.npy") as source:
                        labels = np.lib.format.read_array(source, allow_pickle=False)
                    if labels.ndim == 1:
                        self.metadata = {"label": [str(label)[:100] for label in labels.tolist()]}
            path = unpacked
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise _Refusal(f"{path.name!r} is an .npz file under another name.")
        return array


def _refused(check: object) -> None:
    try:
        check()  # type: ignore[operator]
    except ValueError as error:
        raise _Refusal(str(error)) from error


def _check_range(array: np.ndarray, name: str) -> None:
    step = max(1, 2**24 // array[0].size)
    for start in range(0, len(array), step):
        block = np.asarray(array[start : start + step], dtype=np.float32)
        bad = np.flatnonzero(
            ~(np.abs(block) <= 1.001).all((1, 2, 3))
        )  # NaN fails the comparison too
        if len(bad):
            raise ValueError(
                f"Image {start + bad[0]} of {name!r} has values that are NaN or outside [-1, 1]."
            )

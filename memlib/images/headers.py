"""Reading the header of an .npz or .npy file: the type and shape of the array, and where the
numbers start.

Arrays of Python objects are refused. This module does not use torch, since decoder processes import
it.
"""

import contextlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from memlib.images.archives import DAMAGE, check_unpacked
from memlib.quoting import shortened

LARGEST_ARRAY = 64 * 2**30  # bytes of one unpacked array
LARGEST_LABELS = 2**27
LABELS = "labels.npy"
MOST_ARRAYS = 100  # arrays of an .npz that are looked at


def read_header(file: BinaryIO, name: str) -> dict[str, Any]:
    """Read the header of an .npy: `dtype`, `shape`, `fortran` (column-major), and the `offset` of
    the numbers.
    """
    if file.read(2) == b"PK":
        raise ValueError(f"{name!r} is an .npz file under another name.")
    file.seek(0)
    try:
        shape, fortran, dtype = _header(file)
    except Exception as error:  # numpy raises many kinds of errors for a damaged header
        raise ValueError(
            f"{name!r} cannot be opened: it is damaged or is not an array file."
        ) from error
    if dtype.hasobject:
        raise ValueError(
            f"{name!r} cannot be opened: it contains Python objects, which can run code when "
            "opened."
        )
    return {
        "dtype": dtype.str if dtype.names is None else "structured",
        "shape": [int(side) for side in shape],
        "fortran": bool(fortran),
        "offset": file.tell(),
    }


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    found: tuple[tuple[int, ...], bool, np.dtype] = readers[np.lib.format.read_magic(file)](file)
    return found


def list_arrays(file: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    """Yield `name`, `dtype` and `shape` of the arrays in an .npz; what has no header is left
    out.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.namelist()[:MOST_ARRAYS]:
                with (
                    contextlib.suppress(*DAMAGE, ValueError, KeyError),
                    archive.open(member) as one,
                ):
                    shape, _, dtype = _header(one)
                    yield {
                        "name": member.removesuffix(".npy"),
                        "dtype": dtype.str,
                        "shape": [int(side) for side in shape],
                    }
    except DAMAGE as error:
        raise ValueError(
            f"{name!r} cannot be opened: it is damaged or is not an array file."
        ) from error


def unpack_npz(file: BinaryIO, name: str, array: str) -> Iterator[bytes]:
    """Yield an array of an .npz as the bytes of an .npy, piece by piece."""
    packed = file.seek(0, os.SEEK_END)
    try:
        with zipfile.ZipFile(file) as archive:
            found = [PurePosixPath(one).stem for one in archive.namelist()]
            member = f"{array}.npy"
            if member not in archive.namelist():
                raise ValueError(
                    f"{name!r} contains no array named {shortened(array, 60)} (it contains "
                    f"{shortened(', '.join(found[:20]), 200) or 'nothing'})."
                )
            size = archive.getinfo(member).file_size
            if size > LARGEST_ARRAY:
                raise ValueError(f"The array in {name!r} is larger than {LARGEST_ARRAY >> 30} GB.")
            check_unpacked(size, packed, name)
            with archive.open(member) as source:
                while block := source.read(2**20):
                    yield block
    except DAMAGE as error:
        raise ValueError(
            f"{name!r} cannot be opened: it is damaged or is not an array file."
        ) from error


def read_labels(file: BinaryIO) -> list[str]:
    """Return the array `labels` beside it, as text; None if it is not one-dimensional."""
    try:
        with zipfile.ZipFile(file) as archive:
            if (
                LABELS not in archive.namelist()
                or archive.getinfo(LABELS).file_size > LARGEST_LABELS
            ):
                return []
            with archive.open(LABELS) as source:
                labels = np.lib.format.read_array(source, allow_pickle=False)
    except (*DAMAGE, ValueError, MemoryError):
        return []
    return [str(label)[:100] for label in labels.tolist()] if labels.ndim == 1 else []

"""Read what an .npz or .npy file says of its array: the type, the shape, where the numbers start.

Arrays of Python objects are refused. Without torch: decoder processes import it.
"""

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
MEMBER, LABELS = "images.npy", "labels.npy"


def read_header(file: BinaryIO, name: str) -> dict[str, Any]:
    """`dtype`, `shape`, `fortran` (column-major), and the `offset` of the numbers, of an .npy."""
    if file.read(2) == b"PK":
        raise ValueError(f"{name!r} is an .npz file under another name.")
    file.seek(0)
    try:
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    except Exception as error:  # numpy raises many kinds for a damaged header
        raise ValueError(
            f"{name!r} cannot be opened: it is damaged or is not an array file."
        ) from error
    if dtype.hasobject:
        raise ValueError(
            f"{name!r} cannot be opened: it holds Python objects, which can run code when opened."
        )
    return {
        "dtype": dtype.str if dtype.names is None else "structured",
        "shape": [int(side) for side in shape],
        "fortran": bool(fortran),
        "offset": file.tell(),
    }


def unpack_npz(file: BinaryIO, name: str) -> Iterator[bytes]:
    """The array `images` of an .npz as the bytes of an .npy, piece by piece."""
    packed = file.seek(0, os.SEEK_END)
    try:
        with zipfile.ZipFile(file) as archive:
            found = [PurePosixPath(one).stem for one in archive.namelist()]
            if MEMBER not in archive.namelist():
                raise ValueError(
                    f"{name!r} holds no array named images (it holds "
                    f"{shortened(', '.join(found[:20]), 200) or 'nothing'})."
                )
            size = archive.getinfo(MEMBER).file_size
            if size > LARGEST_ARRAY:
                raise ValueError(f"The array in {name!r} is larger than {LARGEST_ARRAY >> 30} GB.")
            check_unpacked(size, packed, name)
            with archive.open(MEMBER) as source:
                while block := source.read(2**20):
                    yield block
    except DAMAGE as error:
        raise ValueError(
            f"{name!r} cannot be opened: it is damaged or is not an array file."
        ) from error


def read_labels(file: BinaryIO) -> list[str]:
    """The array `labels` beside it, as words; none where it is not one row."""
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

"""Arrays in the form sent to the browser: pictures in one sheet, values in base64; what is large
and does not change, by its address.
"""

import base64
from typing import Any

import numpy as np
from streamlit import runtime

from pages.figures.pictures import coarse, data_url, sheet


def as_sheet(pictures: np.ndarray, most: int) -> dict[str, Any]:
    """Pack pictures (N, H, W, 3) uint8 into one lossless image, which `Sheet` of sheet.js reads.

    Each is averaged down to at most `most` pixels per side.
    """
    if max(pictures.shape[1:3]) > most:
        averaged = coarse(np.moveaxis(pictures, -1, 1), most)
        pictures = np.moveaxis(averaged, 1, -1).round().astype(np.uint8)
    columns = min(64, len(pictures))
    return {
        "url": data_url(sheet(pictures, columns), "WEBP"),
        "columns": columns,
        "width": pictures.shape[2],
        "height": pictures.shape[1],
    }


def packed(values: np.ndarray) -> str:
    """Pack values as float32 in base64, in C order, which `floats` of base.js reads."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def quantised(values: np.ndarray) -> dict[str, Any]:
    """Pack values in 16 bits between their smallest and largest, which `quantised` of base.js
    reads: with an error of at most 1/131070 of the range. Values that are not finite become the
    smallest.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    share = (np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-30)
    whole = (np.clip(share, 0, 1) * 65535).round().astype("<u2")
    return {"values": base64.b64encode(whole.tobytes()).decode(), "range": [low, high]}


def by_address(data: bytes, kind: str, key: str) -> str:
    """Return the address at which the browser finds data of a MIME type, relative to the page;
    the same data have the same address.

    It holds as long as each run of the page asks for it again; `key` is that of the widget.
    """
    return runtime.get_instance().media_file_mgr.add(data, kind, key).lstrip("/")


def check_pictures(pictures: np.ndarray, what: str) -> None:
    """Raise ValueError unless `pictures` is (N, H, W, 3) uint8 with N > 0."""
    fits = pictures.dtype == np.uint8 and pictures.ndim == 4 and pictures.shape[-1] == 3
    if not fits or not len(pictures):
        raise ValueError(
            f"{what} must be uint8 pictures (N, H, W, 3); these are {pictures.dtype} "
            f"{pictures.shape}."
        )

"""A stored run played again: samples appear on a wall in the order in which they were drawn.

Copies among them are framed and counted.
"""

import hashlib
from typing import Any

import numpy as np
import streamlit as st

from pages.widgets.base import as_sheet, check_pictures
from pages.widgets.component import widget

MOST = 4096

_component = widget("replay")


def counts(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the copies among the first n samples, and the different training images among those.

    `found` (N,) is as in `replay`; both results are (N,), for n = 1 to N.
    """
    copied, first = np.unique(found, return_index=True)
    new = np.zeros(len(found), int)
    new[first[copied >= 0]] = 1
    return np.cumsum(found >= 0), np.cumsum(new)


@st.cache_data(scope="session", max_entries=4, show_spinner=False)
def _sheet(digest: str, _pictures: np.ndarray) -> dict[str, Any]:
    """Return the pictures in one sheet, made once for each run shown: compressing them takes a
    second.
    """
    return as_sheet(_pictures, 64)


def replay(pictures: np.ndarray, found: np.ndarray, *, key: str, alt: str) -> None:
    """Draw a stored run of `pictures` (N, H, W, 3) uint8 in the order in which they were drawn.

    `found` (N,) is the training image that each is a copy of, or -1. The run plays when it is first
    shown; a visitor who prefers reduced motion sees its end instead. Raises ValueError for other
    shapes.
    """
    check_pictures(pictures, "A stored run")
    if len(pictures) > MOST:
        raise ValueError(
            f"A replay shows at most {MOST:,} pictures; these are {len(pictures):,}. Pass fewer."
        )
    if found.shape != pictures.shape[:1]:
        raise ValueError(
            f"{len(pictures)} pictures need as many verdicts; these are {found.shape}."
        )
    digest = (
        hashlib.sha256(np.ascontiguousarray(pictures).data).hexdigest()
        + hashlib.sha256(found.astype("<i8").tobytes()).hexdigest()
    )
    copies, unique = counts(found)
    _component(
        key=key,
        data={
            "id": key,
            "digest": digest,
            "sheet": _sheet(digest[:64], pictures),
            "found": found.tolist(),
            "copies": copies.tolist(),
            "unique": unique.tolist(),
            "alt": alt,
        },
    )

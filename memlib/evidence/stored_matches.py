"""Comparisons with the training images that are kept on disk, so that pages need not wait for them:
near-duplicates, and the nearest training images of generated ones.

A file is named after all it depends on, and appears in one move once it is whole.
"""

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from memlib.evidence.reproduction import held_out, match_samples
from memlib.images import ImageSet
from memlib.neighbours import NEAR_DUPLICATE, duplicates

FOLDER = Path(".afterimage") / "matches"  # below the working directory, where the app looks
PLACES, NUMBERS = ("nearest", "second"), ("distance", "second_distance", "ratio")


def stored_groups(images: ImageSet, folder: Path = FOLDER) -> Tensor | None:
    """Return the near-duplicate groups (N,) of the images at the usual threshold, None if they are
    not stored.
    """
    try:
        found = np.load(_of_images(images, folder))
    except (OSError, ValueError):
        return None
    whole = found.shape == (len(images),) and found.dtype == np.int64
    return torch.from_numpy(found) if whole and (found <= np.arange(len(images))).all() else None


def stored_matches(
    samples: ImageSet, images: ImageSet, folder: Path = FOLDER
) -> pd.DataFrame | None:
    """Return the matches of generated images, as `match_samples` does, None if they are not
    stored.
    """
    try:
        found = pd.read_parquet(_of_samples(samples, images, folder))
    except (OSError, ValueError):
        return None
    if list(found) != [*PLACES, *NUMBERS] or len(found) != len(samples):
        return None
    within = found[[*PLACES]].to_numpy()
    return found if ((within >= 0) & (within < len(images))).all() else None


def keep_matches(samples: ImageSet, images: ImageSet, folder: Path = FOLDER) -> pd.DataFrame:
    """Store the near-duplicates among the images, and the matches of generated ones; what is stored
    is not computed again. Return the matches.
    """
    groups = stored_groups(images, folder)
    if groups is None:
        groups = duplicates(images)
        _write(_of_images(images, folder), partial(np.save, arr=groups.numpy()))
    found = stored_matches(samples, images, folder)
    if found is None:
        found = match_samples(samples, images, groups)
        _write(_of_samples(samples, images, folder), partial(found.to_parquet, index=False))
    return found


def _write(file: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file that takes its name once it is whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.partial")
    with unfinished.open("wb") as stream:
        write(stream)
    unfinished.replace(file)


def _of_images(images: ImageSet, folder: Path) -> Path:
    return folder / f"near-duplicates-{_key([images.digest, NEAR_DUPLICATE])}.npy"


def _of_samples(samples: ImageSet, images: ImageSet, folder: Path) -> Path:
    others = hashlib.sha256(held_out(images).tobytes()).hexdigest()
    key = _key([samples.digest, images.digest, others, NEAR_DUPLICATE])
    return folder / f"matches-{key}.parquet"


def _key(value: list[object]) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]

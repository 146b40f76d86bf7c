"""What stands near an image: its near-duplicates in the image set, and the pictures the model drew."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from memlib import ImageSet, load_images, nearest
from memlib.audit.lookalikes import lookalikes
from memlib.denoisers.unet import DEMO
from memlib.evidence import Matches, match
from memlib.neighbours import duplicates
from pages.shared.workspace import Workspace

Nearest = tuple[np.ndarray, np.ndarray]  # positions and distances, nearest first


def generations(loaded: Workspace) -> dict[str, ImageSet]:
    """The pictures that were drawn from the loaded model, by how."""
    found = {}
    if loaded.sources.model == "demo":
        found["Unconditional"] = _load(str(DEMO / "samples.npz"))
    return found


@st.cache_resource(max_entries=8, show_spinner=False)
def _load(path: str) -> ImageSet:
    return load_images(path)


def matches(loaded: Workspace, samples: ImageSet) -> Matches:
    """Each sample's nearest training images."""
    return _matches(samples, loaded.images, samples.digest, loaded.images.digest)


@st.cache_data(max_entries=8, show_spinner="Matching the generations with the training images")
def _matches(_samples: ImageSet, _images: ImageSet, samples: str, images: str) -> Matches:
    return match(_samples, _images)


@dataclass(frozen=True)
class Alike:
    """What counts as a near-duplicate: "pixels" up to a root mean square difference, or "looks" up to so many bits of a hash."""

    by: str
    threshold: float
    mirrored: bool


def groups(loaded: Workspace, alike: Alike) -> np.ndarray:
    """The near-duplicate group of each image: the smallest index in it."""
    return _groups(loaded.images, loaded.images.digest, alike.by, alike.threshold, alike.mirrored)


@st.cache_data(max_entries=8, show_spinner="Looking for near-duplicates")
def _groups(_images: ImageSet, images: str, by: str, threshold: float, mirrored: bool) -> np.ndarray:
    return lookalikes(_images, int(threshold)) if by == "looks" else np.asarray(duplicates(_images, threshold, mirrored))


def closest(images: ImageSet, indices: Sequence[int], pool: ImageSet, count: int) -> dict[int, Nearest]:
    """The `count` pictures of `pool` closest to each of the images; what was looked up before in this session is remembered."""
    known: dict[tuple[str, str], Nearest] = st.session_state.setdefault("closest", {})
    missing = [index for index in dict.fromkeys(indices) if (images.ids[index], pool.digest) not in known]
    if missing:
        found = nearest(images.batch(missing), pool, min(count, len(pool)))
        for index, places, distances in zip(missing, found.index.numpy(), found.distance.numpy(), strict=True):
            known[images.ids[index], pool.digest] = (places, distances)
    return {index: known[images.ids[index], pool.digest] for index in indices}

"""What stands near an image: its near-duplicates in the image set, and the pictures the model drew."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
import torch

from memlib import ImageSet, load_images, nearest
from memlib.audit.lookalikes import lookalikes
from memlib.denoisers.unet import DEMO, model_digest
from memlib.evidence import match_samples
from memlib.extraction.generations import Generations, read_generations
from memlib.neighbours import NEAR_DUPLICATE, duplicates
from pages.shared.workspace import Workspace

Nearest = tuple[np.ndarray, np.ndarray]  # positions and distances, nearest first


def generations(loaded: Workspace) -> dict[str, ImageSet]:
    """The pictures that were drawn from the loaded model and are stored, by how: bundled ones, and those in the workspace folder."""
    found = {}
    for folder in (*sorted((DEMO / "extraction").glob("*")), *sorted(drawn_folder().glob("*"))):
        if (folder / "manifest.json").exists():
            try:
                run = _run(str(folder), _stamp(folder))
            except ValueError:
                continue  # nothing drawn yet, or damaged: the page that draws it says so
            if run.plan is not None and run.plan.model == loaded.denoiser.digest:
                name = run.method.capitalize()
                found[name if name not in found else f"{name} ({folder.name})"] = run.images
    if not found and loaded.denoiser.digest == _demo():
        found["Unconditional"] = load_samples()
    return found


def drawn_folder() -> Path:
    """Where runs of drawn pictures are stored."""
    return Path.cwd() / ".afterimage" / "extraction"


def stored(folder: Path) -> int:
    """How many pictures a folder holds."""
    try:
        return len(_run(str(folder), _stamp(folder))) if (folder / "manifest.json").exists() else 0
    except ValueError:
        return 0


def _stamp(folder: Path) -> tuple[tuple[str, int], ...]:
    return tuple((file.name, file.stat().st_mtime_ns) for file in sorted(folder.glob("*")) if file.suffix in (".npz", ".json"))


@st.cache_resource(max_entries=16, show_spinner=False)
def _run(folder: str, stamp: tuple) -> Generations:
    return read_generations(Path(folder))


@st.cache_resource(show_spinner=False)
def _demo() -> str:
    return model_digest("demo")


@st.cache_resource(show_spinner=False)
def load_samples() -> ImageSet:
    return load_images(DEMO / "samples.npz")


def matches(loaded: Workspace, samples: ImageSet) -> pd.DataFrame:
    """Each sample's nearest training images, and the numbers that call it a copy."""
    return _matches(samples, loaded, samples.digest, loaded.images.digest)


@st.cache_data(max_entries=8, show_spinner="Matching the generations with the training images")
def _matches(_samples: ImageSet, _loaded: Workspace, samples: str, images: str) -> pd.DataFrame:
    return match_samples(_samples, _loaded.images, torch.from_numpy(groups(_loaded, Alike("pixels", NEAR_DUPLICATE, False))))


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

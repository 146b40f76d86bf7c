"""The runs of prompts that can be opened, their tables, pictures and originals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from memlib.bundled import TEXT_RUN
from memlib.images import ImageSet
from memlib.measures import Measure
from memlib.measures.conditional.scoring import MAP, PROMPTS
from memlib.prompts import pictures_of
from memlib.prompts.prompt_run import LIST
from memlib.runs import FOLDER, Numbers, Run
from memlib.runs.manifest import read_manifest
from memlib.sources import on_hub
from memlib.workspace import Sources
from pages.figures.pictures import THUMBNAIL, colour_range, reduced, rgb
from pages.session import workspace
from pages.session.paths import readable
from pages.session.state import Page

PAGE = Page("prompts")
RUN = PAGE.one_of("run", list[str](), "")
PROMPT = PAGE.text("line")  # the id of the selected prompt
SAMPLE = 64  # prompts from which the colour range of maps is taken
WHEN = {"before": "Before", "during": "During", "after": "After"}


@dataclass(frozen=True)
class Opened:
    """A run in its current state, with the table of the prompts that are measured."""

    run: Run
    key: tuple[str, str]  # changes when the run grows: a key for caches
    table: pd.DataFrame

    @property
    def measures(self) -> list[Measure]:
        """The measures whose numbers the table has, in the order before, during, after."""
        order = list(WHEN)
        return sorted(self.run.measures, key=lambda one: order.index(getattr(one, "when", "after")))

    @property
    def seeds(self) -> int:
        return int(self.run.parameters["seeds"])

    @property
    def told(self) -> str:
        """The run's model and list, to stand beside its numbers; names from outside."""
        return f"{self.run.manifest['images']['name']}, {self.run.manifest['model']['name']}"


def known() -> dict[str, Path]:
    """Return the runs of prompts by name: the bundled one, then those below the working directory,
    the latest first.
    """
    files = sorted(
        FOLDER.glob("*/manifest.json"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    found = {"bundled": TEXT_RUN} if (TEXT_RUN / "manifest.json").exists() else {}
    for file in files:
        if (file.parent / LIST).exists():
            found[file.parent.name] = file.parent
    return found


def title_of(name: str, folder: Path) -> str:
    """Return what is known of a run before it is opened, as its title."""
    try:
        manifest = read_manifest(folder)
    except ValueError:
        return name
    told = f"{manifest['images']['name']}, {manifest['model']['name']}"
    return f"{told}, {name}" if folder == TEXT_RUN else f"{told}, {name.removeprefix('prompts-')}"


def opened(folder: Path) -> Opened:
    """Open a run. Raises ValueError or OSError if it cannot be read."""
    run = Run(folder, roots=readable(FOLDER))
    if run.measure != PROMPTS:
        raise ValueError(f"The run {folder.name!r} is no run of prompts.")
    key = (str(folder.resolve()), run.stamp)
    return Opened(run, key, _table(*key, run) if run.done else pd.DataFrame())


@st.cache_data(max_entries=8, show_spinner=False)
def _table(folder: str, stamp: str, _run: Run) -> pd.DataFrame:
    return Numbers(_run).page("position", False, 0, _run.count)


@st.cache_data(max_entries=512, show_spinner=False)
def pictures(folder: str, stamp: str, position: int, _run: Run) -> np.ndarray | None:
    """Return the pictures (n, H, W, 3) uint8 of a prompt; None if there are none."""
    return pictures_of(_run, position)


@st.cache_data(max_entries=32, show_spinner=False)
def limits(folder: str, stamp: str, name: str, _run: Run) -> tuple[float, float, bool]:
    """Return the colour range of a measure's maps in the whole run, and whether it is signed."""
    maps = _run.arrays(_run.spread(SAMPLE), MAP + name)
    signed = bool(maps.min() < 0)
    return (*colour_range(maps, signed), signed)


def maps_of(found: Opened, position: int) -> dict[str, np.ndarray]:
    """Return the maps (n, h, w) of a prompt by the names of their measures."""
    names = [one.name for one in found.measures if MAP + one.name in found.run.columns()]
    return {name: found.run.arrays([position], MAP + name)[0] for name in names}


def originals(found: Opened, shape: tuple[int, ...]) -> ImageSet | None:
    """Return the originals of a run at the size of its pictures, (H, W, 3); None if it has none.
    Raises ValueError if they cannot be read.
    """
    sources: dict[str, Any] = found.run.manifest.get("sources") or {}
    place = sources.get("originals")
    if not isinstance(place, str) or on_hub(place):
        return None  # opening a run downloads nothing
    height, width = shape[:2]
    asked = Sources(images=place, size=width if width == height else None, channels=3)
    return workspace.read_images(asked, place)


def original(images: ImageSet | None, row: pd.Series, most: int) -> np.ndarray | None:
    """Return the original of a row, uint8 (h, w, 3), at most so many pixels wide; None if it is not
    known.
    """
    name = str(row["original"] or row["nearest"])
    if images is None or name not in images.names:
        return None
    place = images.names.index(name)
    if most <= THUMBNAIL:
        small: np.ndarray = images.thumbnails([place])[0]
        return small
    return reduced(rgb(images[place]), most)


def columns_of(row: pd.Series, measure: Measure) -> tuple[float, float]:
    """Return the value of a measure for the prompt of a row, and its standard error over seeds."""
    return float(row[measure.column]), float(row.get(measure.error, np.nan))

"""One case as an auditor sees it: the image, its maps, every measure, its near-duplicates and the
closest generated images.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from memlib.evidence import copied, reproductions
from memlib.images import ImageSet
from memlib.measures import MEASURES
from memlib.workspace import Workspace
from pages.figures.pictures import (
    coarse,
    colour,
    colour_range,
    data_url,
    reduced,
    rgb,
    thumbnail,
)
from pages.ranking.look import measured_key
from pages.session import neighbours as nearby
from pages.session import results as computed
from pages.session.measure_tables import known, measured
from pages.session.messages import number, plus_minus
from pages.session.neighbours import Alike

TWINS = 6  # nearest images of the set, and closest generated images of each run, shown with a case
OF_RANGE = 256  # maps from which the colour range is computed


@dataclass(frozen=True)
class Flagged:
    """The measure and threshold by which images are in the queue."""

    measure: str
    threshold: float


class Number(NamedTuple):
    """The value of one measure for one image."""

    name: str
    value: float
    error: float
    rank: int
    of: int


@dataclass(frozen=True)
class Casebook:
    """Everything known about the loaded images: values, standard errors and ranks (N, measures),
    near-duplicate groups (N,), and how often each was reproduced (N,).
    """

    loaded: Workspace
    values: pd.DataFrame
    errors: pd.DataFrame
    ranks: pd.DataFrame
    groups: np.ndarray
    counts: Mapping[str, np.ndarray]
    flagged: Flagged | None
    version: str  # of everything above

    def numbers(self, index: int) -> list[Number]:
        """Return every measure the image has."""
        columns = (table.to_numpy()[index] for table in (self.values, self.errors, self.ranks))
        lines = zip(map(str, self.values), *columns, self.values.count(), strict=True)
        return [
            Number(name, float(value), float(error), int(rank), int(of))
            for name, value, error, rank, of in lines
            if not np.isnan(value)
        ]

    def evidence(self, index: int, flagged: Flagged | None = None) -> dict[str, Any]:
        """Return the evidence for a verdict on the image, as it is stored with the verdict."""
        flagged = flagged or self.flagged
        return {
            "model": self.loaded.denoiser.digest,
            "images": self.loaded.images.digest,
            "flagged": None
            if flagged is None
            else {"measure": flagged.measure, "threshold": flagged.threshold},
            "values": {
                one.name: {"value": one.value, "stderr": one.error, "rank": one.rank, "of": one.of}
                for one in self.numbers(index)
            },
            "copies": {name: int(counts[index]) for name, counts in self.counts.items()},
        }

    def mates(self, index: int) -> list[int]:
        """List the other images of the near-duplicate group."""
        ids = self.loaded.images.ids
        return [
            int(place)
            for place in np.flatnonzero(self.groups == self.groups[index])
            if ids[place] != ids[index]
        ]


def casebook(loaded: Workspace, flagged: Flagged | None, alike: Alike) -> Casebook:
    values, errors, standing = measured(loaded)
    made = nearby.generations(loaded)
    counts = {
        name: reproductions(nearby.matches(loaded, samples), len(loaded.images))
        for name, samples in made.items()
    }
    parts = (
        loaded.denoiser.digest,
        loaded.images.digest,
        loaded.sources.group,
        loaded.reference and loaded.reference.digest,
        known(loaded),
        measured_key(loaded.images, {}),
        alike,
        *(samples.digest for samples in made.values()),
    )
    version = hashlib.sha256(f"{parts}{flagged}".encode()).hexdigest()[:16]
    return Casebook(
        loaded, values, errors, standing, nearby.groups(loaded, alike), counts, flagged, version
    )


def described(
    book: Casebook, indices: Sequence[int], soon: Sequence[int] = ()
) -> list[dict[str, Any]]:
    """Return the parts of some cases that do not change, as the desk draws them.

    The neighbours of the cases that come `soon` are looked up at the same time.
    """
    if not indices:
        return []
    cases: list[dict[str, Any]] = _described(book.version, tuple(indices), tuple(soon), book)
    return cases


@st.cache_resource(max_entries=16, show_spinner=False)
def _described(
    version: str, indices: tuple[int, ...], soon: tuple[int, ...], _book: Casebook
) -> list[dict[str, Any]]:
    book, images = _book, _book.loaded.images
    together = [*indices, *soon]
    twins = nearby.closest(images, together, images, TWINS + 1)
    own = _pixels(
        images, {*indices, *(int(place) for index in indices for place in twins[index][0])}
    )
    maps = _maps(book.loaded, indices)
    cases: dict[int, dict[str, Any]] = {
        index: {
            "id": images.ids[index],
            "name": images.names[index],
            "facts": _facts(book, index),
            "picture": data_url(reduced(own[index])),
            "width": images.shape[2],
            "height": images.shape[1],
            "maps": maps[index],
            "measures": _measures(book, index),
            "twins": _twins(book, index, *twins[index], own),
            "mates": [images.ids[place] for place in book.mates(index)],
            "made": [],
        }
        for index in indices
    }
    for name, samples in nearby.generations(book.loaded).items():
        found = nearby.closest(images, together, samples, TWINS)
        drawn = _pixels(samples, {int(place) for index in indices for place in found[index][0]})
        source = copied(nearby.matches(book.loaded, samples))
        for index in indices:
            mates = book.mates(index)
            cases[index]["made"].append(_made(name, *found[index], source, index, mates, drawn))
    return list(cases.values())


def about_measures(book: Casebook) -> dict[str, str]:
    """Return by name what each measure of the casebook is."""
    return {
        name: f"{measure.definition} {'Bigger' if measure.direction > 0 else 'Smaller'} is more "
        f"memorised; {measure.unit}."
        for name, measure in MEASURES.items()
        if name in book.values
    }


def at_a_glance(book: Casebook, indices: Sequence[int]) -> dict[str, dict[str, str]]:
    """Return by id the names and small pictures of some cases."""
    if not indices:
        return {}
    images = book.loaded.images
    glances: dict[str, dict[str, str]] = _at_a_glance(images.digest, tuple(indices), images)
    return glances


@st.cache_resource(max_entries=16, show_spinner=False)
def _at_a_glance(
    digest: str, indices: tuple[int, ...], _images: ImageSet
) -> dict[str, dict[str, str]]:
    pixels = _pixels(_images, indices)
    return {
        _images.ids[index]: {"name": _images.names[index], "picture": thumbnail(pixels[index])}
        for index in indices
    }


def _pixels(pool: ImageSet, places: Iterable[int]) -> dict[int, np.ndarray]:
    """Return some images as uint8 (n, H, W, 3), converted together."""
    chosen = sorted(places)
    return dict(zip(chosen, rgb(pool.batch(chosen)), strict=True))


def _facts(book: Casebook, index: int) -> str:
    known = [
        f"{name} {values[index]}"
        for name, values in book.loaded.images.metadata.items()
        if values[index] not in ("", None)
    ]
    return " · ".join(known)


def _measures(book: Casebook, index: int) -> list[dict[str, Any]]:
    lines = []
    for one in book.numbers(index):
        lines.append(
            {
                "name": one.name,
                "title": MEASURES[one.name].title,
                "value": number(one.value),
                "error": plus_minus(one.error),
                "rank": f"{one.rank:,}",
                "of": f"{one.of:,}",
                "share": 1 - (one.rank - 1) / max(1, one.of - 1),
            }
        )
    return lines


def _twins(
    book: Casebook,
    index: int,
    places: np.ndarray,
    distances: np.ndarray,
    pixels: Mapping[int, np.ndarray],
) -> dict[str, Any]:
    images, same = book.loaded.images, book.groups[index]
    others = [
        (int(place), float(distance))
        for place, distance in zip(places, distances, strict=True)
        if place != index
    ][:TWINS]
    count = len(book.mates(index))
    items = [
        _item(pixels[place], images.names[place], distance, book.groups[place] == same)
        for place, distance in others
    ]
    return {
        "note": "no near-duplicate"
        if not count
        else f"{count:,} near-duplicate{'s' * (count > 1)}",
        "items": items,
    }


def _made(
    name: str,
    places: np.ndarray,
    distances: np.ndarray,
    source: np.ndarray,
    index: int,
    mates: Sequence[int],
    pixels: Mapping[int, np.ndarray],
) -> dict[str, Any]:
    near = zip(places.tolist(), distances.tolist(), strict=True)
    together = int(np.isin(source, [index, *mates]).sum())
    of_mates = " of it or a near-duplicate" if together > int((source == index).sum()) else ""
    items = [
        _item(pixels[place], f"{name}, generated image {place:,}", distance, source[place] == index)
        for place, distance in near
    ]
    return {
        "title": name,
        "note": f"{together:,} of {len(source):,} are copies{of_mates}",
        "items": items,
    }


def _item(pixels: np.ndarray, name: str, distance: float, marked: Any) -> dict[str, Any]:
    return {
        "url": thumbnail(pixels),
        "name": name,
        "text": f"{distance:.2f}",
        "marked": bool(marked),
    }


def _maps(loaded: Workspace, indices: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Return the map of growth and that of growth minus the reference's, each with one colour range
    for all cases.
    """
    own, other = _growth_maps(loaded)
    kinds = [("Growth", own, False)]
    if other:
        kinds.append(
            (
                "Minus reference",
                {image: heat - other[image] for image, heat in own.items() if image in other},
                True,
            )
        )
    found: dict[int, list[dict[str, Any]]] = {index: [] for index in indices}
    for name, maps, is_signed in kinds:
        if not maps:
            continue
        limits = colour_range(np.stack(list(maps.values())[:OF_RANGE]), is_signed)
        for index in indices:
            heat = maps.get(loaded.images.ids[index])
            if heat is not None:
                ends = " to ".join(number(limit) for limit in limits)
                found[index].append(
                    {
                        "name": name,
                        "url": data_url(colour(coarse(heat), *limits, is_signed)),
                        "text": f"{ends} nats",
                    }
                )
    return found


def _growth_maps(loaded: Workspace) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the stored growth maps with default settings, of the model and of its reference, by
    image id.
    """
    measure, results = MEASURES["volume_growth"], computed.results()
    found = []
    for model in (loaded.denoiser, loaded.reference):
        rows = (
            {}
            if model is None
            else results.rows(model.digest, measure.run, measure.defaults(loaded.denoiser))
        )
        found.append({image: rows[image]["map"] for image in loaded.images.ids if image in rows})
    return found[0], found[1]

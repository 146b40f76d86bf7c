"""A gallery and the image selected in it: picture, maps, numbers and curves move in the browser.

The browser fetches a page of images whole, once, with one map and the curves of each image; a
click, a key or a slider then needs no answer of the server, which is informed of a selection
afterwards. Expensive data, the maps along the sliders, come as details of single images, which the
browser caches.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pages.figures.pictures import DIVERGING_TABLE, SEQUENTIAL_TABLE, coarse, data_url
from pages.widgets.base import as_sheet, by_address, check_pictures, quantised
from pages.widgets.component import widget
from pages.widgets.gallery import Card
from pages.widgets.player import Axis, Kind

LARGE, SMALL = 256, 64  # pixels per side: of the selected picture, of one in the gallery


@dataclass(frozen=True)
class Number:
    """The name of one of the numbers below the maps, and its meaning."""

    label: str
    help: str


@dataclass(frozen=True)
class Entry:
    """One image: its numbers as text, each with a further explanation; its curves, at `x` if not at
    the chart's; the captions of its map at every position of the sliders.
    """

    id: str
    name: str
    facts: str
    value: float
    numbers: Sequence[tuple[str, str]]
    curves: Sequence[Sequence[float]]
    x: Sequence[float] | None = None
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Line:
    """Points of a curve that is the same for all images: a band has two values at each, a
    rule one.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()


@dataclass(frozen=True)
class Lines:
    """A chart of curves along a logarithmic axis: the name and colour of each, what is drawn behind
    them, a value of x to mark, and values that must always fit.
    """

    alt: str
    titles: tuple[str, str]
    series: Sequence[tuple[str, str]]
    x: Sequence[float]
    reach: tuple[float, float]
    band: Line | None = None
    rule: Line | None = None
    at: float | None = None


@dataclass(frozen=True)
class Bars:
    """A histogram: edges (n + 1,), and the name, the colour and the n heights of each group."""

    alt: str
    titles: tuple[str, str]
    edges: Sequence[float]
    groups: Sequence[tuple[str, str, Sequence[float]]]


@dataclass(frozen=True)
class Detail:
    """Further data of one image: maps of every kind along the axes, finer curves, and the picture
    if the gallery shows it smaller.
    """

    kinds: Sequence[Kind]
    curves: Sequence[Sequence[float]] | None = None
    x: Sequence[float] | None = None
    picture: np.ndarray | None = None


_component = widget("explorer")


def page_of_images(
    pictures: np.ndarray,
    cards: Sequence[Card],
    entries: Sequence[Entry],
    numbers: Sequence[Number],
    curve: Lines,
    spread: Bars | None,
    map: Kind | None,
    axes: Sequence[Axis],
    *,
    shape: tuple[int, int],
    missing: str,
    show_maps: bool = False,
    alt: str = "Images",
) -> bytes:
    """Return a page in the form explorer.js reads, as JSON: pictures (N, H, W, 3) uint8 and N
    entries, with a card for the first of them. `shape` is the height and width of the images
    themselves.

    `map` has maps (N, H, W), one for each entry; if it is None, `missing` is shown instead until
    details arrive. `show_maps` puts the maps into the gallery. Raises ValueError if the numbers of
    pictures, entries and cards do not agree.
    """
    check_pictures(pictures, "An explorer's pictures")
    if len(pictures) != len(entries) or len(cards) > len(entries):
        raise ValueError(
            f"An explorer needs one entry for each picture; these are {len(entries)} entries, "
            f"{len(cards)} cards and {len(pictures)} pictures."
        )
    sheet = as_sheet(pictures, SMALL)
    height, width = shown_size(*shape)
    page = {
        "alt": alt,
        "sheet": sheet,
        "scale": max(1, SMALL // sheet["width"]),
        "maps": show_maps and map is not None,
        "width": width,
        "height": height,
        "size": LARGE,
        "cards": [asdict(card) for card in cards],
        "entries": [asdict(entry) for entry in entries],
        "numbers": [asdict(number) for number in numbers],
        "map": None if map is None else _kind(map),
        "axes": [
            {"label": axis.label, "names": list(axis.names), "start": axis.start % len(axis.names)}
            for axis in axes
        ],
        "missing": missing,
        "curve": _lines(curve),
        "spread": None if spread is None else _bars(spread),
        "sequential": SEQUENTIAL_TABLE.tolist(),
        "diverging": DIVERGING_TABLE.tolist(),
    }
    return json.dumps(page).encode()


def details_of(detail: Detail) -> dict[str, Any]:
    """Return a detail in the form explorer.js reads."""
    curve = None if detail.curves is None else {"curves": _rows(detail.curves), "x": detail.x}
    return {
        "kinds": [_kind(kind) for kind in detail.kinds],
        "curve": curve,
        "picture": None if detail.picture is None else data_url(detail.picture, "WEBP"),
    }


def explorer(
    page: bytes,
    selected: str,
    details: Mapping[str, Mapping[str, Any]],
    *,
    key: str,
    token: str,
    on_select: Callable[[str], None],
) -> None:
    """Draw a page of images with the entry `selected`, and the known details of some.

    `token` identifies the settings that details belong to: the browser forgets those of others.
    `on_select` is called with the id of an image that the visitor selected, before the page runs
    again.
    """
    _component(
        key=key,
        data={
            "id": key,
            "page": by_address(page, "application/json", key),
            "selected": selected,
            "token": token,
            "details": dict(details),
        },
        on_event=lambda event: on_select(str(event["id"])),
    )


def shown_size(height: int, width: int) -> tuple[int, int]:
    """Return the height and width of the selected picture in its own pixels, averaged over
    blocks.
    """
    block = -(-max(height, width) // LARGE)
    return height // block, width // block


def _kind(kind: Kind) -> dict[str, Any]:
    """Return a kind with its maps in 16 bits: (H, W), (n, H, W) or (n, m, H, W)."""
    maps = coarse(kind.maps)
    leading = maps.shape[:-2]
    return {
        "name": kind.name,
        "shape": [*leading, *(1,) * (2 - len(leading))] if leading else [1, 1],
        "size": maps.shape[-2:],
        "low": kind.limits[0],
        "high": kind.limits[1],
        "signed": kind.signed,
        "unit": kind.unit,
        "texts": list(kind.texts),
        "note": kind.note,
        **quantised(maps),
    }


def _lines(chart: Lines) -> dict[str, Any]:
    return {
        "kind": "lines",
        "alt": chart.alt,
        "titles": chart.titles,
        "log": True,
        "x": list(chart.x),
        "series": [{"name": name, "tint": tint} for name, tint in chart.series],
        "reach": chart.reach,
        "band": chart.band and {**asdict(chart.band), "high": list(chart.band.y)},
        "rule": chart.rule and asdict(chart.rule),
        "at": chart.at,
    }


def _bars(chart: Bars) -> dict[str, Any]:
    groups = [
        {"name": name, "tint": tint, "heights": list(heights)}
        for name, tint, heights in chart.groups
    ]
    return {
        "kind": "bars",
        "alt": chart.alt,
        "titles": chart.titles,
        "edges": list(chart.edges),
        "groups": groups,
    }


def _rows(curves: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[float(value) for value in curve] for curve in curves]

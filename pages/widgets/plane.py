"""Fields over the plane at every noise level: explored in the browser, edited and probed.

All levels are sent once; sliders, choices and the animation need no server. An edit comes back when
the pointer is released: all modes, or the point of the probe.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pages.figures.pictures import DIVERGING_TABLE, SEQUENTIAL_TABLE
from pages.widgets.base import packed
from pages.widgets.component import Event, widget

# How values are coloured at each level. density: the top 12 nats. plain: from the 5% quantile to
# the largest value. signed: diverging around 0, logarithmic over two decades. size: the same for
# values that are never negative.
Scale = Literal["density", "plain", "signed", "size"]


@dataclass(frozen=True)
class Field:
    """Values (L, M), or (P, L, M) along p, on the grid's points in rows of ascending y; None while
    they are computed.

    A field without its own `scale` is drawn in the colours and limits of the first field of its
    quantity. `arrows` (L, A, 2) are drawn at an even grid of A points.
    """

    name: str
    values: np.ndarray | None
    scale: Scale | None = None
    arrows: np.ndarray | None = None


@dataclass(frozen=True)
class Quantity:
    """What can be shown: the field on the left, and the choices for the right."""

    name: str
    scale: Scale
    unit: str
    left: Field
    right: Sequence[Field] = ()
    note: str = ""


@dataclass(frozen=True)
class Flow:
    """Positions at `per` frames for each level, up to the latent and down again: particles
    (frames, n, 2) and an outline (frames, m, 2).
    """

    up: np.ndarray
    down: np.ndarray
    square_up: np.ndarray
    square_down: np.ndarray
    per: int


@dataclass(frozen=True)
class Probe:
    """A point, the Hessian's eigenvalues (L, 2) and eigenvectors (L, 2, 2) in columns, and rows of
    text [p][level][name, formula, exact, estimate].
    """

    x: float
    y: float
    values: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    axes: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 2)))
    rows: Sequence[Sequence[Sequence[Sequence[str]]]] = ()


@dataclass(frozen=True)
class MovedModes:
    """All modes after an edit: rows of x, y, two widths, angle, weight."""

    rows: Sequence[Sequence[float]]


@dataclass(frozen=True)
class MovedProbe:
    """The point where the probe was set."""

    x: float
    y: float


Edit = MovedModes | MovedProbe


_component = widget("plane")


def plane(
    quantities: Sequence[Quantity],
    *,
    key: str,
    sigmas: Sequence[float],
    start: int,
    powers: Sequence[float],
    power: float,
    extent: float,
    size: int,
    modes: Sequence[Sequence[float]],
    probe: Probe,
    radii: Sequence[float],
    widest: float = 0.0,
    most: int = 0,
    flow: Flow | None = None,
    on_edit: Callable[[Edit], None] | None = None,
) -> None:
    """Draw the quantities on a grid of size x size cells over [-extent, extent]^2 at all `sigmas`.

    `start` is the first level shown and `power` the first p, one of `powers`. With `on_edit` modes
    can be dragged (at most `most` modes, widths up to `widest`) and the probe set; it is called
    with each edit, before the page runs again.
    """
    _component(
        key=key,
        data={
            "id": key,
            "quantities": [_quantity(one) for one in quantities],
            "sigmas": list(sigmas),
            "start": start,
            "powers": list(powers),
            "power": power,
            "extent": extent,
            "size": size,
            "modes": [list(row) for row in modes],
            "editable": on_edit is not None,
            "widest": widest,
            "most": most,
            "radii": list(radii),
            "probe": {
                "at": [probe.x, probe.y],
                "values": probe.values.tolist(),
                "axes": probe.axes.tolist(),
                "rows": probe.rows,
            },
            "flow": None if flow is None else _flow(flow),
            "sequential": SEQUENTIAL_TABLE.tolist(),
            "diverging": DIVERGING_TABLE.tolist(),
        },
        on_event=None if on_edit is None else lambda event: on_edit(_edit(event)),
    )


def _edit(event: Event) -> Edit:
    if event["kind"] == "modes":
        return MovedModes([[float(number) for number in row] for row in event["modes"]])
    x, y = event["at"]
    return MovedProbe(float(x), float(y))


def _quantity(one: Quantity) -> dict[str, Any]:
    return {
        "name": one.name,
        "scale": one.scale,
        "unit": one.unit,
        "note": one.note,
        "left": _field(one.left),
        "right": [_field(other) for other in one.right],
    }


def _field(shown: Field) -> dict[str, Any]:
    return {
        "name": shown.name,
        "values": None if shown.values is None else packed(shown.values),
        "scale": shown.scale,
        "arrows": None if shown.arrows is None else packed(shown.arrows),
    }


def _flow(flow: Flow) -> dict[str, Any]:
    paths = {
        "up": flow.up,
        "down": flow.down,
        "square_up": flow.square_up,
        "square_down": flow.square_down,
    }
    sent = {name: {"n": path.shape[1], "xy": packed(path)} for name, path in paths.items()}
    return {"per": flow.per, **sent}

"""The modes of the landscape and the probe: presets, the visitor's changes, a table."""

from contextlib import suppress
from typing import Any

import streamlit as st

from memlib import landscapes as land
from memlib.landscapes import Mode
from pages.session.messages import show_error
from pages.widgets.plane import Edit, MovedProbe

Preset = tuple[object, ...]  # a name and its parameters

PRESETS = ("Three modes", "Narrow among broad", "One heavy", "Ring", "Data points")
COLUMNS = ("x", "y", "first width", "second width", "angle", "weight")


def chosen_preset() -> tuple[Preset, tuple[Mode, ...]]:
    """Draw the choice of a preset; return its name with its parameters, and its modes."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = row.segmented_control(
        "Landscape", PRESETS, default=PRESETS[0], required=True, key="preset", bind="query-params"
    )
    if name == "Data points":
        count = row.number_input(
            "Points", 1, land.MOST_MODES, 12, key="count", bind="query-params", width=140
        )
        width = row.slider(
            "Width of each point",
            0.0,
            1.5,
            0.2,
            0.05,
            key="width",
            bind="query-params",
            width=280,
            help="At 0 the model can draw only its data; near 1 the points merge into the ring "
            "they were drawn from.",
        )
        return (name, count, width), land.data_points(int(count), float(width))
    presets = (land.three_modes, land.narrow_among_broad, land.one_heavy, land.ring)
    return (name,), dict(zip(PRESETS, presets, strict=False))[name]()


def current_modes(preset: Preset, modes: tuple[Mode, ...]) -> tuple[Mode, ...]:
    """Return the preset's modes with the visitor's changes.

    Changes are kept in the address, where a session opened from a link reads them.
    """
    if "landscape_edited" not in st.session_state:
        edited: tuple[Mode, ...] = ()
        with suppress(ValueError):  # a link whose modes cannot be read shows the preset
            edited = land.parse_modes(st.query_params.get("modes", ""))
        st.session_state.landscape_edited = (preset, edited)
    of, edited = st.session_state.landscape_edited
    if of == preset and edited:
        st.query_params["modes"] = land.format_modes(edited)
        return tuple(edited)
    st.query_params.pop("modes", None)
    return modes


def edit(preset: Preset, modes: tuple[Mode, ...]) -> None:
    """Store the visitor's changes to a preset."""
    st.session_state.landscape_edited = (preset, land.parse_modes(land.format_modes(modes)))


def edited(preset: Preset, change: Edit) -> None:
    """Store what the visitor did on the plane for the next run."""
    if isinstance(change, MovedProbe):
        st.session_state.landscape_probe = (change.x, change.y)
        return
    try:
        edit(preset, tuple(Mode(*row) for row in change.rows))
    except (ValueError, TypeError) as error:
        st.session_state.landscape_problem = str(error)


def current_probe() -> tuple[float, float]:
    """Return the probed point; a new session reads it from the address, otherwise it is the
    origin.
    """
    if "landscape_probe" not in st.session_state:
        point = (0.0, 0.0)
        with suppress(ValueError):  # a link whose point cannot be read
            x, y = (float(part) for part in st.query_params.get("at", "").split(","))
            if abs(x) <= land.EXTENT and abs(y) <= land.EXTENT:  # which also refuses NaN
                point = (x, y)
        st.session_state.landscape_probe = point
    x, y = st.session_state.landscape_probe
    if (x, y) == (0, 0):
        st.query_params.pop("at", None)
    else:
        st.query_params["at"] = f"{x:g},{y:g}"
    return x, y


def mode_table(preset: Preset, modes: tuple[Mode, ...]) -> None:
    """Draw the modes as an editable table."""
    table = [
        dict(zip(COLUMNS, (one.x, one.y, one.sx, one.sy, one.angle, one.weight), strict=True))
        for one in modes
    ]
    reach: dict[str, Any] = {
        "min_value": -land.EXTENT,
        "max_value": land.EXTENT,
        "default": 0.0,
        "required": True,
        "format": "%.3g",
    }
    width: dict[str, Any] = {
        "min_value": 0.0,
        "max_value": land.WIDEST,
        "default": 0.4,
        "required": True,
        "format": "%.3g",
        "help": "Standard deviation",
    }
    number_column = st.column_config.NumberColumn
    changed = st.data_editor(
        table,
        key=f"modes-{land.format_modes(modes)}",
        num_rows="dynamic",
        hide_index=True,
        height="content" if len(table) <= 9 else 360,
        column_config={
            "x": number_column(**reach),
            "y": number_column(**reach),
            "first width": number_column(**width),
            "second width": number_column(**width),
            "angle": number_column(
                help="Angle of the first width's axis, in degrees",
                default=0.0,
                required=True,
                format="%.4g",
            ),
            "weight": number_column(
                min_value=1e-6,
                default=1.0,
                required=True,
                format="%.3g",
                help="Normalised to a sum of 1",
            ),
        },
    )
    if changed == table:
        return
    try:
        found = tuple(Mode(*(float(row[name]) for name in COLUMNS)) for row in changed)
        land.mixture(found)  # raises ValueError for a wrong number of modes
    except TypeError:
        return  # a row that is still being filled in
    except ValueError as error:
        show_error(error)
        return
    edit(preset, found)
    st.rerun()

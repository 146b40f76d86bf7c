"""The settings of the estimates of a landscape; they are kept in the address."""

import math
from dataclasses import dataclass

import streamlit as st

from pages.landscapes.fields import LEVELS

POWERS = (1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class Settings:
    """p, the radius of the disc, directions and probes of the estimates, the seed, and the side of
    the square that the ODE carries.

    With `follow` the radius is sigma sqrt(2) at each noise level.
    """

    p: float
    radius: float
    follow: bool
    directions: int
    probes: int
    seed: int
    side: float

    @property
    def powers(self) -> tuple[float, ...]:
        """Return the powers on the slider, ascending, including `p`."""
        return tuple(sorted({*POWERS, self.p}))

    @property
    def radii(self) -> tuple[float, ...]:
        """Return the radius at each noise level."""
        if self.follow:
            return tuple(level * math.sqrt(2) for level in LEVELS)
        return (self.radius,) * len(LEVELS)


def choose() -> Settings:
    """Draw the controls in an expander and return the settings."""
    with st.expander("Settings", icon=":material/tune:"):
        columns = st.columns(4)
        p = columns[0].number_input(
            "p",
            1.0,
            10.0,
            1.0,
            0.25,
            key="power",
            bind="query-params",
            help="Any p from 1 upwards. It is added to 1, 1.5, 2 and 3 on the slider.",
        )
        radius = columns[1].number_input(
            "Radius of the disc",
            0.02,
            5.0,
            1.0,
            0.1,
            key="disc",
            bind="query-params",
            help="In units of the plane. Values of different radii are different measurements.",
        )
        follow = columns[1].checkbox(
            "σ√2 at each noise level",
            key="follow",
            bind="query-params",
            help="The radius of the other pages, σ√d, instead of a fixed one.",
        )
        directions = columns[2].number_input(
            "Directions N",
            2,
            256,
            32,
            2,
            key="points",
            bind="query-params",
            help="Points on the rim for each estimate, in opposite pairs.",
        )
        probes = columns[2].number_input(
            "Probes K",
            1,
            64,
            8,
            key="signs",
            bind="query-params",
            help="Random signs for the trace at each noise level (Hutchinson).",
        )
        seed = columns[3].number_input("Seed", 0, 2**31 - 1, 0, key="draw", bind="query-params")
        side = columns[3].number_input(
            "Side of the square",
            0.01,
            2.0,
            0.2,
            0.05,
            key="side",
            bind="query-params",
            help="The square starts around the probe and is carried along the ODE.",
        )
    return Settings(
        round(float(p), 4),
        float(radius),
        bool(follow),
        int(directions) // 2 * 2,
        int(probes),
        int(seed),
        float(side),
    )

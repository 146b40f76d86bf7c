"""Reproduction rates of the loaded images: counted, estimated, predicted, and the work of
estimating those of the likeliest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from memlib.bundled import BUNDLED_IMAGES, DEMO
from memlib.denoisers import NetworkDenoiser
from memlib.evidence import clusters
from memlib.evidence.draws import Draws
from memlib.evidence.prediction.likeliest import Screen
from memlib.extraction import plan_of, stages
from memlib.extraction.plan import Plan
from memlib.extraction.stages import folder_of
from memlib.measures import MEASURES, Row
from memlib.workspace import Workspace
from pages.ranking.counting import takes_long
from pages.ranking.look import measured_key
from pages.session import background, downloads, neighbours
from pages.session import results as computed
from pages.session.measure_tables import known
from pages.session.measure_tables import measured as all_measured

MEASURE = MEASURES["reproduction_rate"]
COUNTED = DEMO / "stochastic"
LIKELIEST = 50  # images whose rate one click estimates


@dataclass(frozen=True)
class Rates:
    """What is asked of work in the background: the rates of images with the usual settings."""

    loaded: Workspace

    @property
    def models(self) -> Sequence[NetworkDenoiser]:
        return (self.loaded.denoiser,)

    @property
    def measure(self) -> str:
        return MEASURE.name

    @property
    def parameters(self) -> dict[str, Any]:
        return MEASURE.defaults(self.loaded.denoiser)


def estimated(loaded: Workspace) -> Mapping[str, Row]:
    """The reproduction rates that are estimated with the usual settings, by image id."""
    settings = MEASURE.defaults(loaded.denoiser)
    return computed.results().rows(loaded.denoiser.digest, MEASURE.run, settings)


def stochastic_draws(loaded: Workspace) -> Draws | None:
    """Return many draws of the stochastic sampler, bundled or stored; None if there are none."""
    steps = MEASURE.defaults(loaded.denoiser)["steps"]
    plan = plan_of(loaded.denoiser, steps=steps, eta=1.0)
    # the bundled draws were compared with the bundled images alone
    if loaded.sources.images in BUNDLED_IMAGES and (COUNTED / "manifest.json").exists():
        draws, drawn = computed.once(("draws", str(COUNTED)), lambda: Draws.read(COUNTED))
        if Plan(**drawn) == plan:
            return draws
    stored = neighbours.drawn(folder_of(plan, stages.FOLDER))
    if stored is None:
        return None
    tolerance = MEASURE.defaults(loaded.denoiser)["tolerance"]
    key = ("draws", stored.digest, loaded.images.digest, tolerance)
    return computed.once(key, lambda: Draws.of(stored, loaded.images, tolerance))


def screen(loaded: Workspace) -> Screen:
    """What is known of the rates of all images; computed once for what is measured and drawn.

    Where comparing the images takes long, nothing is counted and near-duplicates are not joined.
    """
    images, rows, long = loaded.images, estimated(loaded), takes_long(loaded, 0)
    values, _, _ = all_measured(loaded)
    draws = None if long else stochastic_draws(loaded)
    count = 0 if draws is None else draws.count

    def make() -> Screen:
        times = (
            None
            if draws is None
            else draws.times(images, MEASURE.defaults(loaded.denoiser)["tolerance"])
        )
        kin = clusters(images, None if long else neighbours.near_duplicates(loaded))
        return Screen.of(images.ids, values, times, count, dict(rows), kin)

    alike = (loaded.denoiser.digest, count, *measured_key(images, rows), *known(loaded))
    return computed.once(("screen", *alike), make)


def estimate_likeliest(loaded: Workspace) -> None:
    """Draw what estimating the rates of the likeliest images costs, and the button that does it in
    the background.
    """
    chosen = screen(loaded).worth_estimating(LIKELIEST)
    if not chosen:
        return
    control = max(0, len(chosen) - LIKELIEST)
    likeliest = len(chosen) - control
    cost = computed.seconds(loaded.denoiser, len(chosen) * MEASURE.forwards(loaded.denoiser))
    aside = f", and {control:,} others at random as a control" if control else ""
    background.button(
        f"Estimate the rates of the {likeliest:,} likeliest",
        False,
        background.measure,
        Rates(loaded),
        chosen,
        f"Reproduction rate of {len(chosen):,} images",
    )
    st.caption(
        f"The likeliest whose rate is neither counted from ten copies nor estimated, one of each "
        f"family{aside}: about {downloads.duration(cost)}. It can be stopped and gone on with."
    )

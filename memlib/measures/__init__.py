"""The measures of memorisation, and the table in which every page and command finds them.

A new measure is a function `(denoiser, images, **parameters)` that returns a small frozen dataclass with `value` (B,),
`stderr` (B,), `map` (B, H, W) or None, `evaluations` and a method `row(index)`, and one entry here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from memlib.measures.volume import VolumeGrowth, volume_growth

__all__ = ["MEASURES", "Measure", "VolumeGrowth", "volume_growth"]


@dataclass(frozen=True)
class Measure:
    """What a number is. `direction` is +1 where bigger means more memorised, -1 where smaller does; data never set it."""

    name: str
    title: str
    function: Callable[..., Any]
    direction: int
    unit: str
    definition: str
    formula: str
    limits: str
    citation: str


MEASURES = {
    measure.name: measure
    for measure in (
        Measure(
            name="volume_growth",
            title="Volume growth",
            function=volume_growth,
            direction=+1,
            unit="nats",
            definition="How much a small volume around the image grows on its way to the latent. The more latent space leads to an image, the more easily the model reproduces it.",
            formula=r"\log\left|\det\frac{\mathrm{d}y_T}{\mathrm{d}y_0}\right| = \int \left(d - \operatorname{tr} \frac{\partial D}{\partial y}\right) \mathrm{d}\ln\sigma",
            limits="It is the change-of-variables part of a likelihood: flat, simple pictures score high without being memorised. Values depend on the noise range and can only be compared within one. A trained network can exceed the ceiling that holds for exact models.",
            citation="Hasegawa & Yasuda, Quantifying the Ease of Reproducing Training Data in Unconditional Diffusion Models, arXiv 2503.19429",
        ),
    )
}

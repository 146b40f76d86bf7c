"""The table of measures, in which every page and command finds them.

A new measure is a function `(denoiser, images, **parameters, callback=None)` that returns a
`Result`, and one entry here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from memlib.denoisers.base import Denoiser
from memlib.flow import rounded_ends
from memlib.measures.controls import (
    denoising_loss,
    flipd,
    log_likelihood,
)
from memlib.measures.frame import frame_growth
from memlib.measures.plaplace import p_laplace
from memlib.measures.redraw import STEPS as REDRAW_STEPS
from memlib.measures.redraw import levels_of, redraw
from memlib.measures.result import Result
from memlib.measures.volume import volume_growth


@dataclass(frozen=True)
class Measure:
    """What a number is.

    `direction` is +1 where bigger means more memorised, -1 where smaller does; data never set it.
    """

    name: str
    title: str
    function: Callable[..., Result]
    direction: int
    unit: str
    definition: str
    formula: str
    limits: str
    citation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ranged: bool = False  # takes sigma_min and sigma_max
    column: str = "value"  # where in a row the number stands
    cost: Callable[[Denoiser, Mapping[str, Any]], int] = lambda _, asked: asked[
        "directions"
    ]  # network forwards an image

    @property
    def run(self) -> str:
        """What results are stored under: measures that are columns of one computation share it."""
        return self.function.__name__

    def forwards(self, denoiser: Denoiser) -> int:
        """Network forwards an image with the default parameters."""
        return self.cost(denoiser, self.defaults(denoiser))

    @property
    def error(self) -> str:
        """Where in a row its standard error stands; rows may not have it."""
        return (
            self.column.replace("K_", "stderr_")
            if self.column.startswith("K_")
            else "stderr"
            if self.column == "value"
            else ""
        )

    def defaults(self, denoiser: Denoiser) -> dict[str, Any]:
        """The parameters it is measured with unless others are asked for."""
        ends = (
            dict(zip(("sigma_min", "sigma_max"), rounded_ends(denoiser), strict=True))
            if self.ranged
            else {}
        )
        return {**ends, **self.parameters, "seed": 0}


BROKMAN = (
    "Brokman et al., Identifying Memorization of Diffusion Models through p-Laplace "
    "Analysis: Estimators, Bounds and Applications, arXiv 2505.08246"
)
POWERS, LEVELS = (1.0, 1.5, 2.0, 3.0), (0.2, 0.5, 1.0, 2.0)


def _p_laplace_at(sigma: float) -> list[Measure]:
    """K_p for every p at one noise level, and the denoising loss of the same forwards."""
    parameters = {"sigma": sigma, "p": list(POWERS), "directions": 16}
    statistics = [
        Measure(
            name=f"k_{p:g}_at_{sigma:g}",
            title=f"p-Laplace K_{p:g} at σ = {sigma:g}",
            column=f"K_{p:g}",
            direction=+1,
            unit="of an isolated point",
            definition="How strongly the score points back to the image from all around it: the "
            "inward flux of |s|^(p-2) s through a sphere, as a share of what an "
            "isolated point would have.",
            formula=r"K_p = -\left(\sigma^2 / r\right)^{p-1} \, \mathbb{E}_u\left[ |s|^{p-2}\, "
            r"s(x + r u) \cdot u \right], \quad r = \sigma \sqrt{d}",
            limits="It sees narrow peaks, not heavy ones: a copied image only shows because "
            "copying makes its peak narrow, plain pictures have narrow peaks too, and a "
            "peak need not be a training image. At this radius K_1 is nearly the denoising "
            "loss in another form. Values of different radii or noise levels cannot be "
            "compared.",
            citation=BROKMAN,
            function=p_laplace,
            parameters=parameters,
        )
        for p in POWERS
    ]
    loss = Measure(
        name=f"loss_at_{sigma:g}",
        title=f"Denoising loss at σ = {sigma:g}, on the sphere",
        column="loss",
        direction=-1,
        unit="per dimension",
        definition="How far the predicted noise is from the noise that was added, at the points "
        "where the flux is taken.",
        formula=r"\mathbb{E}_u \left\lVert (y - D) / \sigma - \sqrt{d}\, u \right\rVert^2 / d, "
        r"\quad y = x + \sigma \sqrt{d}\, u",
        limits="A control: what training minimises, small for every image that is easy. K_1 must "
        "be held against it.",
        citation="Ho et al., Denoising Diffusion Probabilistic Models, arXiv 2006.11239",
        function=p_laplace,
        parameters=parameters,
    )
    return [*statistics, loss]


HASEGAWA = (
    "Hasegawa & Yasuda, Quantifying the Ease of Reproducing Training Data in Unconditional "
    "Diffusion Models, arXiv 2503.19429"
)

MEASURES = {
    measure.name: measure
    for measure in (
        Measure(
            name="volume_growth",
            title="Volume growth",
            function=volume_growth,
            direction=+1,
            unit="nats",
            definition="How much a small volume around the image grows on its way to the latent. "
            "The more latent space leads to an image, the more easily the model "
            "reproduces it.",
            formula=r"\log\left|\det\frac{\mathrm{d}y_T}{\mathrm{d}y_0}\right| = \int \left(d - "
            r"\operatorname{tr} \frac{\partial D}{\partial y}\right) \mathrm{d}\ln\sigma",
            limits="It is the change-of-variables part of a likelihood: flat, simple pictures "
            "score high without being memorised. Values depend on the noise range and can "
            "only be compared within one. A trained network can exceed the ceiling that "
            "holds for exact models.",
            citation=HASEGAWA,
            parameters={"steps": 12, "probes": 2},
            ranged=True,
            cost=lambda _, asked: (asked["steps"] + 1) * (asked["probes"] + 1),
        ),
        Measure(
            name="frame_growth",
            title="Frame growth",
            function=frame_growth,
            direction=+1,
            unit="nats",
            definition="The paper's own procedure, in the noise levels used here: a frame of a "
            "hundred nearby points is carried to the latent, and the logarithms of how "
            "much each is stretched are added up.",
            formula=r"\sum_k \sum_{i \le n} \ln \left\lVert M_k\, q_{k,i} \right\rVert, \qquad "
            r"M_k Q_k = Q_{k+1} R_k",
            limits="The frame turns towards the directions that grow fastest, which every image "
            "has; the collapse of the others, which is what memory means, mostly escapes "
            "it. It costs a hundred thousand network forwards an image.",
            citation=HASEGAWA,
            parameters={"scheme": "ddim", "directions": 100, "steps": 1000},
            ranged=True,
            cost=lambda _, asked: asked["steps"] * (asked["directions"] + 1),
        ),
        Measure(
            name="redraw",
            title="Redraw",
            function=redraw,
            direction=+1,
            unit="share",
            definition="Of the image noised at several levels and denoised again with many seeds, "
            "the share that returns to it: how wide its basin is.",
            formula=r"\Pr\left[\operatorname{rms}\left(\Phi_{\sigma \to 0}(x + \sigma n) - "
            r"x\right) < 0.1\right] \text{ averaged over } \sigma",
            limits="It is conditioned on the image. A wide basin shows that the model can hold "
            "the image, not that it would draw it unprompted.",
            citation="Afterimage; noising and denoising as in Meng et al., SDEdit, arXiv "
            "2108.01073",
            parameters={"draws": 8},
            cost=lambda denoiser, asked: len(levels_of(denoiser)) * asked["draws"] * REDRAW_STEPS,
        ),
        Measure(
            name="log_likelihood",
            title="Log likelihood",
            function=log_likelihood,
            direction=+1,
            unit="nats",
            definition="Volume growth plus the log density of the latent: the model's own log "
            "density of the image, at the lowest noise level.",
            formula=r"\log p(x; \sigma_{\min}) = "
            r"\log\left|\det\frac{\mathrm{d}y_T}{\mathrm{d}y_0}\right| + \log "
            r"\mathcal{N}(y_T; 0, \sigma_{\max}^2 I)",
            limits="A control: plain images are likely without being memorised.",
            citation="Song et al., Score-Based Generative Modeling through Stochastic "
            "Differential Equations, arXiv 2011.13456",
            parameters={"steps": 12, "probes": 2},
            ranged=True,
            cost=lambda _, asked: (asked["steps"] + 1) * (asked["probes"] + 1),
        ),
        Measure(
            name="flipd",
            title="Local dimension (FLIPD)",
            function=flipd,
            direction=-1,
            unit="dimensions",
            definition="How many directions the model sees for varying the image at one noise "
            "level.",
            formula=r"\operatorname{tr} \frac{\partial D}{\partial y} + \left\lVert \frac{y - "
            r"D}{\sigma} \right\rVert^2 \text{ at } y = x",
            limits="A control: plain images have a low local dimension without being memorised. "
            "One noise level sees one scale.",
            citation="Kamkari et al., A Geometric View of Data Complexity: Efficient Local "
            "Intrinsic Dimension Estimation with Diffusion Models, arXiv 2406.03537",
            parameters={"sigma": 0.5, "probes": 8},
            cost=lambda _, asked: asked["probes"] + 1,
        ),
        Measure(
            name="denoising_loss",
            title="Denoising loss",
            function=denoising_loss,
            direction=-1,
            unit="per dimension",
            definition="How far the predicted noise is from the noise that was added, at one "
            "noise level.",
            formula=r"\mathbb{E}_n \left\lVert \frac{y - D}{\sigma} - n \right\rVert^2 / d, \quad "
            r"y = x + \sigma n",
            limits="A control: what training minimises, small for every image that is easy.",
            citation="Ho et al., Denoising Diffusion Probabilistic Models, arXiv 2006.11239",
            parameters={"sigma": 0.5, "draws": 16},
            cost=lambda _, asked: asked["draws"],
        ),
        *(measure for sigma in LEVELS for measure in _p_laplace_at(sigma)),
    )
}

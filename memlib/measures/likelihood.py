"""The model's own log density of an image: a control, because plain images have a high likelihood
without being memorised (Song et al. 2021, arXiv 2011.13456).
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from memlib.denoisers.base import Denoiser
from memlib.measures.measure import Measure
from memlib.measures.result import Result
from memlib.measures.volume import GrowthSettings, log_prior, volume_growth


@dataclass(frozen=True)
class LogLikelihood(Result):
    """log p(image; sigma_min) in nats: volume growth plus the log prior of the latent."""

    bits_per_dimension: Tensor  # (B,)

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "bits_per_dimension")


def log_likelihood(denoiser: Denoiser, images: Tensor, **parameters: Any) -> LogLikelihood:
    """Return log p(image; sigma_min) = volume growth + log N(latent; 0, sigma_max^2 I), with the
    parameters of `volume_growth`.

    The density of the data noised to sigma_min, taken at the clean image (Song et al. 2021,
    instantaneous change of variables; arXiv 2011.13456). `bits_per_dimension` is that of the
    function below.
    """
    growth = volume_growth(denoiser, images, **parameters)
    assert growth.map is not None
    heat = growth.map + log_prior(growth.latent, float(growth.sigmas[-1])).sum(1).float()
    value = heat.double().sum((1, 2)).float()
    return LogLikelihood(
        value=value,
        stderr=growth.stderr,
        map=heat,
        draws=growth.draws,
        evaluations=growth.evaluations,
        bits_per_dimension=torch.as_tensor(bits_per_dimension(value, denoiser.dimension)),
    )


def bits_per_dimension(log_likelihood: Any, dimension: int) -> Any:
    """Return -log p / (d ln 2) + log2(127.5): the code length of 8-bit pixels, whose 256 values are
    2 / 255 apart in [-1, 1].

    It is comparable with published values only for a density at sigma_min near 0.
    """
    return math.log2(127.5) - log_likelihood / (dimension * math.log(2))


ENTRIES = (
    Measure(
        name="log_likelihood",
        title="Log likelihood",
        function=log_likelihood,
        settings=GrowthSettings(),
        direction=+1,
        unit="nats",
        definition="Volume growth plus the log density of the latent: the model's own log "
        "density of the image, at the lowest noise level.",
        formula=r"\log p(x; \sigma_{\min}) = "
        r"\log\left|\det\frac{\mathrm{d}y_T}{\mathrm{d}y_0}\right| + \log "
        r"\mathcal{N}(y_T; 0, \sigma_{\max}^2 I)",
        limits="A control: plain images have a high likelihood without being memorised.",
        citation="Song et al., Score-Based Generative Modeling through Stochastic "
        "Differential Equations, arXiv 2011.13456",
    ),
)

"""The input of a network and the meaning of its raw output, for every parametrisation in use.

In noise-level coordinates y = x0 + sigma n. A network is shown x = c y + b and returns F; with
alpha = 1 / sqrt(1 + sigma^2) and r = sqrt(sigma^2 + s^2), s the standard deviation of the data,

                  shown            D = E[x0 | y]                noise = (y - D) / sigma
    epsilon       alpha y          y - sigma F                  F
    sample        alpha y          F                            (y - F) / sigma
    v_prediction  alpha y          alpha (alpha y - sigma F)    alpha (sigma alpha y + F) [1]
    score         (y + 1) / 2      y + sigma^2 F / 2            -sigma F / 2              [2]
    flow          y / (1 + sigma)  (y - sigma F) / (1 + sigma)  (y + F) / (1 + sigma)     [3]
    edm(s)        y / r            s^2 y / r^2 + sigma s F / r  sigma y / r^2 - s F / r   [4]

[1] Salimans & Ho 2022, [2] Song et al. 2021, [3] Lipman et al. 2023, [4] Karras et al. 2022.

The first three are one variance-preserving state x_t = alpha y whatever the schedule. A flow's
state is x_t = (1 - t) x0 + t n with sigma = t / (1 - t), and F is n - x0. Networks that return a
score were trained on pictures between 0 and 1, which halves the noise: sigma / 2 there is sigma
here. The noise is written out because (y - D) / sigma loses all precision in float32 at small
sigma.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Level = float | Tensor  # sigma: a number, or (B, 1, 1, 1)


@dataclass(frozen=True)
class Prediction:
    """One line of the table; `words` say what F is."""

    words: str
    shown: Callable[[Tensor, Level], Tensor]  # (y, sigma)
    denoised: Callable[[Tensor, Tensor, Level], Tensor]  # (y, F, sigma)
    noise: Callable[[Tensor, Tensor, Level], Tensor]  # (y, F, sigma)


def _alpha(sigma: Level) -> Level:
    return (1 + sigma**2) ** -0.5


def _preserving(y: Tensor, sigma: Level) -> Tensor:
    return y * _alpha(sigma)


EPSILON = Prediction(
    "the noise",
    _preserving,
    lambda y, output, sigma: y - sigma * output,
    lambda y, output, sigma: output,
)
SAMPLE = Prediction(
    "the image",
    _preserving,
    lambda y, output, sigma: output,
    lambda y, output, sigma: (y - output) / sigma,
)
VELOCITY = Prediction(
    "the velocity v",
    _preserving,
    lambda y, output, sigma: _alpha(sigma) * (_alpha(sigma) * y - sigma * output),
    lambda y, output, sigma: _alpha(sigma) * (sigma * _alpha(sigma) * y + output),
)
SCORE = Prediction(
    "the score, of pictures between 0 and 1",
    lambda y, sigma: (y + 1) / 2,
    lambda y, output, sigma: y + sigma**2 * output / 2,
    lambda y, output, sigma: -sigma * output / 2,
)
FLOW = Prediction(
    "the flow from image to noise",
    lambda y, sigma: y / (1 + sigma),
    lambda y, output, sigma: (y - sigma * output) / (1 + sigma),
    lambda y, output, sigma: (y + output) / (1 + sigma),
)


def edm(data: float, sign: float = 1.0) -> Prediction:
    """Return the preconditioning of Karras et al. for data of standard deviation `data`; `sign` is
    -1 if F was trained with the other sign.
    """

    def total(sigma: Level) -> Level:
        return (sigma**2 + data**2) ** 0.5

    return Prediction(
        f"a mixture of image and noise (EDM, data σ = {data:g})",
        lambda y, sigma: y / total(sigma),
        lambda y, output, sigma: (
            data**2 / total(sigma) ** 2 * y + sign * sigma * data / total(sigma) * output
        ),
        lambda y, output, sigma: (
            sigma / total(sigma) ** 2 * y - sign * data / total(sigma) * output
        ),
    )

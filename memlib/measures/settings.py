"""The bases of the settings of measures: each measure has one `Settings` class in its module."""

import math
from dataclasses import dataclass, replace
from typing import Any, Self

from memlib.denoisers.base import Denoiser
from memlib.flow import rounded_ends
from memlib.options import Options, option


def noise_level(
    default: float | tuple[float, ...] | None, title: str, help: str = "", **more: Any
) -> Any:
    """Declare a field for a noise level sigma, in the units of the images."""
    return option(default, title, help, kind=float, low=1e-6, high=1e4, **more)


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """Settings of one measure. Subclasses add their fields.

    Raises ValueError, with one sentence, for a value that is not allowed.
    """

    def for_model(self, denoiser: Denoiser) -> Self:
        """Return these settings with values that depend on the model filled in."""
        return self

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the standard error: random draws minus one."""
        return math.inf

    def forwards(self, denoiser: Denoiser) -> int:
        """Return the network forwards per image; `measure(...).evaluations` is the same number."""
        raise NotImplementedError

    def refusal(self, denoiser: Denoiser) -> str:
        """Return why this model cannot be measured with these settings; "" if it can."""
        return ""


@dataclass(frozen=True, kw_only=True)
class Ranged(Settings):
    """Settings of a measure that follows the ODE over a range of noise levels."""

    sigma_min: float | None = noise_level(
        None,
        "Lowest noise level σ",
        "Growth below this level is not counted. Values of different noise ranges cannot be "
        "compared.",
        optional=True,
        address="low",
    )
    sigma_max: float | None = noise_level(
        None,
        "Highest noise level σ",
        "The path ends here. The image should be invisible at this level.",
        optional=True,
        address="high",
    )

    def check(self) -> None:
        if self.sigma_min and self.sigma_max and self.sigma_min >= self.sigma_max:
            raise ValueError(
                f"sigma_min must be smaller than sigma_max, not {self.sigma_min:g} and "
                f"{self.sigma_max:g}."
            )

    def for_model(self, denoiser: Denoiser) -> Self:
        """Return the settings with the model's own noise range, to three digits, if none is
        given.
        """
        low, high = rounded_ends(denoiser)
        return replace(self, sigma_min=self.sigma_min or low, sigma_max=self.sigma_max or high)


@dataclass(frozen=True, kw_only=True)
class AtOneLevel(Settings):
    """Settings of a measure at one noise level."""

    sigma: float = noise_level(
        0.5, "Noise level σ", "Values of different levels cannot be compared.", address="sigma"
    )

    def refusal(self, denoiser: Denoiser) -> str:
        return unknown(denoiser, self.sigma)


def unknown(denoiser: Denoiser, *sigmas: float) -> str:
    """Return a sentence on the first noise level the model does not know, "" if it knows all."""
    low, high = denoiser.sigma_floor, denoiser.sigma_max
    outside = [sigma for sigma in sigmas if not low <= sigma <= high]
    if not outside:
        return ""
    return f"The model knows noise levels from {low:.3g} to {high:.3g}, not {outside[0]:g}."

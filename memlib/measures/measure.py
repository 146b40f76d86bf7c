"""What a measure is: a function, its settings, and the words that explain its number."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from memlib.denoisers.base import Denoiser
from memlib.measures.result import Result
from memlib.measures.settings import Settings


@dataclass(frozen=True)
class Measure:
    """An entry of the table of measures.

    `function(denoiser, images, **settings.parameters, callback=None)` returns a `Result`.
    `direction` is +1 where bigger means more memorised, -1 where smaller does; data never set it.
    """

    name: str
    title: str
    function: Callable[..., Result]
    settings: Settings  # the default ones; what they leave to the model is filled in by `asked`
    direction: int
    unit: str
    definition: str
    formula: str
    limits: str
    citation: str
    column: str = "value"  # the column of a row that holds the number
    error: str = "stderr"  # the column that holds its standard error; "" where there is none
    chosen: bool = False  # too dear for a whole set, so measured of chosen images: no AUC of it

    @property
    def run(self) -> str:
        """The name results are stored under: measures that are columns of one computation share
        it.
        """
        return self.function.__name__

    def asked(self, denoiser: Denoiser) -> Settings:
        """The settings this model is measured with unless others are asked for."""
        return self.settings.for_model(denoiser)

    def defaults(self, denoiser: Denoiser) -> dict[str, Any]:
        """`asked` in its canonical form."""
        return self.asked(denoiser).parameters

    def read(self, parameters: Mapping[str, Any]) -> Settings:
        """Settings of this measure from their canonical form; ValueError where they are not."""
        return type(self.settings).read(parameters)

    def forwards(self, denoiser: Denoiser) -> int:
        """Network forwards an image takes with the default settings."""
        return self.asked(denoiser).forwards(denoiser)

    def refusal(self, denoiser: Denoiser) -> str:
        """Why this model cannot be measured with the default settings; "" where it can."""
        return self.asked(denoiser).refusal(denoiser)

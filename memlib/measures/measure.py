"""The description of a measure: a function, its settings, and the texts that explain its value."""

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
    `direction` is +1 if bigger means more memorised, -1 if smaller does; it is never fitted to
    data.
    """

    name: str
    title: str
    function: Callable[..., Result]
    settings: Settings  # the default ones; values that depend on the model are filled in by `asked`
    direction: int
    unit: str
    definition: str
    formula: str
    limits: str
    citation: str
    column: str = "value"  # the column of a row with the value
    error: str = "stderr"  # the column with its standard error; "" if there is none
    chosen: bool = False  # too expensive for a whole set: measured of chosen images, without an AUC

    @property
    def words(self) -> str:
        """The title as it stands within a sentence."""
        return self.title[:1].lower() + self.title[1:]

    @property
    def run(self) -> str:
        """The name under which results are stored; measures from one computation share it."""
        return self.function.__name__

    def asked(self, denoiser: Denoiser) -> Settings:
        """Return the default settings for this model."""
        return self.settings.for_model(denoiser)

    def defaults(self, denoiser: Denoiser) -> dict[str, Any]:
        """Return the default settings for this model in canonical form."""
        return self.asked(denoiser).parameters

    def read(self, parameters: Mapping[str, Any]) -> Settings:
        """Read settings of this measure from their canonical form. Raises ValueError for another
        form.
        """
        return type(self.settings).read(parameters)

    def forwards(self, denoiser: Denoiser) -> int:
        """Return the network forwards per image with the default settings."""
        return self.asked(denoiser).forwards(denoiser)

    def refusal(self, denoiser: Denoiser) -> str:
        """Return why this model cannot be measured with the default settings; "" if it can."""
        return self.asked(denoiser).refusal(denoiser)

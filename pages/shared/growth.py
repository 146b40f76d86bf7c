"""Volume growth as the pages show it: of the model, or of the model minus its reference, for any image."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from memlib import maps
from memlib.denoisers import UNetDenoiser
from memlib.measures import MEASURES, Row, difference
from memlib.runs import measure_one, result_key
from pages.shared import workspace
from pages.shared.workspace import Workspace

MEASURE = MEASURES["volume_growth"]
SLIDER_LEVELS = 24  # as many positions as the noise-level slider has at most
Progress = Callable[[float], object] | None


@dataclass(frozen=True)
class Picture:
    """An image on the page, of the image set or not."""

    id: str
    name: str
    image: Tensor


@dataclass(frozen=True)
class View:
    """How growth is measured and shown: what is loaded, the parameters, whether the reference is subtracted, smoothing."""

    loaded: Workspace
    parameters: dict[str, Any]
    minus_reference: bool
    smoothing: int = 1

    @property
    def models(self) -> list[UNetDenoiser]:
        """The models whose growth the shown value needs."""
        reference = self.loaded.reference
        return [self.loaded.denoiser, *([reference] if self.minus_reference and reference is not None else [])]

    def stored(self) -> dict[str, Row]:
        """Rows of the image set that are there already, by id."""
        results, ids = workspace.results(), self.loaded.images.ids

        def of(model: UNetDenoiser) -> dict[str, Row]:
            keys = {image: result_key(model.digest, image, MEASURE.name, self.parameters) for image in ids}
            return {image: results[key] for image, key in keys.items() if key in results}

        first, *others = (of(model) for model in self.models)
        for other in others:
            first = {image: difference(row, other[image]) for image, row in first.items() if image in other}
        return first

    def row(self, picture: Picture, progress: Progress = None) -> Row:
        """One image's row with the maps at every level, measured now where it has to be."""
        parameters = {**self.parameters, "keep_maps": True}
        rows = [
            measure_one(model, picture.image, picture.id, MEASURE.name, parameters, workspace.results(), progress) for model in self.models
        ]
        return rows[0] if len(rows) == 1 else difference(*rows)

    def with_parameters(self, **parameters: Any) -> "View":
        return replace(self, parameters={**self.parameters, **parameters})

    @property
    def forwards(self) -> int:
        """Network forwards an image, of all models together."""
        probes = self.loaded.denoiser.dimension if self.parameters["probes"] == "exact" else int(self.parameters["probes"])
        return len(self.models) * (int(self.parameters["steps"]) + 1) * (probes + 1)

    @property
    def sigmas(self) -> np.ndarray:
        return np.geomspace(float(self.parameters["sigma_min"]), float(self.parameters["sigma_max"]), int(self.parameters["steps"]) + 1)

    @property
    def title(self) -> str:
        return "growth minus the reference's" if self.minus_reference else "growth"

    def smooth(self, heat: np.ndarray) -> np.ndarray:
        return maps.smooth(heat, self.smoothing)

    def levels(self, row: Row) -> tuple[list[tuple[int, str]], np.ndarray]:
        """The smoothed maps up to each noise level, thinned out for a slider, with their places on the ladder and names."""
        places = np.unique(np.linspace(0, len(row["maps"]) - 1, SLIDER_LEVELS).round().astype(int)).tolist()
        return [(place, f"{self.sigmas[place + 1]:.3g}") for place in places], self.smooth(row["maps"][places])

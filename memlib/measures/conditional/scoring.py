"""Everything that is known of one prompt: its measures, and the pictures that it gives.

The pictures start from the noises on which the measures before and during generation are taken, so
picture and value of one seed belong together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memlib.denoisers import NetworkDenoiser
from memlib.denoisers.condition import LARGEST_SCALE, Condition
from memlib.flow import sample
from memlib.images import to_pixels
from memlib.measures.conditional.prompt_measure import PromptMeasure, mean_over_seeds
from memlib.measures.conditional.prompt_registry import PROMPT_MEASURES
from memlib.measures.conditional.sampler import sampler_levels, starting_noise
from memlib.measures.result import Result, Row
from memlib.options import Options, option
from memlib.progress import Progress, part
from memlib.quoting import quoted

PROMPTS = "prompts"  # the name of a run of prompts, where that of a measure stands
PICTURES, VALUES, MAP = "pictures", "values_", "map_"  # arrays of a row, by seed
AMONG = "tiled_distance"  # needs several pictures of one prompt
USUAL = (
    "prediction_difference",
    "prediction_change",
    "norm_and_angle",
    "tiled_distance",
    "small_sphere_prompt",
    "small_sphere_null",
    "small_sphere_gap",
)


@dataclass(frozen=True, kw_only=True)
class PromptSettings(Options):
    """What is measured of every prompt, and how its pictures are drawn."""

    measures: str = option(
        ",".join(USUAL), "Measures", "Names of measures with a condition, separated by commas."
    )
    seeds: int = option(
        4, "Seeds", "Starting noises of each prompt, and pictures drawn from it.", low=1, high=64
    )
    guidance: float = option(
        7.5,
        "Guidance scale w",
        "Of the sampler that draws the pictures; the measures compare prompts without guidance.",
        kind=float,
        low=0.0,
        high=LARGEST_SCALE,
    )
    steps: int = option(50, "Steps", "Steps of the sampler, DDIM.", low=2, high=999)
    pictures: bool = option(
        True,
        "Draw pictures",
        "Without pictures only measures from before and during generation can be taken.",
    )

    def check(self) -> None:
        for measure in self.chosen:
            if measure.takes == "images" and not self.pictures:
                raise ValueError(f"{measure.name} is of pictures, which are not to be drawn.")
        if AMONG in self.measures.split(",") and self.seeds < 2:
            raise ValueError(f"{AMONG} compares pictures of one prompt; choose at least 2 seeds.")

    @property
    def chosen(self) -> list[PromptMeasure]:
        """The measures, in the order of their table. Raises ValueError for an unknown name."""
        names = [name.strip() for name in self.measures.split(",")]
        for name in names:
            if name not in PROMPT_MEASURES:
                raise ValueError(
                    f"There is no measure {quoted(name, 40)} of prompts; choose from "
                    f"{', '.join(PROMPT_MEASURES)}."
                )
        return [measure for name, measure in PROMPT_MEASURES.items() if name in names]

    @property
    def columns(self) -> list[PromptMeasure]:
        """The measures with the columns of a row in which their means over seeds stand."""
        return [columned(measure) for measure in self.chosen]

    def forwards(self, model: NetworkDenoiser) -> int:
        """Return the network forwards of one prompt."""
        return self.seeds * (2 * self.steps * self.pictures + sum(_costs(self.chosen, model)))


@dataclass(frozen=True)
class Prompted:
    """A prompt as it is sent to a worker, which has no text encoder."""

    prompt: str
    condition: Condition


def columned(measure: PromptMeasure) -> PromptMeasure:
    """Return a measure with its columns in a row of `score_prompt`."""
    return replace(measure, column=measure.name, error=f"{measure.name}_error")


def score_prompt(
    model: NetworkDenoiser,
    prompt: str,
    settings: PromptSettings,
    callback: Progress | None = None,
) -> Row:
    """Return the row of a prompt.

    It holds the mean of each measure over the seeds under its name, its standard error over them
    under `<name>_error` (NaN for one seed), the values of the seeds (n,) under `values_<name>`,
    maps (n, H, W) of latent pixels under `map_<name>`, and the `pictures` (n, H, W, C) uint8, drawn
    with guidance. `callback` counts forwards.
    """
    noise = starting_noise(model, settings.seeds, settings.seed)
    drawing, whole = 2 * settings.steps * settings.pictures, settings.forwards(model)
    row: Row = {}
    latents = noise
    if settings.pictures:
        guided = model.given(prompt, settings.guidance)
        latents = sample(
            guided,
            settings.seeds,
            seed=settings.seed,
            sigmas=sampler_levels(guided, settings.steps),
            callback=part(callback, 0, settings.seeds * drawing, whole),
        )
        row[PICTURES] = to_pixels(model.decode(latents))
    told = part(callback, settings.seeds * drawing, whole - settings.seeds * drawing, whole)
    return row | _measured(model, prompt, settings.chosen, (noise, latents), told)


def score_prompts(
    model: NetworkDenoiser,
    batch: Sequence[Prompted],
    parameters: Mapping[str, Any],
    callback: Progress | None = None,
) -> list[Row]:
    """Return the rows of some prompts, whose conditions come with them."""
    settings, rows = PromptSettings.read(parameters), []
    for place, one in enumerate(batch):
        assert model.texts is not None
        model.texts.keep(one.prompt, one.condition)
        told = part(callback, place, 1, len(batch))
        rows.append(score_prompt(model, one.prompt, settings, told))
    return rows


def score_picture(
    model: NetworkDenoiser,
    prompt: str,
    picture: Tensor,
    measures: Sequence[PromptMeasure],
    callback: Progress | None = None,
) -> Row:
    """Return the row of one picture (C, H, W), which need not be generated, for a prompt: the
    measures from after generation, without the distance among pictures.
    """
    latents = model.encode(picture[None])
    usable = [one for one in measures if one.takes == "images" and one.name != AMONG]
    return _measured(model, prompt, usable, (latents, latents), callback)


def _costs(measures: Sequence[PromptMeasure], model: NetworkDenoiser) -> list[int]:
    """Return the forwards of one latent in each computation."""
    return [computed[0].forwards(model) for computed in _computations(measures, model)]


def _computations(
    measures: Sequence[PromptMeasure], model: NetworkDenoiser
) -> list[list[PromptMeasure]]:
    """Return the measures by the computation from which they come."""
    found: dict[tuple[str, str], list[PromptMeasure]] = {}
    for measure in measures:
        found.setdefault((measure.run, str(measure.defaults(model))), []).append(measure)
    return list(found.values())


def _measured(
    model: NetworkDenoiser,
    prompt: str,
    measures: Sequence[PromptMeasure],
    states: tuple[Tensor, Tensor],
    callback: Progress | None,
) -> Row:
    """Measure starting noise and latents (n, C, H, W) of a prompt."""
    given, null = model.given(prompt), model.null
    row: Row = {}
    done, whole = 0, max(1, sum(_costs(measures, model)))
    for measures_of_one in _computations(measures, model):
        first = measures_of_one[0]
        cost = first.forwards(model)
        result: Result = first.function(
            given,
            null,
            states[first.takes == "images"],
            **first.defaults(model),
            callback=part(callback, done, cost, whole),
        )
        done += cost
        for measure in measures_of_one:
            values = [float(result.row(place)[measure.column]) for place in range(len(states[0]))]
            own = replace(result, value=torch.tensor(values))
            row[measure.name], row[f"{measure.name}_error"] = mean_over_seeds(own)
            row[VALUES + measure.name] = np.array(values, np.float32)
            if result.map is not None and measure.column == "value":
                row[MAP + measure.name] = result.map.float().numpy()
    return row

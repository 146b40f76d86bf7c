"""The description of a measure that compares a denoiser with a prompt to one without."""

import math
from dataclasses import dataclass
from typing import Literal

import torch

from memlib.measures.measure import Measure
from memlib.measures.result import Result


@dataclass(frozen=True)
class PromptMeasure(Measure):
    """An entry of the table of measures with a condition.

    `function(denoiser, null, latents, **settings.parameters, callback=None)` returns a `Result`, a
    value for each of B latents. `denoiser` and `null` are those of the prompt, without guidance,
    and of the empty prompt: `model.given(prompt)` and `model.null`. If the measure `takes` "noise",
    `latents` are `starting_noise`, of unit variance, one for each seed, and no picture is needed;
    otherwise they are pictures in the latent space, generated or encoded.
    """

    when: Literal["before", "during", "after"] = "after"  # of generating a picture
    takes: Literal["noise", "images"] = "images"
    published: str = ""  # AUC, and the share found at 1% false positives, in the source


def mean_over_seeds(result: Result) -> tuple[float, float]:
    """Return the mean of a result's values over its seeds, and its standard error; NaN for one."""
    values = result.value.double()
    error = values.std() / math.sqrt(len(values)) if len(values) > 1 else torch.tensor(math.nan)
    return float(values.mean()), float(error)

"""Measures of a model of text: each is a function of a denoiser with a prompt, one without, and
starting noise or latents.
"""

from memlib.measures.conditional.prompt_measure import PromptMeasure, mean_over_seeds
from memlib.measures.conditional.prompt_registry import PROMPT_MEASURES
from memlib.measures.conditional.sampler import sampler_levels, starting_noise

__all__ = [
    "PROMPT_MEASURES",
    "PromptMeasure",
    "mean_over_seeds",
    "sampler_levels",
    "starting_noise",
]

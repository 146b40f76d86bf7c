"""The table of measures with a condition.

A new one is a module in this folder that ends with its `ENTRIES`, and its name here.
"""

from importlib import import_module

from memlib.measures.conditional.prompt_measure import PromptMeasure

MODULES = (
    "predictions_apart",
    "prompt_sharpness",
    "norm_and_angle",
    "prompt_gradients",
    "difference_maps",
    "tiled_distance",
    "prompt_flux",
)

PROMPT_MEASURES: dict[str, PromptMeasure] = {
    entry.name: entry
    for module in MODULES
    for entry in import_module(f"memlib.measures.conditional.{module}").ENTRIES
}

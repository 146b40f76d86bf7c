"""The table of measures that every page and command uses.

A new measure is one module in this folder that ends with its `ENTRIES`, and its name here.
"""

from importlib import import_module

from memlib.measures.measure import Measure

MODULES = (
    "reproduction_rate",
    "volume",
    "noised.noised_growth",
    "frame",
    "redraw",
    "noised.redraw_precision",
    "likelihood",
    "dimension",
    "loss",
    "plaplace",
)

MEASURES: dict[str, Measure] = {
    entry.name: entry
    for module in MODULES
    for entry in import_module(f"memlib.measures.{module}").ENTRIES
}

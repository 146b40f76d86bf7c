"""A survey of a model: pictures drawn, images measured, copies counted and rates estimated, in
stages that are planned with their cost and resumed where they stopped.
"""

from memlib.survey.conducting import (
    DRAW,
    ESTIMATE,
    MATCH,
    MEASURE,
    PRODUCTS,
    Places,
    Stage,
    Survey,
)
from memlib.survey.presets import PRESETS, Preset

__all__ = [
    "DRAW",
    "ESTIMATE",
    "MATCH",
    "MEASURE",
    "PRESETS",
    "PRODUCTS",
    "Places",
    "Preset",
    "Stage",
    "Survey",
]

"""The measures of memorisation: one module each, and the table that lists them (registry.py)."""

from memlib.measures.dimension import LocalDimension, flipd
from memlib.measures.frame import FrameGrowth, FrameSettings, frame_growth
from memlib.measures.likelihood import LogLikelihood, log_likelihood
from memlib.measures.loss import DenoisingLoss, IntegratedLoss, denoising_loss, integrated_loss
from memlib.measures.measure import Measure
from memlib.measures.noised.noised_growth import NoisedGrowth, noised_growth
from memlib.measures.noised.redraw_precision import RedrawPrecision, redraw_precision
from memlib.measures.plaplace import LEVELS, POWERS, PLaplace, PLaplaceSettings, p_laplace
from memlib.measures.redraw import Redraw, RedrawSettings, redraw
from memlib.measures.registry import MEASURES
from memlib.measures.reproduction_rate import (
    ReproductionRate,
    rate_in_words,
    reproduction_rate,
)
from memlib.measures.result import Result, Row, difference
from memlib.measures.settings import Settings
from memlib.measures.volume import GrowthSettings, VolumeGrowth, volume_growth
from memlib.options import Option

__all__ = [
    "LEVELS",
    "MEASURES",
    "POWERS",
    "DenoisingLoss",
    "FrameGrowth",
    "FrameSettings",
    "GrowthSettings",
    "IntegratedLoss",
    "LocalDimension",
    "LogLikelihood",
    "Measure",
    "NoisedGrowth",
    "Option",
    "PLaplace",
    "PLaplaceSettings",
    "Redraw",
    "RedrawPrecision",
    "RedrawSettings",
    "ReproductionRate",
    "Result",
    "Row",
    "Settings",
    "VolumeGrowth",
    "denoising_loss",
    "difference",
    "flipd",
    "frame_growth",
    "integrated_loss",
    "log_likelihood",
    "noised_growth",
    "p_laplace",
    "rate_in_words",
    "redraw",
    "redraw_precision",
    "reproduction_rate",
    "volume_growth",
]

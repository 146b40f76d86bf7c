"""The measures of memorisation: one module each, and the table that lists them (registry.py)."""

from memlib.measures.controls import (
    DenoisingLoss,
    LocalDimension,
    LogLikelihood,
    denoising_loss,
    flipd,
    log_likelihood,
)
from memlib.measures.frame import FrameGrowth, frame_growth
from memlib.measures.plaplace import PLaplace, p_laplace
from memlib.measures.redraw import Redraw, redraw
from memlib.measures.registry import LEVELS, MEASURES, POWERS, Measure
from memlib.measures.result import Result, Row, difference
from memlib.measures.volume import VolumeGrowth, volume_growth

__all__ = [
    "LEVELS",
    "MEASURES",
    "POWERS",
    "DenoisingLoss",
    "FrameGrowth",
    "LocalDimension",
    "LogLikelihood",
    "Measure",
    "PLaplace",
    "Redraw",
    "Result",
    "Row",
    "VolumeGrowth",
    "denoising_loss",
    "difference",
    "flipd",
    "frame_growth",
    "log_likelihood",
    "p_laplace",
    "redraw",
    "volume_growth",
]

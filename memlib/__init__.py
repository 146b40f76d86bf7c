"""memlib: what a diffusion model remembers, measured.

Every method is a function of one object, the denoiser.
"""

from memlib.denoisers import Denoiser, FiniteDataset, GaussianMixture, load_denoiser
from memlib.extraction import (
    Extraction,
    ExtractionScores,
    Surrogate,
    extract,
    extraction_scores,
    fit_surrogate,
)
from memlib.flow import sample
from memlib.images import ImageSet, load_images
from memlib.measures import (
    MEASURES,
    FrameGrowth,
    PLaplace,
    Redraw,
    ReproductionRate,
    VolumeGrowth,
    denoising_loss,
    flipd,
    frame_growth,
    integrated_loss,
    log_likelihood,
    p_laplace,
    redraw,
    reproduction_rate,
    volume_growth,
)
from memlib.neighbours import Neighbours, adaptive_ratio, duplicates, match_ratio, nearest

__all__ = [
    "MEASURES",
    "Denoiser",
    "Extraction",
    "ExtractionScores",
    "FiniteDataset",
    "FrameGrowth",
    "GaussianMixture",
    "ImageSet",
    "Neighbours",
    "PLaplace",
    "Redraw",
    "ReproductionRate",
    "Surrogate",
    "VolumeGrowth",
    "adaptive_ratio",
    "denoising_loss",
    "duplicates",
    "extract",
    "extraction_scores",
    "fit_surrogate",
    "flipd",
    "frame_growth",
    "integrated_loss",
    "load_denoiser",
    "load_images",
    "log_likelihood",
    "match_ratio",
    "nearest",
    "p_laplace",
    "redraw",
    "reproduction_rate",
    "sample",
    "volume_growth",
]

"""memlib: what a diffusion model remembers, measured.

Every method is a function of one object, the denoiser. A name is imported when it is first used:
torch takes seconds, which the help of a command need not wait for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

PACKAGES = ("denoisers", "flow", "images", "neighbours", "measures", "extraction")

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import a public name, or one of the packages that define them."""
        if name in PACKAGES:
            return import_module(f"memlib.{name}")
        if name in __all__:
            for package in map(import_module, (f"memlib.{one}" for one in PACKAGES)):
                if hasattr(package, name):
                    return getattr(package, name)
        raise AttributeError(f"module 'memlib' has no attribute {name!r}")

"""SIDE, surrogate-conditional data extraction (arXiv 2410.02467): pull training images out of an unconditional model."""

from memlib.extraction.attack import Extraction, extract
from memlib.extraction.surrogate import KINDS, Clusters, Surrogate, fit_surrogate

__all__ = ["KINDS", "Clusters", "Extraction", "Surrogate", "extract", "fit_surrogate"]

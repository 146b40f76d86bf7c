"""SIDE, surrogate-conditional data extraction (arXiv 2410.02467): pull training images out of an unconditional model."""

from memlib.extraction.attack import Extraction, extract
from memlib.extraction.generations import UNCONDITIONAL, Generations, generate_run, imported, pack, plan_of, read_generations
from memlib.extraction.matches import CRITERIA, copied_image, match, training_set
from memlib.extraction.scores import ExtractionScores, extraction_scores, unique_curve, wilson
from memlib.extraction.surrogate import KINDS, Clusters, Surrogate, fit_surrogate
from memlib.extraction.trajectory import Trajectory, posterior, trajectory

__all__ = [
    "CRITERIA",
    "KINDS",
    "UNCONDITIONAL",
    "Clusters",
    "Extraction",
    "ExtractionScores",
    "Generations",
    "Surrogate",
    "Trajectory",
    "copied_image",
    "extract",
    "extraction_scores",
    "fit_surrogate",
    "generate_run",
    "imported",
    "match",
    "pack",
    "plan_of",
    "posterior",
    "read_generations",
    "training_set",
    "trajectory",
    "unique_curve",
    "wilson",
]

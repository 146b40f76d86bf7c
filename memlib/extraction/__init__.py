"""SIDE, surrogate-conditional data extraction (arXiv 2410.02467): pull training images out of an
unconditional model.
"""

from memlib.extraction.attack import Extraction, extract
from memlib.extraction.compare import Attack, compared, over_seeds
from memlib.extraction.generations import (
    Generations,
    generate_run,
    imported,
    pack,
    read_generations,
    read_manifest,
)
from memlib.extraction.matches import CRITERIA, copied_image, match, similarities, training_set
from memlib.extraction.plan import UNCONDITIONAL, Plan, plan_of
from memlib.extraction.saved import load_surrogate
from memlib.extraction.scores import ExtractionScores, extraction_scores, unique_curve, wilson
from memlib.extraction.surrogate import KINDS, Clusters, Surrogate, fit_surrogate
from memlib.extraction.trajectory import Trajectory, posterior, trajectory

__all__ = [
    "CRITERIA",
    "KINDS",
    "UNCONDITIONAL",
    "Attack",
    "Clusters",
    "Extraction",
    "ExtractionScores",
    "Generations",
    "Plan",
    "Surrogate",
    "Trajectory",
    "compared",
    "copied_image",
    "extract",
    "extraction_scores",
    "fit_surrogate",
    "generate_run",
    "imported",
    "load_surrogate",
    "match",
    "over_seeds",
    "pack",
    "plan_of",
    "posterior",
    "read_generations",
    "read_manifest",
    "similarities",
    "training_set",
    "trajectory",
    "unique_curve",
    "wilson",
]

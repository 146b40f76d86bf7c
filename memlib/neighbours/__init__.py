"""Nearest training images, near-duplicates, and the criteria of a copy."""

from memlib.neighbours.criteria import COPY_RATIO, adaptive_ratio, match_ratio, surroundings
from memlib.neighbours.near_duplicates import NEAR_DUPLICATE, duplicates, unrelated_threshold
from memlib.neighbours.search import Describer, Neighbours, nearest

__all__ = [
    "COPY_RATIO",
    "NEAR_DUPLICATE",
    "Describer",
    "Neighbours",
    "adaptive_ratio",
    "duplicates",
    "match_ratio",
    "nearest",
    "surroundings",
    "unrelated_threshold",
]

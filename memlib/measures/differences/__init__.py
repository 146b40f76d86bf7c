"""Two denoisers of the same images: what one of them knows and the other does not."""

from memlib.measures.differences.subtraction import SUBTRACTIONS, curvature_apart, score_apart

__all__ = ["SUBTRACTIONS", "curvature_apart", "score_apart"]

"""The statistics for comparing measures, under the name by which other programs import them."""

from memlib.statistics import auc_interval, roc, tpr_at

__all__ = ["auc_interval", "roc", "tpr_at"]

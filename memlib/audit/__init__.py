"""Auditing flagged images: which to look at, what was decided on which evidence, and how far
reviewers agree.
"""

from memlib.audit.review import (
    Agreement,
    agreements,
    changed,
    outcomes,
    progress,
    removal_list,
    standing,
    undoable,
    visible,
)
from memlib.audit.verdicts import VERDICTS, Change, Unsaved, Verdicts, check_name

__all__ = [
    "VERDICTS",
    "Agreement",
    "Change",
    "Unsaved",
    "Verdicts",
    "agreements",
    "changed",
    "check_name",
    "outcomes",
    "progress",
    "removal_list",
    "standing",
    "undoable",
    "visible",
]

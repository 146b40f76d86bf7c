"""Evidence: which training images come back, and which number says so.

Ground truth is reproduction: pictures drawn from the model are matched with the training images,
and every match counts for the image it is a copy of. A measure is good evidence on this model as
far as it ranks the images that come back above those that do not.
"""

from memlib.evidence.base_rates import BaseRate, base_rate
from memlib.evidence.quality import (
    REPRODUCED,
    TRAINED,
    comparisons,
    disagreement,
    ladder,
    measure_table,
    quality,
    rank_agreement,
    ranks,
    rungs,
    signed,
)
from memlib.evidence.reproduction import (
    at_most,
    copied,
    held_out,
    match_samples,
    reproduced,
    reproductions,
)
from memlib.evidence.text import interval, short, statement, table_line

__all__ = [
    "REPRODUCED",
    "TRAINED",
    "BaseRate",
    "at_most",
    "base_rate",
    "comparisons",
    "copied",
    "disagreement",
    "held_out",
    "interval",
    "ladder",
    "match_samples",
    "measure_table",
    "quality",
    "rank_agreement",
    "ranks",
    "reproduced",
    "reproductions",
    "rungs",
    "short",
    "signed",
    "statement",
    "table_line",
]

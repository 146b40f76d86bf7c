"""Evidence: which training images come back, and which number says so.

Ground truth is reproduction: pictures drawn from the model are matched with the training images,
and every match counts for the image it is a copy of. A measure is good evidence on this model as
far as it ranks the images that come back above those that do not.
"""

from memlib.evidence.base_rates import BaseRate, base_rate
from memlib.evidence.quality import (
    REPRODUCED,
    TRAINED,
    auc_text,
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
from memlib.evidence.remembered import (
    Candidate,
    Remembered,
    believe,
    copy_rule,
    counted_in_words,
    counted_rate,
    drawn_how,
)
from memlib.evidence.reproduction import (
    at_most,
    clusters,
    copied,
    different,
    held_out,
    match_samples,
    reproduced,
    reproductions,
)
from memlib.evidence.text import (
    apart_text,
    best_of,
    interval,
    rate_text,
    share,
    short,
    statement,
    table_line,
)

__all__ = [
    "REPRODUCED",
    "TRAINED",
    "BaseRate",
    "Candidate",
    "Remembered",
    "apart_text",
    "at_most",
    "auc_text",
    "base_rate",
    "believe",
    "best_of",
    "clusters",
    "comparisons",
    "copied",
    "copy_rule",
    "counted_in_words",
    "counted_rate",
    "different",
    "disagreement",
    "drawn_how",
    "held_out",
    "interval",
    "ladder",
    "match_samples",
    "measure_table",
    "quality",
    "rank_agreement",
    "ranks",
    "rate_text",
    "reproduced",
    "reproductions",
    "rungs",
    "share",
    "short",
    "signed",
    "statement",
    "table_line",
]

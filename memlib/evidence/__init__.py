"""Evidence: which training images are reproduced, and which measure predicts it.

The ground truth is reproduction: generated images are matched with the training images, and every
copy counts for the image it copies. A measure is good on this model if it ranks the reproduced
images above the others.
"""

from memlib.evidence.about import (
    About,
    Resemblance,
    Standing,
    resemblance,
    standings,
    surpassed_in_words,
    times_drawn,
)
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
    drawn_how,
)
from memlib.evidence.reproduction import (
    at_most,
    bounds,
    clusters,
    copied,
    counted_rate,
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
    "About",
    "BaseRate",
    "Candidate",
    "Remembered",
    "Resemblance",
    "Standing",
    "apart_text",
    "at_most",
    "auc_text",
    "base_rate",
    "believe",
    "best_of",
    "bounds",
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
    "resemblance",
    "rungs",
    "share",
    "short",
    "signed",
    "standings",
    "statement",
    "surpassed_in_words",
    "table_line",
    "times_drawn",
]

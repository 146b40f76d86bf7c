"""What the collection of garbage after every run of a script need not look at."""

import gc
import sys

_seen = 0  # modules that were imported when it was last asked


def settle() -> None:
    """Keep all that exists now out of the collection of garbage, if modules were imported since the
    last call.

    Streamlit collects garbage after every run of a page and of a fragment. With torch, its classes
    and the rows of the demo in memory, that took five times as long as a click's own work.
    """
    global _seen
    if len(sys.modules) != _seen:
        _seen = len(sys.modules)
        gc.freeze()

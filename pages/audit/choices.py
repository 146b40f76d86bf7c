"""What a visitor chooses on the audit page, and what the page remembers."""

from typing import Any

import pandas as pd

from memlib.measures import MEASURES
from memlib.neighbours import NEAR_DUPLICATE
from pages.session.neighbours import Alike
from pages.session.state import Kept, Number, Page
from pages.widgets.desk import State

MEASURE, EXTRACTION, HAND, IMPORTED = "A measure", "Extraction", "By hand", "Imported"
ALL, TO_DECIDE, DECIDED, STALE, DISPUTED = "All", "To decide", "Decided", "Stale", "Disputed"
OVERVIEW, EXPORT, AGREEMENT, HISTORY, DUPLICATES = (
    "All cases",
    "Export",
    "Agreement",
    "History of this case",
    "Near-duplicates",
)
PIXELS, LOOKS = "Pixels", "Looks"

PAGE = Page("audit")
QUEUE = PAGE.one_of("queue", (MEASURE, EXTRACTION, HAND, IMPORTED), MEASURE)
STATUS = PAGE.one_of("status", (ALL, TO_DECIDE, DECIDED, STALE, DISPUTED), ALL)
FLAG_BY = PAGE.one_of("flag_by", (), "", words=lambda name: MEASURES[name].title)
FOUND = PAGE.text("by_hand_text", linked=False)
FOLDER = PAGE.text("import_folder", linked=False)
PANEL = PAGE.maybe_one_of("audit_panel", (OVERVIEW, EXPORT, AGREEMENT, HISTORY, DUPLICATES))
ALIKE_BY = PAGE.one_of("alike_by", (PIXELS, LOOKS), PIXELS, linked=False)
ALIKE_PIXELS = PAGE.number("alike_pixels", NEAR_DUPLICATE, 0.0, 0.5, linked=False)
ALIKE_MIRRORED = PAGE.switch("alike_mirrored", linked=False)

ALIKE = Kept("alike", lambda: Alike("pixels", NEAR_DUPLICATE, False))  # as it was last chosen
MATCHED: Kept[tuple[Any, pd.DataFrame]] = Kept("imported", lambda: (None, pd.DataFrame()))
REPORT: Kept[tuple[Any, bytes]] = Kept("audit_report", lambda: (None, b""))  # of what, and it
EVIDENCE: Kept[dict[int, dict[str, Any]]] = Kept("audit_evidence", dict)  # by verdict
OUTDATED: Kept[dict[tuple, list[str]]] = Kept("audit_stale", dict)  # by verdict and casebook
DESK = Kept("desk_state", State)  # the last message from the browser
ANSWER: Kept[dict[str, Any]] = Kept(
    "desk_answer", lambda: {"number": 0, "processed": [], "lost": "", "problem": ""}
)


def threshold(measure: str) -> Number[float]:
    """Return the choice of the threshold at which a measure flags an image."""
    return PAGE.number(f"threshold_{measure}", 0.0, 0.0, 0.0, of_model=True)

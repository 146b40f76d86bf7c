"""What follows from verdicts: exports, agreement, history, near-duplicates."""

from pages.shared.cases import Casebook
from pages.shared.reviewing import Review


def after_the_desk(book: Casebook, queue: list[int], seen: Review) -> None:
    return

"""A gallery of small pictures, one of which is selected, by click or by arrow keys."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from pages.widgets.base import as_sheet, check_pictures
from pages.widgets.component import widget


@dataclass(frozen=True)
class Card:
    """A picture's id, the line below it, a second line in grey, and the text for screen readers."""

    id: str
    title: str
    note: str
    alt: str


_component = widget("gallery")


def gallery(
    pictures: np.ndarray,
    cards: Sequence[Card],
    selected: str | None,
    *,
    key: str,
    on_select: Callable[[str], None],
    width: int = 64,
    alt: str = "Images",
) -> None:
    """Draw pictures (N, H, W, 3) uint8, N > 0, with one card each and the card `selected` marked.

    `on_select` is called with the id of a card that the visitor selects, before the page runs
    again. Pictures are at most `width` pixels wide: smaller ones are enlarged by a whole factor,
    larger ones averaged. Raises ValueError for pictures of another form and for a wrong number of
    cards.
    """
    check_pictures(pictures, "A gallery's pictures")
    if len(pictures) != len(cards):
        raise ValueError(
            f"A gallery needs one card for each picture; these are {len(cards)} cards and "
            f"{len(pictures)} pictures."
        )
    sheet = as_sheet(pictures, width)
    _component(
        key=key,
        data={
            "sheet": sheet,
            "scale": max(1, width // sheet["width"]),
            "cards": [asdict(card) for card in cards],
            "selected": selected,
            "alt": alt,
        },
        on_event=lambda event: on_select(str(event["id"])),
    )

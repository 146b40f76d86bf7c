"""A gallery of cards with pictures that belong together: a generated one beside training images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pages.widgets.base import as_sheet, check_pictures
from pages.widgets.component import widget


@dataclass(frozen=True)
class Pair:
    """The pictures of a card, each (H, W, 3) uint8, such as a generated one and its nearest
    training images, the lines below them, and whether it is framed as a copy.
    """

    id: int
    pictures: tuple[np.ndarray, ...]
    captions: tuple[str, ...]
    copy: bool


LEGEND = "In each card: generated, nearest and second-nearest training image"

_component = widget("pairs")


def pairs(
    rows: Sequence[Pair],
    selected: int | None,
    *,
    key: str,
    alt: str,
    on_select: Callable[[int], None],
    width: int = 64,
    legend: str = LEGEND,
    verdicts: bool = True,
) -> None:
    """Draw the rows as cards, the card `selected` marked if it is among them.

    `legend` says what is in a card; with `verdicts` it also says what a frame means. Without, the
    lines are sentences that may wrap.

    `on_select` is called with the id of a card that the visitor selects, before the page runs
    again. Pictures are at most `width` pixels wide, enlarged by a whole factor if smaller. Raises
    ValueError for pictures of different shapes or numbers.
    """
    shapes = {tuple(picture.shape for picture in row.pictures) for row in rows}
    if len(shapes) > 1 or any(len(set(shape)) != 1 for shape in shapes):
        raise ValueError(
            f"All cards need the same number of pictures of one shape; these have {sorted(shapes)}."
        )
    pictures = [picture for row in rows for picture in row.pictures]
    sent = as_sheet(_checked(pictures), width)
    _component(
        key=key,
        data={
            "cards": [
                {"id": row.id, "captions": list(row.captions), "copy": row.copy} for row in rows
            ],
            "each": len(rows[0].pictures) if rows else 0,
            "sheet": sent,
            "scale": max(1, width // sent["width"]),
            "selected": selected if selected in {row.id for row in rows} else None,
            "alt": alt,
            "legend": legend,
            "verdicts": verdicts,
        },
        on_event=lambda event: on_select(int(event["id"])),
    )


def _checked(pictures: list[np.ndarray]) -> np.ndarray:
    """Return the pictures as one array, a black pixel if there are none."""
    stacked = np.stack(pictures) if pictures else np.zeros((1, 1, 1, 3), np.uint8)
    check_pictures(stacked, "The cards' pictures")
    return stacked

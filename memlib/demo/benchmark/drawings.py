"""The benchmark's pictures: whole copies and partial copies, each with its dose and its true mask.

Every picture is drawn by the computer: four to six shapes of one style on a gradient. Nothing in
it comes from elsewhere, so that nobody holds rights in it.

A partial copy is a picture in which a part, the mask, shows what other pictures show in the same
place: a patch, a half, or a border. The pictures are different everywhere else. Its dose is the
number of pictures that share the part; the dose of a whole copy is how often the picture is
repeated.
"""

import colorsys
import math
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from memlib.demo.emoji import write_images
from memlib.evidence.masks import mask_in_words
from memlib.images.imageset import HELD_OUT

SIZE = 16
FINE = 6  # pixels of the drawing board to a pixel of the picture
STYLES = ("discs", "rings", "bars", "triangles", "squares", "stars", "slices", "crosses")
COPIED = {2: 16, 3: 8, 4: 8, 8: 4, 16: 4, 32: 2}  # images of each dose
SHARED = {2: 2, 3: 2, 4: 2, 8: 2, 16: 2, 32: 1}  # groups of each dose and each kind of mask
KINDS = ("patch", "half", "border")
SINGLE, NEW, VALIDATION = 104, 152, 128
FRAME = 3  # the width of a border


def colour(order: random.Random) -> tuple[int, int, int]:
    """Draw a colour, neither black nor grey."""
    rgb = colorsys.hsv_to_rgb(order.random(), order.uniform(0.35, 1), order.uniform(0.35, 1))
    return tuple(round(255 * part) for part in rgb)  # type: ignore[return-value]


def turned(x: float, y: float, radii: list[float], angle: float) -> list[tuple[float, float]]:
    """Return the corners of a polygon, at these distances from (x, y) and even angles."""
    step = 2 * math.pi / len(radii)
    return [
        (x + r * math.cos(angle + step * k), y + r * math.sin(angle + step * k))
        for k, r in enumerate(radii)
    ]


def shape(board: ImageDraw.ImageDraw, style: str, order: random.Random) -> None:
    """Draw one shape of a style, anywhere and of any size."""
    edge = SIZE * FINE
    x, y, r = order.uniform(0, edge), order.uniform(0, edge), order.uniform(0.15, 0.32) * edge
    angle, fill = order.uniform(0, 2 * math.pi), colour(order)
    box = (x - r, y - r, x + r, y + r)
    if style == "discs":
        board.ellipse(box, fill)
    elif style == "rings":
        board.ellipse(box, outline=fill, width=round(0.4 * r))
    elif style == "slices":
        board.pieslice(box, math.degrees(angle), math.degrees(angle) + 200, fill)
    elif style == "bars":
        along = turned(x, y, [2 * r, 2 * r], angle)
        board.line(along, fill, width=round(0.45 * r))
    elif style == "crosses":
        ends = turned(x, y, [r] * 4, angle)
        board.line(ends[::2], fill, width=round(0.4 * r))
        board.line(ends[1::2], fill, width=round(0.4 * r))
    elif style == "stars":
        board.polygon(turned(x, y, [1.2 * r, 0.5 * r] * 5, angle), fill)
    else:
        board.polygon(turned(x, y, [1.2 * r] * (3 if style == "triangles" else 4), angle), fill)


def drawing(style: str, order: random.Random) -> np.ndarray:
    """Draw a picture, uint8 (SIZE, SIZE, 3)."""
    edge = SIZE * FINE
    one, other, angle = colour(order), colour(order), order.uniform(0, 2 * math.pi)
    rows, columns = np.mgrid[:edge, :edge] / (edge - 1) - 0.5
    share = 0.5 + (math.cos(angle) * columns + math.sin(angle) * rows) / math.sqrt(2)
    ground = np.array(one) + share[..., None] * (np.array(other) - np.array(one))
    picture = Image.fromarray(ground.round().astype(np.uint8))
    board = ImageDraw.Draw(picture)
    for _ in range(order.randint(4, 6)):
        shape(board, style, order)
    return np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BOX))


def chosen_mask(kind: str, order: random.Random) -> str:
    """Draw a mask of a kind, as `memlib.evidence.masks` reads it."""
    if kind == "border":
        return f"out {FRAME} {FRAME} {SIZE - FRAME} {SIZE - FRAME}"
    if kind == "half":
        half = SIZE // 2
        boxes = (
            (0, 0, half, SIZE),
            (half, 0, SIZE, SIZE),
            (0, 0, SIZE, half),
            (0, half, SIZE, SIZE),
        )
        return "in {} {} {} {}".format(*order.choice(boxes))
    high, wide = order.randint(6, 9), order.randint(6, 9)
    top, left = order.randint(0, SIZE - high), order.randint(0, SIZE - wide)
    return f"in {top} {left} {top + high} {left + wide}"


def pictures(seed: int = 0) -> Iterator[tuple[dict[str, object], Image.Image]]:
    """Draw every picture with its row of metadata; the styles take turns in every group."""
    order = random.Random(seed)

    def whole(
        group: str, copies: int, count: int
    ) -> Iterator[tuple[dict[str, object], np.ndarray]]:
        for number in range(count):
            style = STYLES[number % len(STYLES)]
            name = f"{group}/{style}-{copies}-{number:03}.png"
            row = {"file_name": name, "group": group, "copies": copies, "shared": "", "family": ""}
            yield row | {"mask": "", "style": style}, drawing(style, order)

    def partial(kind: str, dose: int, group: int) -> Iterator[tuple[dict[str, object], np.ndarray]]:
        words, family = chosen_mask(kind, order), f"{kind}-{dose}-{group}"
        mask, part = mask_in_words(words, SIZE, SIZE), drawing(order.choice(STYLES), order)
        for number in range(dose):
            style = STYLES[(number + group) % len(STYLES)]
            name = f"partial/{family}-{number:02}.png"
            row = {"file_name": name, "group": "partial", "copies": 1, "shared": dose}
            row |= {"family": family, "mask": words, "style": style}
            yield row, np.where(mask[..., None], part, drawing(style, order))

    made = [*whole("single", 1, SINGLE), *whole(HELD_OUT, 0, NEW)]
    for copies, count in COPIED.items():
        made += whole("copied", copies, count)
    for kind in KINDS:
        for dose, groups in SHARED.items():
            for group in range(groups):
                made += partial(kind, dose, group)
    for row, picture in made:
        yield row, Image.fromarray(picture)


def validation(seed: int = 1) -> np.ndarray:
    """Draw pictures that are in no group, uint8 (VALIDATION, 3, SIZE, SIZE): by their loss the
    reference is chosen.
    """
    order = random.Random(seed)
    drawn = [drawing(STYLES[k % len(STYLES)], order) for k in range(VALIDATION)]
    return np.stack(drawn).transpose(0, 3, 1, 2)


def build_drawings(target: Path) -> None:
    """Write the benchmark's image set."""
    write_images(target, list(pictures()))

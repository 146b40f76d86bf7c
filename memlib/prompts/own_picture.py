"""A visitor's own picture with and without a prompt."""

from collections.abc import Sequence

import numpy as np

from memlib.denoisers import NetworkDenoiser
from memlib.images import Transform, to_pixels, to_unit
from memlib.images.pictures import decode_one
from memlib.measures import Row
from memlib.measures.conditional import PromptMeasure
from memlib.measures.conditional.scoring import score_picture
from memlib.progress import Progress


def score_upload(
    model: NetworkDenoiser,
    prompt: str,
    data: bytes,
    measures: Sequence[PromptMeasure],
    callback: Progress | None = None,
) -> tuple[np.ndarray, Row]:
    """Return the picture of a file as the model sees it, uint8 (H, W, 3), and its row of
    `score_picture`.

    Raises ValueError for a file that is no picture and for pictures that cannot be brought to the
    size of the model.
    """
    channels, height, width = model.picture_shape
    size = width if height == width else None
    try:
        pixels = decode_one(data, Transform(size, channels))
    except ValueError as error:
        raise ValueError(f"The picture {error}.") from error
    if pixels.shape != model.picture_shape:
        raise ValueError(
            f"The picture is {pixels.shape[2]} x {pixels.shape[1]}, the model's are {width} x "
            f"{height}."
        )
    picture = to_unit(pixels)
    shown = to_pixels(picture)
    shown = np.repeat(shown, 3, -1) if channels == 1 else shown
    return shown, score_picture(model, prompt, picture, measures, callback)

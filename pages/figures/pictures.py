"""Small pictures for the screen: colour maps, whole-factor enlargement, PNG data URLs."""

import base64
import io
from typing import Literal

import numpy as np
import plotly.colors
from PIL import Image

from memlib.images import to_pixels

THUMBNAIL, LARGEST = 64, 256  # pixels on a side
SEQUENTIAL = "Magma"  # brighter is more memorised, on every page
DIVERGING = "RdBu"  # used reversed: red is more than the reference, blue is less


def _table(name: str) -> np.ndarray:
    """Return the colour scale as 256 RGB rows."""
    colours = plotly.colors.sample_colorscale(name, np.linspace(0, 1, 256), colortype="tuple")
    return (np.asarray(colours) * 255).round().astype(np.uint8)


SEQUENTIAL_TABLE, DIVERGING_TABLE = _table(SEQUENTIAL), _table(DIVERGING)[::-1]


def _for_plotly(table: np.ndarray) -> list:
    """Return the colour scale as rgb(): Streamlit's theme treats some hex colours, such as the
    darkest of Magma, as placeholders.
    """
    return [[place / 255, "rgb({},{},{})".format(*table[place])] for place in range(0, 256, 17)]


COLOUR_SCALE, SIGNED_SCALE = _for_plotly(SEQUENTIAL_TABLE), _for_plotly(DIVERGING_TABLE)


def colour(maps: np.ndarray, low: float, high: float, signed: bool = False) -> np.ndarray:
    """Colour maps (..., H, W) as uint8 RGB (..., H, W, 3) between low and high, on the diverging
    scale if `signed`.
    """
    share = np.clip((maps - low) / max(high - low, 1e-12), 0, 1)
    return (DIVERGING_TABLE if signed else SEQUENTIAL_TABLE)[
        (np.nan_to_num(share) * 255).round().astype(np.uint8)
    ]


def colour_range(maps: np.ndarray, signed: bool = False) -> tuple[float, float]:
    """Return limits for maps that are compared: the 1% and 99% quantiles of the pixels, symmetric
    around 0 if signed.
    """
    low, high = np.nanquantile(maps, [0.01, 0.99])
    reach = max(abs(low), abs(high))
    return (-float(reach), float(reach)) if signed else (float(low), float(high))


def coarse(maps: np.ndarray, most: int = 64) -> np.ndarray:
    """Average maps (..., H, W) over the smallest blocks that leave at most `most` rows
    and columns.
    """
    height, width = maps.shape[-2:]
    block = -(-max(height, width) // most)
    kept = maps[..., : height // block * block, : width // block * block]
    return np.asarray(
        kept.reshape(*maps.shape[:-2], height // block, block, width // block, block).mean((-3, -1))
    )


def framed(pixels: np.ndarray, marked: np.ndarray, width: int = 1) -> np.ndarray:
    """Draw a border around uint8 pictures (N, H, W, 3), in the accent colour where `marked` (N,),
    grey elsewhere.
    """
    tints = np.where(
        marked[:, None, None, None],
        np.array([166, 58, 140], np.uint8),
        np.array([200, 200, 205], np.uint8),
    )
    result = np.broadcast_to(
        tints, (len(pixels), pixels.shape[1] + 2 * width, pixels.shape[2] + 2 * width, 3)
    ).copy()
    result[:, width:-width, width:-width] = pixels
    return result


def rgb(image: object) -> np.ndarray:
    """Return an image tensor (C, H, W) in [-1, 1] as uint8 (H, W, 3)."""
    pixels = to_pixels(image)  # type: ignore[arg-type]
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def enlarge(pixels: np.ndarray, width: int) -> np.ndarray:
    """Repeat pixels by the largest whole factor that stays within `width`."""
    factor = max(1, width // pixels.shape[1])
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def sheet(pictures: np.ndarray, columns: int) -> np.ndarray:
    """Arrange pictures (N, H, W, 3) uint8 in one, row by row."""
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    padded = np.zeros((rows * columns, height, width, 3), np.uint8)
    padded[:count] = pictures
    return (
        padded.reshape(rows, columns, height, width, 3)
        .swapaxes(1, 2)
        .reshape(rows * height, columns * width, 3)
    )


def data_url(pixels: np.ndarray, format: Literal["PNG", "WEBP"] = "PNG") -> str:
    """Encode a uint8 picture without loss; WebP at its fastest takes a quarter of the time of PNG,
    which matters for thousands of pictures.
    """
    stream = io.BytesIO()
    Image.fromarray(pixels).save(
        stream,
        format,
        **({"lossless": True, "quality": 0, "method": 0} if format == "WEBP" else {}),
    )
    return f"data:image/{format.lower()};base64," + base64.b64encode(stream.getvalue()).decode()


def thumbnail(pixels: np.ndarray) -> str:
    """Return a small picture as a data URL, to be enlarged in the browser; larger ones are averaged
    over blocks.
    """
    return data_url(reduced(pixels, THUMBNAIL))


def enlarged(pixels: np.ndarray, width: int = THUMBNAIL) -> str:
    """Return the same enlarged by a whole factor beforehand, for places where the browser would
    smooth it.
    """
    return data_url(enlarge(reduced(pixels, width), width))


def reduced(pixels: np.ndarray, most: int = LARGEST) -> np.ndarray:
    """Average pixels (H, W, 3) over blocks if a side is longer than `most`."""
    if max(pixels.shape[:2]) <= most:
        return pixels
    return (
        np.stack(
            [coarse(pixels[..., channel].astype(np.float64), most) for channel in range(3)], -1
        )
        .round()
        .astype(np.uint8)
    )

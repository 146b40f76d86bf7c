"""Small pictures for the screen: colour maps, whole-factor enlargement, PNG data URLs."""

import base64
import io

import numpy as np
import plotly.colors
from PIL import Image

from memlib.images import to_pixels

SEQUENTIAL = "Magma"  # brighter is more memorised, on every page


def _table(name: str) -> np.ndarray:
    """The colour scale as 256 RGB rows."""
    colours = plotly.colors.sample_colorscale(name, np.linspace(0, 1, 256), colortype="tuple")
    return (np.asarray(colours) * 255).round().astype(np.uint8)


_MAGMA = _table(SEQUENTIAL)
# for Plotly, as rgb(): Streamlit's theme takes some hex colours, Magma's darkest among them, for placeholders of its own
COLOUR_SCALE = [[place / 255, "rgb({},{},{})".format(*_MAGMA[place])] for place in range(0, 256, 17)]


def colour(maps: np.ndarray, low: float, high: float) -> np.ndarray:
    """Maps (..., H, W) as uint8 RGB (..., H, W, 3) on the sequential scale between low and high."""
    share = np.clip((maps - low) / max(high - low, 1e-12), 0, 1)
    return _MAGMA[(np.nan_to_num(share) * 255).round().astype(np.uint8)]


def rgb(image: object) -> np.ndarray:
    """An image tensor (C, H, W) in [-1, 1] as uint8 (H, W, 3)."""
    pixels = to_pixels(image)  # type: ignore[arg-type]
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def grey(pixels: np.ndarray) -> np.ndarray:
    """uint8 RGB without its colours, so that a colour map laid on it can be read."""
    return np.repeat(np.asarray(Image.fromarray(pixels).convert("L"))[..., None], 3, axis=-1)


def enlarge(pixels: np.ndarray, width: int) -> np.ndarray:
    """Repeat pixels by the largest whole factor that stays within `width`."""
    factor = max(1, width // pixels.shape[1])
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def data_url(pixels: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()

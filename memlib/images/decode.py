"""One encoded picture becomes pixels, or a phrase that says why not. Nothing in the file but its
pixels is looked at.

Rotation flags and other EXIF data are not applied, as torchvision does not apply them.
"""

import io
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from memlib.images.transform import Pixels, to_array

SUFFIXES = {
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".svg",
}  # SVG to be refused by name
FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "BMP",
    "GIF",
    "TIFF",
    "PPM",
)  # what Pillow may try, whatever a file is called
LARGEST_FILE = 64 * 2**20  # bytes of one encoded picture
LARGEST_PICTURE = 64 * 2**20  # pixels of one decoded picture


def decode(data: bytes) -> Pixels:
    """An encoded picture as uint8 (1 or 3, H, W), transparency laid on white; ValueError, as a
    phrase about the file, where that fails.
    """
    if len(data) > LARGEST_FILE:
        raise ValueError(f"is larger than {LARGEST_FILE >> 20} MB")
    if b"<svg" in data[:1024].lower():
        raise ValueError("is an SVG drawing, which has no pixels; save it as a PNG")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Pillow's own warnings about size; the limit below is stricter
            picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > LARGEST_PICTURE:
                raise ValueError(f"is {picture.width} x {picture.height} pixels, too large to open")
            picture.load()
            return _pixels(picture)
    except ValueError as error:
        raise ValueError(
            str(error) if str(error).startswith(("is ", "has ")) else "is damaged or cut off"
        ) from error
    except Image.DecompressionBombError as error:
        raise ValueError("has too many pixels to open") from error
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        raise ValueError(
            "is no picture"
            if isinstance(error, UnidentifiedImageError)
            else "is damaged or cut off"
        ) from error


def _pixels(picture: Image.Image) -> Pixels:
    if (
        picture.mode.startswith("I") or picture.mode == "F"
    ):  # 16-bit grey opens as I;16 or, in old files, I
        values = np.asarray(picture, dtype=np.float64)
        if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise ValueError("has floating-point or 32-bit pixels, whose range is unknown")
        return np.rint(values / 257).astype(np.uint8)[None]
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        return to_array(picture.convert("RGB"))
    return to_array(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))

"""Decoding one picture. Nothing in the file but its pixels is used.

Rotation flags and other EXIF data are not applied, as in torchvision. The work that a file causes
is limited as well as its size. This module does not use torch, since decoder processes import it.
"""

import io
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from memlib.images.transform import Pixels, to_array

RASTER = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
SUFFIXES = RASTER | {".svg"}  # which is refused with its own message
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # whatever a file is called
LARGEST_FILE = 64 * 2**20  # bytes of one encoded picture
LARGEST_PICTURE = 64 * 2**20  # pixels of one decoded picture
MOST_SCANS = 100  # scans of a progressive JPEG; encoders write 10
MOST_WORK = 2**30  # pixels times scans
STRIP = 2**20  # pixels
SCAN = b"\xff\xda"


def decode(data: bytes) -> Pixels:
    """Decode a picture to uint8 (1 or 3, H, W), with transparency laid on white. Raises ValueError
    with a phrase about the file.
    """
    if len(data) > LARGEST_FILE:
        raise ValueError(f"is larger than {LARGEST_FILE >> 20} MB")
    if b"<svg" in data[:1024].lower():
        raise ValueError("is an SVG drawing, which has no pixels; save it as a PNG")
    try:
        with warnings.catch_warnings():
            # Pillow's own warnings about size; the limits below are stricter
            warnings.simplefilter("ignore")
            picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
            pixels = picture.width * picture.height
            if pixels > LARGEST_PICTURE:
                raise ValueError(f"is {picture.width} x {picture.height} pixels, too large to open")
            scans = data.count(SCAN) if data.startswith(b"\xff\xd8") else 1
            if scans > MOST_SCANS or pixels * scans > MOST_WORK:
                raise ValueError(f"is a JPEG of {scans:,} scans, too much work to open")
            picture.load()
            return _pixels(picture)
    except ValueError as error:
        raise ValueError(
            str(error) if str(error).startswith(("is ", "has ")) else "is damaged or cut off"
        ) from error
    except Image.DecompressionBombError as error:
        raise ValueError("has too many pixels to open") from error
    except MemoryError:
        raise ValueError("needs too much memory to open") from None
    except Exception as error:  # Pillow's decoders raise many kinds of errors for damaged files
        raise ValueError(
            "is not a picture"
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
        return to_array(_on_white(picture if picture.mode == "RGBA" else picture.convert("RGBA")))
    return to_array(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))


def _on_white(picture: Image.Image) -> Image.Image:
    """Convert in strips, since every whole copy of the largest picture takes 256 MB."""
    flat = Image.new("RGB", picture.size)
    rows = max(1, STRIP // picture.width)
    for top in range(0, picture.height, rows):
        box = (0, top, picture.width, min(top + rows, picture.height))
        strip = picture.crop(box)
        white = Image.new("RGBA", strip.size, "white")
        flat.paste(Image.alpha_composite(white, strip).convert("RGB"), box)
    return flat

"""Image sets: any folder, archive, array or table of pictures as float32 tensors in [-1, 1], with
ids that do not depend on file names.
"""

from memlib.images.imageset import HELD_OUT, ImageSet, to_pixels, to_unit
from memlib.images.opening import load_images, of_pixels
from memlib.images.transform import Transform

__all__ = [
    "HELD_OUT",
    "ImageSet",
    "Transform",
    "load_images",
    "of_pixels",
    "to_pixels",
    "to_unit",
]

"""Converting pixels, uint8 0..255, to the tensors that models see, float32 in [-1, 1], and back."""

import numpy as np
import torch
from torch import Tensor

from memlib.images.transform import Pixels


def to_unit(pixels: Pixels) -> Tensor:
    """Convert uint8 0..255 to float32 -1..1; float arrays stay as they are."""
    tensor = torch.from_numpy(np.ascontiguousarray(pixels))
    return tensor.float() / 127.5 - 1 if pixels.dtype == np.uint8 else tensor.float()


def to_pixels(images: Tensor) -> Pixels:
    """Convert float -1..1 (..., C, H, W) to uint8 (..., H, W, C), rounded and clipped."""
    return ((images.movedim(-3, -1).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()

"""Pictures of the stochastic sampler, drawn to count how often each training image comes back.

Only the table of their nearest training images is bundled: 16,384 pictures are 50 MB.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from memlib.bundled import DEMO
from memlib.denoisers import Denoiser
from memlib.flow import sample
from memlib.progress import Progress

DRAWS, PART, STEPS = 16_384, 256, 50
DRAWN = DEMO / "draws"


def draw(
    work: Path, denoiser: Denoiser, count: int = DRAWS, progress: Progress | None = None
) -> None:
    """Draw `count` pictures at eta 1 into parts of 256; parts that are there are kept."""
    work.mkdir(parents=True, exist_ok=True)
    for first in range(0, count, PART):
        file = work / f"{first:06d}.safetensors"
        if not file.exists():
            images = sample(denoiser, PART, steps=STEPS, first=first, eta=1.0)
            values = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
            save_file({"images": values}, file.with_suffix(".part"))
            file.with_suffix(".part").rename(file)
        if progress:
            progress(min(first + PART, count), count)


def pictures(work: Path) -> np.ndarray:
    """The pictures drawn so far, (N, C, H, W) uint8, from number 0 on without a gap."""
    parts = []
    for first in range(0, DRAWS, PART):
        file = work / f"{first:06d}.safetensors"
        if not file.exists():
            break
        parts.append(load_file(file)["images"])
    return np.concatenate(parts)

"""Suspected copies, told from generated images alone: what a model draws again and again, and
sharply.
"""

import pandas as pd
import torch
from torch import Tensor

from memlib.extraction.seeking.found import Found
from memlib.images import ImageSet
from memlib.neighbours import NEAR_DUPLICATE

BLOCK = 256  # images compared together


def suspects(images: ImageSet | Tensor, radius: float = NEAR_DUPLICATE) -> pd.DataFrame:
    """Return a line for each group of generated images (N, C, H, W) that are nearly equal, the most
    suspected first; no training image is needed.

    `times` is how many of them the group has, and `spread` how far they are from their mean, as a
    root mean square over all of them that counts one image less than there are; it is NaN for one
    image alone. `number` is the place of the image nearest to the mean. A model that does not
    memorise rarely draws the same image twice, so that groups come in the order of their times, and
    among equal ones the sharper first.
    """
    found, labels = Found(tuple(images[0].shape), radius), []
    for start in range(0, len(images), BLOCK):
        labels.append(found.add(_block(images, start)))
    label = torch.cat(labels) if labels else torch.zeros(0, dtype=torch.long)
    mean = torch.zeros_like(found.images)
    for start, group in zip(range(0, len(images), BLOCK), labels, strict=True):
        mean.index_add_(0, group, _block(images, start))
    mean /= found.times.view(-1, 1, 1, 1)
    away = torch.cat(
        [
            (_block(images, start) - mean[group]).square().mean((1, 2, 3))
            for start, group in zip(range(0, len(images), BLOCK), labels, strict=True)
        ]
    )
    total = torch.zeros(len(found)).index_add_(0, label, away)
    spread = (total / (found.times - 1)).sqrt()
    order = torch.argsort(away)
    first = torch.full((len(found),), len(images)).scatter_reduce(
        0, label[order], torch.arange(len(order)), "amin"
    )
    table = pd.DataFrame(
        {
            "number": order[first].numpy(),
            "times": found.times.numpy(),
            "spread": spread.where(found.times > 1, torch.nan).numpy(),
        }
    )
    return table.sort_values(["times", "spread"], ascending=[False, True], ignore_index=True)


def _block(images: ImageSet | Tensor, start: int) -> Tensor:
    stop = min(len(images), start + BLOCK)
    if isinstance(images, Tensor):
        return images[start:stop].float()
    return images.batch(range(start, stop))

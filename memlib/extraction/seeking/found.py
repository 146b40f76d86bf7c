"""What a model has drawn so far, in groups of nearly equal images."""

import torch
from torch import Tensor

from memlib.neighbours import NEAR_DUPLICATE, nearest


class Found:
    """Images drawn so far: the first of each group, `images` (F, C, H, W), and how many of the
    group were drawn, `times` (F,). An image within `radius` (root mean square) of a first one joins
    the nearest such group, so that a group does not grow beyond that.
    """

    def __init__(self, shape: tuple[int, ...], radius: float = NEAR_DUPLICATE) -> None:
        self.radius = radius
        self.images = torch.zeros(0, *shape)
        self.times = torch.zeros(0, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.images)

    def place(self, images: Tensor) -> Tensor:
        """Return the group of each image (B, C, H, W), -1 for none, (B,)."""
        if not len(self):
            return torch.full((len(images),), -1)
        found = nearest(images, self.images, 1)
        return torch.where(found.distance[:, 0] <= self.radius, found.index[:, 0], -1)

    def add(self, images: Tensor) -> Tensor:
        """Take images in, one after another; return the group of each, (B,)."""
        group = self.place(images)
        alone = torch.nonzero(group < 0)[:, 0].tolist()
        flat = images[alone].flatten(1)
        apart = torch.cdist(flat, flat) / max(1, flat.shape[1]) ** 0.5
        begun: list[int] = []  # those of `alone` that are the first of a new group
        for i, which in enumerate(alone):
            nearest_one = int(apart[i, begun].argmin()) if begun else 0
            if not begun or apart[i, begun[nearest_one]] > self.radius:
                nearest_one = len(begun)
                begun.append(i)
            group[which] = len(self) + nearest_one
        self.images = torch.cat([self.images, images[[alone[i] for i in begun]]])
        counted = torch.bincount(group, minlength=len(self))
        counted[: len(self.times)] += self.times
        self.times = counted
        return group

"""A residual classifier conditioned on the noise level: p(c | y, sigma).

Blocks are those of ResNet with the paper's time module after the first norm (SIDE, Fig. 9): the
level's embedding goes through group norm, SiLU and a linear layer to a scale and a shift of the
features. The network sees y / sqrt(1 + sigma^2), which has unit scale at every level, and ln sigma.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

EMBEDDING = 64


class TimeModule(nn.Module):
    """Scales and shifts features (B, C, H, W) by a level's embedding (B, E)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.GroupNorm(8, EMBEDDING), nn.Linear(EMBEDDING, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, level: Tensor) -> Tensor:
        scale, shift = self.linear(nn.functional.silu(self.norm(level)))[:, :, None, None].chunk(
            2, 1
        )
        out: Tensor = features * (1 + scale) + shift
        return out


class Block(nn.Module):
    """conv, norm, time module, ReLU, conv, norm, add, ReLU."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = (
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.time = TimeModule(after)
        self.conv2, self.norm2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.skip = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        h = relu(self.time(self.norm1(self.conv1(x)), level))
        return relu(self.norm2(self.conv2(h)) + self.skip(x))


class TimeResNet(nn.Module):
    """Logits (B, classes) of y (B, C, H, W) at noise level sigma, a float or (B,).

    `blocks` is the number of blocks per stage and `width` the channels of the first stage, doubled
    with every stage, whose first block halves the resolution. `knows_level=False` makes the usual
    classifier, which treats every input as clean.
    """

    LAYOUTS: ClassVar[dict[str, tuple[tuple[int, ...], int]]] = {
        "narrow": ((1, 1, 1, 1), 16),
        "resnet34": ((3, 4, 6, 3), 64),
    }

    def __init__(
        self,
        channels: int,
        classes: int,
        blocks: tuple[int, ...] = (1, 1, 1, 1),
        width: int = 16,
        knows_level: bool = True,
    ) -> None:
        super().__init__()
        self.knows_level = knows_level
        self.stem, self.norm = (
            nn.Conv2d(channels, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        stages, before = [], width
        for stage, count in enumerate(blocks):
            after = width * 2**stage
            for place in range(count):
                stages.append(Block(before, after, 2 if place == 0 and stage > 0 else 1))
                before = after
        self.blocks = nn.ModuleList(stages)
        self.head = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.contiguous(
                    memory_format=torch.channels_last
                )

    def forward(self, y: Tensor, sigma: float | Tensor) -> Tensor:
        y = y.to(self.head.weight.dtype)
        level = torch.as_tensor(sigma, dtype=y.dtype, device=y.device).expand(len(y))
        x = (y / (1 + level**2).sqrt()[:, None, None, None]).contiguous(
            memory_format=torch.channels_last
        )
        if not self.knows_level:
            level = torch.ones_like(level)
        code = self._embed(level)
        x = relu(self.norm(self.stem(x)))
        for block in self.blocks:
            x = block(x, code)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits

    @staticmethod
    def _embed(level: Tensor) -> Tensor:
        """Return sines and cosines of ln sigma, slow enough to order the whole range, fast enough
        to distinguish neighbouring levels.
        """
        frequency = torch.logspace(
            math.log10(0.3), math.log10(8), EMBEDDING // 2, dtype=level.dtype, device=level.device
        )
        phase = level.log()[:, None] * frequency
        return torch.cat([phase.sin(), phase.cos()], 1)

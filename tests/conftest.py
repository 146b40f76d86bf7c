"""Shared fixtures: a tiny random U-Net saved by diffusers, small mixtures with every kind of
covariance.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from memlib import GaussianMixture


def tiny_unet(
    channels: int = 3, size: int = 8, seed: int = 0, **options: Any
) -> diffusers.UNet2DModel:
    torch.manual_seed(seed)
    usual = {
        "sample_size": size,
        "in_channels": channels,
        "out_channels": channels,
        "layers_per_block": 1,
        "block_out_channels": (8, 16),
        "norm_num_groups": 4,
        "attention_head_dim": 8,
        "down_block_types": ("DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D"),
    }
    return diffusers.UNet2DModel(**(usual | options))


@pytest.fixture
def save_model(tmp_path: Path) -> Callable[..., Path]:
    """Save a tiny pipeline as diffusers does: save_model(scheduler, name=...) -> folder."""

    def save(
        scheduler: diffusers.SchedulerMixin,
        name: str = "model",
        unet: diffusers.UNet2DModel | None = None,
    ) -> Path:
        folder = tmp_path / name
        (unet or tiny_unet()).save_pretrained(folder / "unet")
        scheduler.save_pretrained(folder / "scheduler")
        return folder

    return save


@pytest.fixture
def mixture() -> GaussianMixture:
    """Three components with full covariances in d = 12, float64."""
    draw = torch.Generator().manual_seed(3)
    means = torch.randn(3, 3, 2, 2, generator=draw, dtype=torch.float64)
    roots = torch.randn(3, 12, 12, generator=draw, dtype=torch.float64) * 0.3
    return GaussianMixture(
        means,
        roots @ roots.mT + 0.05 * torch.eye(12, dtype=torch.float64),
        torch.tensor([0.5, 0.3, 0.2]),
    )

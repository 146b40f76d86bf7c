"""What every measure returns, and the arithmetic on it that no measure needs of its own."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

Row = dict[str, Any]  # numbers and arrays a measure keeps of one image


@dataclass(frozen=True)
class Result:
    """A measure of B images. Tensors are on the CPU.

    `draws` (B, n, parts) holds what each of n independent random draws says of each independent
    part of the value: value = draws.mean(1).sum(-1) up to rounding. Draws are shared by all images
    and models, so the standard error of a difference comes from the difference of the draws, where
    the shared part cancels.
    """

    value: Tensor  # (B,)
    stderr: Tensor  # (B,) NaN where a single draw tells nothing of it
    map: Tensor | None  # (B, H, W), sums to the value
    draws: Tensor | None  # (B, n, parts)
    evaluations: int  # network forwards an image

    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "map", "draws")

    @property
    def heatmap(self) -> Tensor | None:
        return self.map

    def row(self, index: int) -> Row:
        """What is kept of one image: numbers as float, the rest as arrays."""
        row: Row = {}
        for name in self.kept:
            values = getattr(self, name)
            if values is not None:
                row[name] = (
                    float(values[index]) if values.ndim == 1 else values[index].numpy().copy()
                )
        return row


def standard_error(draws: Tensor) -> Tensor:
    """Standard error (B,) of draws.mean(1).sum(-1): the square root of sum over parts of var / n;
    NaN for one draw.
    """
    if draws.shape[1] < 2:
        return torch.full((len(draws),), math.nan)
    return (draws.double().var(1) / draws.shape[1]).sum(-1).sqrt().float()


def difference(row: Mapping[str, Any], reference: Mapping[str, Any]) -> Row:
    """The row of a model minus the row of a reference model for the same image, parameters and
    seed.

    Numbers and maps are subtracted. The standard error is that of the difference of the draws where
    they are kept; other standard errors are added in quadrature, an upper bound where shared draws
    err alike.
    """
    result: Row = {
        name: np.hypot(value, reference[name]) if "stderr" in name else value - reference[name]
        for name, value in row.items()
    }
    if "draws" in result and row["stderr"]:
        result["stderr"] = float(
            standard_error(torch.from_numpy(np.asarray(result["draws"]))[None])
        )
    return result

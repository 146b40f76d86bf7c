"""The result that every measure returns, and the arithmetic shared by all measures."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

Row = dict[str, Any]  # the numbers and arrays of one image that a measure keeps


@dataclass(frozen=True)
class Result:
    """A measure of B images. Tensors are on the CPU.

    `draws` (B, n, parts) are the estimates of each independent part of the value from each of n
    independent random draws: value = draws.mean(1).sum(-1) up to rounding. Draws are shared by all
    images and models, so the standard error of a difference comes from the difference of the draws,
    where the shared part cancels.
    """

    value: Tensor  # (B,)
    stderr: Tensor  # (B,) NaN if there is a single draw
    map: Tensor | None  # (B, H, W), sums to the value, or to what `mapped` names
    draws: Tensor | None  # (B, n, parts)
    evaluations: int  # network forwards an image

    mapped: ClassVar[str] = "value"  # what the map sums to
    kept: ClassVar[tuple[str, ...]] = ("value", "stderr", "map", "draws")

    @property
    def heatmap(self) -> Tensor | None:
        return self.map

    @property
    def degrees(self) -> Tensor:
        """Degrees of freedom of `stderr`, of its shape; NaN if the draws do not determine them."""
        if self.draws is None:
            return torch.full_like(self.stderr, math.nan, dtype=torch.float64)
        return degrees_of_freedom(self.draws)

    @property
    def interval(self) -> tuple[Tensor, Tensor]:
        """The ends of the 95% interval of `value`, by Student's t; NaN where `stderr` is NaN."""
        half = half_width(self.stderr.numpy(), self.degrees.numpy())
        return self.value - torch.as_tensor(half), self.value + torch.as_tensor(half)

    def row(self, index: int) -> Row:
        """Return the row of one image: numbers as float, the rest as arrays."""
        row: Row = {}
        for name in self.kept:
            values = getattr(self, name)
            if values is not None:
                row[name] = (
                    float(values[index]) if values.ndim == 1 else values[index].numpy().copy()
                )
        return row


def standard_error(draws: Tensor) -> Tensor:
    """Return the standard error (B,) of draws.mean(1).sum(-1): the square root of the sum over
    parts of var / n; NaN for one draw.
    """
    if draws.shape[1] < 2:
        return torch.full((len(draws),), math.nan)
    return (draws.double().var(1) / draws.shape[1]).sum(-1).sqrt().float()


def degrees_of_freedom(draws: Tensor) -> Tensor:
    """Return the degrees of freedom (...) of `standard_error` of draws (..., n, parts), after Welch
    and Satterthwaite: (n - 1) (sum of variances)^2 / sum of variances^2, over the parts.

    They lie between n - 1 and (n - 1) parts. Sampling error of the variances makes them too small
    on average, so intervals are slightly too wide. NaN for one draw.
    """
    count = draws.shape[-2]
    if count < 2:
        return torch.full(draws.shape[:-2], math.nan, dtype=torch.float64)
    variance = draws.double().var(-2)
    share = variance.sum(-1).square() / variance.square().sum(-1)
    return (count - 1) * share.nan_to_num(1.0).clamp(min=1)


def half_width(stderr: Any, degrees: Any, confidence: float = 0.95) -> np.ndarray:
    """Return half the width of the interval of a value whose standard error has these degrees of
    freedom, by Student's t; 0 if the standard error is 0, NaN if it is unknown.
    """
    error = np.asarray(stderr, dtype=np.float64)
    quantile = student.ppf((1 + confidence) / 2, np.maximum(degrees, 1))
    return np.where(error == 0, 0.0, error * quantile)


def interval(
    row: Mapping[str, Any], degrees: float, column: str = "value", error: str = "stderr"
) -> tuple[float, float]:
    """Return the ends of the 95% interval of one number of a row; NaN if its error is unknown.

    `degrees` are those of the settings; if the row has its draws, these determine them. If the
    measure keeps the ends of its own interval, `low` and `high`, these are returned.
    """
    if column == "value" and {"low", "high"} <= row.keys():
        return float(row["low"]), float(row["high"])
    if column == "value" and row.get("draws") is not None:
        draws = torch.tensor(np.asarray(row["draws"]))
        told = float(degrees_of_freedom(draws))
        degrees = degrees if math.isnan(told) else told
    half = float(half_width(row[error], degrees))
    return float(row[column]) - half, float(row[column]) + half


def difference(row: Mapping[str, Any], reference: Mapping[str, Any]) -> Row:
    """Subtract the row of a reference model from the row of a model for the same image, parameters
    and seed.

    Numbers and maps that both rows have are subtracted. Where draws are kept, under "draws" and
    names like "draws_1.5", the standard error of that name is that of their differences: seeds are
    shared, so common errors cancel. Other standard errors are added in quadrature, an upper bound.
    """
    result: Row = {
        name: np.hypot(value, reference[name]) if "stderr" in name else value - reference[name]
        for name, value in row.items()
        if name in reference
    }
    kept = [name for name in result if name.startswith("draws")]
    if kept:
        apart = standard_error(torch.from_numpy(np.stack([result[name] for name in kept])))
        for name, error in zip(kept, apart.tolist(), strict=True):
            exact = "stderr" + name.removeprefix("draws")
            if row[exact]:
                result[exact] = error
    return result

"""What a network is told beside the noisy image: nothing, a class, or a prompt.

A condition makes another denoiser of the same weights. So does classifier-free guidance, which is a
sum of conditions with weights: eps_0 + w (eps_c - eps_0) has the weights w and 1 - w. Since noise
and denoised image are affine in the network's output F, the same sum may be taken of F.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from memlib.quoting import quoted

LARGEST_SCALE = 100.0
Arguments = Mapping[str, Any]  # tensors (1, ...) by name, or mappings of them


@dataclass(frozen=True)
class Condition:
    """The arguments of a network's forward for one image, on the CPU."""

    arguments: Arguments = field(default_factory=dict)

    def told(
        self, count: int, device: torch.device, precision: torch.dtype | None = None
    ) -> dict[str, Any]:
        """Return the arguments for `count` images on a device; numbers in `precision`."""
        return _expanded(self.arguments, count, device, precision)


Conditions = tuple[tuple[Condition, float], ...]  # with weights, whose sum is 1
NOTHING: Conditions = ((Condition(), 1.0),)


def of_class(label: int | None) -> Conditions:
    """Return the condition of one class; of nothing if it is None."""
    if label is None:
        return NOTHING
    return ((Condition({"class_labels": torch.tensor([label])}), 1.0),)


def guided(condition: Condition, null: Condition, scale: float | None) -> Conditions:
    """Return eps_0 + w (eps_c - eps_0) as conditions with weights; None is w = 1, no guidance."""
    if scale is None or scale == 1:
        return ((condition, 1.0),)
    return ((condition, scale), (null, 1.0 - scale))


def check_scale(scale: float | None) -> float | None:
    """Return the guidance scale w, or None for none. Raises ValueError if it is not allowed."""
    if scale is None:
        return None
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not math.isfinite(scale):
        raise ValueError(f"The guidance scale must be a number, not {quoted(scale, 40)}.")
    if not 0 <= scale <= LARGEST_SCALE:
        raise ValueError(
            f"The guidance scale must be from 0 to {LARGEST_SCALE:g}, not {quoted(scale, 40)}."
        )
    return None if scale == 1 else float(scale)


def digest_with(weights: str, prompt: str, scale: float | None) -> str:
    """Return the digest of weights with a prompt: that of the weights alone without one."""
    if not prompt:
        return weights
    told = json.dumps([weights, prompt, scale])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _expanded(
    arguments: Arguments, count: int, device: torch.device, precision: torch.dtype | None
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        if isinstance(value, Tensor):
            kind = precision if value.is_floating_point() else None
            found[name] = value.to(device, kind).expand(count, *value.shape[1:])
        else:
            found[name] = _expanded(value, count, device, precision)
    return found

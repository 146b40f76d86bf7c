"""What two denoisers predict differently, and products of its Jacobian with vectors."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from memlib.denoisers.base import Denoiser

ATTENTION = 2**24  # weights of attention for one head and pass: one latent of 64 x 64 at a time


class _Contiguous(TorchFunctionMode):
    """Group norms have a forward mode only for tensors in the usual order in memory."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is torch.nn.functional.group_norm:
            args = (args[0].contiguous(), *args[1:])
        return func(*args, **(kwargs or {}))


def apart(denoiser: Denoiser, other: Denoiser, y: Tensor, sigma: float) -> Tensor:
    """Return d eps, the noise that the first predicts at y minus that of the other."""
    return denoiser.noise(y, sigma) - other.noise(y, sigma)


def along(denoiser: Denoiser, other: Denoiser, y: Tensor, sigma: float, v: Tensor) -> Tensor:
    """Return (d (d eps) / dy) v of vectors v (B, C, H, W), exactly, in forward mode: two passes,
    each the cost of two forwards.

    Attention has a forward mode only in its plain form, which stores all its weights, so that few
    latents pass at a time.
    """
    parts, step = [], max(1, ATTENTION // (y.shape[-2] * y.shape[-1]) ** 2)
    for point, direction in zip(torch.split(y, step), torch.split(v, step), strict=True):
        with sdpa_kernel(SDPBackend.MATH), _Contiguous(), forward_ad.dual_level():
            dual = forward_ad.make_dual(point, direction)  # type: ignore[no-untyped-call]
            both = apart(denoiser, other, dual, sigma)
            parts.append(forward_ad.unpack_dual(both).tangent)  # type: ignore[no-untyped-call]
    return torch.cat(parts)

"""The cost of a forward, estimated before it is run: only shapes pass through the network, on
torch's meta device, which computes and stores nothing.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from memlib.denoisers.condition import Condition
from memlib.quoting import first_line

# of one forward, with a latent's way to a picture and back: minutes on a CPU. Stable Diffusion XL,
# the largest model that is supported, takes 2.2e13
MOST_OPERATIONS = 3e13
# numbers in one of its tensors: 2 GiB. Attention is counted as if its weights were stored; those of
# Stable Diffusion 2 would be 1.6 GiB
LARGEST_TENSOR = 2**29


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the number of elements of the largest tensor."""

    numbers = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
        self.numbers = max(self.numbers, *sizes, 0)
        return found


def check_work(name: str, *forwards: Callable[[], object]) -> None:
    """Refuse forwards, run on the meta device, that would take too long or too much memory on a
    real one.

    Raises ValueError if they take more than `MOST_OPERATIONS` floating-point operations in all, if
    one of their tensors has more than `LARGEST_TENSOR` numbers, and if they fail: what cannot be
    estimated is not run.
    """
    counter, largest = FlopCounterMode(display=False), _Largest()  # type: ignore[no-untyped-call]
    try:
        with torch.device("meta"), torch.no_grad(), counter, largest:
            for forward in forwards:
                forward()
    except Exception as error:  # a network that cannot draw its own size raises many kinds
        raise ValueError(
            f"The network of {name} fails on an image of its own size: {first_line(error)}."
        ) from error
    operations = float(counter.get_total_flops())
    if operations > MOST_OPERATIONS:
        raise ValueError(
            f"One forward of the network of {name} takes about {operations:.1e} operations, more "
            f"than {MOST_OPERATIONS:.0e}; it is too large to be measured."
        )
    if largest.numbers > LARGEST_TENSOR:
        raise ValueError(
            f"One forward of the network of {name} needs {largest.numbers:,} numbers in one "
            f"tensor, more than {LARGEST_TENSOR:,}; it is too large to be measured."
        )


def network_forward(
    network: Any, shape: tuple[int, ...], condition: Condition
) -> Callable[[], Any]:
    """Return a forward of one image (C, H, W) through another network of the same config."""

    def forward() -> object:
        y, time = torch.zeros(1, *shape), torch.zeros(1)
        told = condition.told(1, torch.device("meta"))
        return _another(network)(y, timestep=time, **told, return_dict=False)

    return forward


def autoencoder_forward(
    network: Any, latent: tuple[int, ...], picture: tuple[int, ...]
) -> Callable[[], Any]:
    """Return the encoding of one picture (C, H, W) to its latent (c, h, w) and back, in the same
    way.
    """

    def forward() -> object:
        another = _another(network)
        return another.encode(torch.zeros(1, *picture)), another.decode(torch.zeros(1, *latent))

    return forward


def _another(network: Any) -> Any:
    return type(network).from_config(dict(network.config)).eval()

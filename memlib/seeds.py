"""Random draws that depend only on their key, never on the batch in which they are drawn."""

import numpy as np
import torch
from torch import Tensor


def generator(*key: int) -> torch.Generator:
    """Return a CPU generator for a key such as (seed, step) or (seed, image index); equal keys give
    equal draws.
    """
    state = np.random.SeedSequence([len(key), *(k & 0xFFFFFFFF for k in key)]).generate_state(2)
    return torch.Generator().manual_seed(int(state[0]) << 32 | int(state[1]))


def rademacher(shape: tuple[int, ...], *key: int) -> Tensor:
    """Draw independent signs +1 or -1, float32."""
    return torch.randint(0, 2, shape, generator=generator(*key)).float() * 2 - 1

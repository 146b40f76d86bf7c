"""What a guidance step costs on a device, in network forwards."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from memlib.denoisers import Denoiser
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.generations import PART

REPEATS = 7
_measured: dict[tuple[object, ...], float] = {}


def guidance_cost(denoiser: Denoiser, surrogate: Mapping[str, Any]) -> float:
    """Measure the time of one gradient of the surrogate's classifier over that of one forward of
    the network, both for a part of 64 images.

    `surrogate` is its description, as a run's manifest has it. A classifier of the same size with
    random weights is timed, alternately with the network; the median of seven ratios is kept for
    the model, the classifier and the device.
    """
    layout, classes = surrogate["settings"]["layout"], len(surrogate["kept"])
    key = (denoiser.digest, str(denoiser.device), layout, classes)
    if key not in _measured:
        blocks, width = TimeResNet.LAYOUTS[layout]
        network = TimeResNet(denoiser.shape[0], classes, blocks, width)
        network = network.to(denoiser.device).eval().requires_grad_(False)
        images = torch.zeros(PART, *denoiser.shape, device=denoiser.device)

        def guide() -> None:
            with torch.enable_grad():
                y = images.clone().requires_grad_()
                torch.autograd.grad(network(y, 1.0).log_softmax(1)[:, 0].sum(), y)

        def forward() -> None:
            with torch.no_grad():
                denoiser(images, 1.0)

        ratios = [_seconds(guide) / _seconds(forward) for _ in range(REPEATS + 1)]
        _measured[key] = statistics.median(ratios[1:])  # the first pair warms up
    return _measured[key]


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start

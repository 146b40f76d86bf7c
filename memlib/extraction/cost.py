"""The cost of guidance and of training its classifier on a device, in network forwards."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from memlib.denoisers import Denoiser
from memlib.extraction.classifier import TimeResNet
from memlib.extraction.training import BATCH

REPEATS = 5
Ratios = tuple[float, float]  # times of a guidance step and of an update, relative to a forward
_measured: dict[tuple[object, ...], Ratios] = {}


def guidance_cost(denoiser: Denoiser, surrogate: Mapping[str, Any]) -> float:
    """Measure the time of one gradient of the surrogate's classifier relative to one forward of the
    network, both for 64 images.

    `surrogate` is its description in a run's manifest. A classifier of the same size with random
    weights is timed, alternately with the network; the median of five ratios is kept for the model,
    the classifier and the device.
    """
    return _ratios(denoiser, surrogate)[0]


def fitting_cost(denoiser: Denoiser, surrogate: Mapping[str, Any]) -> float:
    """Return the cost of a surrogate beyond drawing its images, in network forwards of one image:

        N (one forward describes an image) + updates * 64 * time(update) / time(forward)

    An update of the classifier (forward, backward and AdamW, 64 images) is timed like a guidance
    step. A distilled surrogate trains two classifiers, and each evaluation of the first is charged
    like a guidance step, which takes longer. Features that do not come from the model are not
    charged.
    """
    settings = surrogate["settings"]
    guidance, update = _ratios(denoiser, surrogate)
    if settings["kind"] == "distilled":
        update = 2 * update + guidance
    described = settings["generated"] if settings["features"] == "denoiser" else 0
    return float(described + settings["updates"] * BATCH * update)


def _guidance(classifier: TimeResNet, images: Tensor) -> Callable[[], None]:
    classifier.eval().requires_grad_(False)

    def step() -> None:
        y = images.clone().requires_grad_()
        torch.autograd.grad(classifier(y, 1.0).log_softmax(1)[:, 0].sum(), y)

    return step


def _training(classifier: TimeResNet, images: Tensor) -> Callable[[], None]:
    optimiser = torch.optim.AdamW(classifier.parameters(), fused=images.device.type != "mps")
    level = torch.ones(len(images), device=images.device)
    target = torch.zeros(len(images), dtype=torch.long, device=images.device)

    def update() -> None:
        optimiser.zero_grad()
        cross_entropy(classifier(images, level), target).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return update


def _ratios(denoiser: Denoiser, surrogate: Mapping[str, Any]) -> Ratios:
    layout, classes = surrogate["settings"]["layout"], len(surrogate["kept"])
    key = (denoiser.digest, str(denoiser.device), layout, classes)
    if key not in _measured:
        blocks, width = TimeResNet.LAYOUTS[layout]
        images = torch.zeros(BATCH, *denoiser.shape, device=denoiser.device)

        def forward() -> None:
            with torch.no_grad():
                denoiser(images, 1.0)

        with torch.enable_grad():
            works = [
                work(
                    TimeResNet(denoiser.shape[0], classes, blocks, width).to(images.device), images
                )
                for work in (_guidance, _training)
            ]
            times = [
                [_seconds(each) for each in (*works, forward)] for _ in range(REPEATS + 1)
            ]  # the first round warms up
        guided, trained, passed = zip(*times[1:], strict=True)
        guidance, update = (
            statistics.median(one / other for one, other in zip(work, passed, strict=True))
            for work in (guided, trained)
        )
        _measured[key] = guidance, update
    return _measured[key]


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start

"""What the library adds to the bare network forwards, as a ratio to a floor measured in the same run."""

import time
from collections.abc import Callable

import pytest
import torch

from memlib import load_denoiser, load_images, sample, volume_growth

pytestmark = pytest.mark.slow


def interleaved(first: Callable[[], None], second: Callable[[], None], rounds: int) -> tuple[float, float]:
    """The best time of each, tried in turn, so that a slow spell of the machine meets both."""
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for place, work in enumerate((first, second)):
            started = time.perf_counter()
            work()
            best[place] = min(best[place], time.perf_counter() - started)
    return best[0], best[1]


def bare_forward(batch: int) -> Callable[[], None]:
    network = load_denoiser("demo", "cpu").network
    x = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    t = torch.full((batch,), 500.0)

    def forward() -> None:
        with torch.no_grad():
            network(x, t, return_dict=False)

    forward()
    return forward


def test_volume_growth_costs_its_forwards(record_property: Callable[[str, object], None]) -> None:
    denoiser, images = load_denoiser("demo", "cpu"), load_images("demo").batch(range(16))
    forward = bare_forward(48)  # 16 images and their 2 displaced copies
    measured, floor = interleaved(
        lambda: volume_growth(denoiser, images, steps=4, probes=2) and None, lambda: [forward() for _ in range(5)] and None, 5
    )
    record_property("ratio", measured / floor)
    print(f"volume_growth: {measured / floor:.3f} of its bare forwards")
    assert measured / floor < 1.10


def test_sampling_costs_its_forwards(record_property: Callable[[str, object], None]) -> None:
    denoiser = load_denoiser("demo", "cpu")
    forward = bare_forward(64)
    measured, floor = interleaved(lambda: sample(denoiser, 64, steps=6) is None, lambda: [forward() for _ in range(6)] and None, 5)
    record_property("ratio", measured / floor)
    print(f"sample: {measured / floor:.3f} of its bare forwards, {64 / measured * 6 / 50:.2f} samples a second at 50 steps")
    assert measured / floor < 1.05

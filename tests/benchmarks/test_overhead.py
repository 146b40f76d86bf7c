"""What the library adds to the bare network forwards, as a ratio to a floor measured in the same
run.
"""

import resource
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from memlib import (
    frame_growth,
    load_denoiser,
    load_images,
    nearest,
    p_laplace,
    reproduction_rate,
    sample,
    volume_growth,
)
from memlib.bundled import DEMO
from memlib.extraction import load_surrogate

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def ratio_to_floor(
    work: Callable[[], object],
    floor: Callable[[], object],
    limit: float,
    least: int = 6,
    most: int = 40,
) -> tuple[float, float]:
    """A quick time of `work` over a quick time of `floor`, and the former in seconds.

    Both are tried in turn, in short pieces, so that a slow spell of the machine meets both. A quick
    time is the lower quartile of all tries: slow spells do not move it, and neither does one
    lucky moment of the floor alone. It only settles with enough quiet moments, so tries go on
    while the ratio is above the limit: work that is really slower stays above it.
    """
    times: list[list[float]] = [[], []]
    for tries in range(most):
        for place, part in enumerate((work, floor)):
            started = time.perf_counter()
            part()
            times[place].append(time.perf_counter() - started)
        quick, bare = np.quantile(times, 0.25, axis=1).tolist()
        if tries + 1 >= least and quick / bare < limit:
            break
    return quick / bare, quick


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
    ratio, _ = ratio_to_floor(
        lambda: volume_growth(denoiser, images, steps=2, probes=2),
        lambda: [forward() for _ in range(3)],
        1.10,
    )
    record_property("ratio", ratio)
    print(f"volume_growth: {ratio:.3f} of its bare forwards")
    assert ratio < 1.10


def test_frame_growth_costs_its_forwards(record_property: Callable[[str, object], None]) -> None:
    """The paper's hundred directions around one image: QR and float64 differences beside 101
    forwards a step.
    """
    denoiser, images = load_denoiser("demo", "cpu"), load_images("demo").batch([0])
    full, rest = bare_forward(64), bare_forward(37)  # the adapter's chunks of 101
    ratio, _ = ratio_to_floor(
        lambda: frame_growth(denoiser, images, steps=1), lambda: (full(), rest()), 1.25
    )
    record_property("ratio", ratio)
    print(f"frame_growth: {ratio:.3f} of its bare forwards")
    assert ratio < 1.25


def test_p_laplace_costs_its_forwards_and_further_p_and_maps_next_to_nothing(
    record_property: Callable[[str, object], None],
) -> None:
    denoiser, images = load_denoiser("demo", "cpu"), load_images("demo").batch(range(8))
    forward = bare_forward(64)
    several = {"p": (1.0, 1.5, 2.0, 3.0), "directions": 16, "keep_maps": True}
    ratio, _ = ratio_to_floor(
        lambda: p_laplace(denoiser, images, 0.5, **several),
        lambda: [forward() for _ in range(2)],
        1.10,
    )  # type: ignore[arg-type]
    more, _ = ratio_to_floor(
        lambda: p_laplace(denoiser, images, 0.5, **several),
        lambda: p_laplace(denoiser, images, 0.5, directions=16),
        1.05,
    )  # type: ignore[arg-type]
    record_property("ratio", ratio)
    print(f"p_laplace: {ratio:.3f} of its bare forwards; four p against one: {more:.3f}")
    assert ratio < 1.10
    assert more < 1.05


def test_sampling_costs_its_forwards(record_property: Callable[[str, object], None]) -> None:
    denoiser = load_denoiser("demo", "cpu")
    forward = bare_forward(64)
    ratio, seconds = ratio_to_floor(
        lambda: sample(denoiser, 64, steps=3), lambda: [forward() for _ in range(3)], 1.05
    )
    record_property("ratio", ratio)
    print(
        f"sample: {ratio:.3f} of its bare forwards, {64 / seconds * 3 / 50:.2f} samples a second "
        "at 50 steps"
    )
    assert ratio < 1.05


def test_a_reproduction_rate_costs_its_forwards(
    record_property: Callable[[str, object], None],
) -> None:
    denoiser, image = load_denoiser("demo", "cpu"), load_images("demo").batch([0])
    some, all_paths = bare_forward(16), bare_forward(48)

    def floor() -> None:
        for _ in range(4):
            some()
            all_paths()

    ratio, _ = ratio_to_floor(
        lambda: reproduction_rate(denoiser, image, steps=4, paths=48), floor, 1.05
    )
    record_property("ratio", ratio)
    print(f"reproduction rate: {ratio:.3f} of its bare forwards")
    assert ratio < 1.05


def test_the_nearest_images_cost_their_matrix_product(
    record_property: Callable[[str, object], None],
) -> None:
    """The exact two nearest of 50,000 images of 3 x 32 x 32 for 4,000 queries, against the bare
    product of that size.
    """
    draw = torch.Generator().manual_seed(0)
    images, queries = (torch.rand(n, 3, 32, 32, generator=draw) * 2 - 1 for n in (50_000, 4_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    nearest(queries, images)
    extra = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    flat, table = queries.flatten(1), images.flatten(1)
    product = torch.empty(len(flat), 8192)

    def floor() -> None:
        for start in range(0, len(table), 8192):
            part = table[start : start + 8192]
            torch.mm(flat, part.T, out=product[:, : len(part)])

    ratio, seconds = ratio_to_floor(lambda: nearest(queries, images), floor, 1.3, least=2, most=12)
    record_property("ratio", ratio)
    print(
        f"nearest: {ratio:.3f} of its matrix product, {seconds:.1f} s, {extra / 2**20:.0f} MB "
        "more at its peak"
    )
    assert ratio < 1.3
    assert extra < 2 * 2**30


def test_guided_sampling_costs_the_network_and_the_classifier(
    record_property: Callable[[str, object], None],
) -> None:
    """The classifier's forward and its gradient in the picture are the floor's too, with torch
    alone.
    """
    denoiser = load_denoiser("demo", "cpu")
    surrogate = load_surrogate(DEMO / "extraction" / "side", denoiser)
    forward, classifier = bare_forward(64), surrogate.classifier
    y, clusters = torch.randn(64, 3, 32, 32), torch.zeros(64, dtype=torch.long)

    def floor() -> None:
        for _ in range(3):
            forward()
            x = y.clone().requires_grad_()
            torch.autograd.grad(classifier(x, 1.0).log_softmax(1)[:, 0].sum(), x)

    guidance = surrogate.guidance(clusters, 5.0)
    ratio, _ = ratio_to_floor(lambda: sample(denoiser, 64, steps=3, guidance=guidance), floor, 1.15)
    record_property("ratio", ratio)
    print(f"guided sampling: {ratio:.3f} of network and classifier")
    assert ratio < 1.15

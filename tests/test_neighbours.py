"""Nearest images against brute force, and the copy criterion on a case made by hand."""

import pytest
import torch

from memlib import match_ratio, nearest
from memlib import neighbours as module


def test_nearest_is_brute_force_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 7 * 48)
    draw = torch.Generator().manual_seed(0)
    images, queries = torch.rand(50, 3, 4, 4, generator=draw) * 2 - 1, torch.rand(9, 3, 4, 4, generator=draw) * 2 - 1
    found = nearest(queries, images, k=3)
    distances = (queries[:, None] - images).square().flatten(2).mean(2).sqrt()
    expected, index = distances.topk(3, largest=False)
    torch.testing.assert_close(found.distance, expected)
    assert torch.equal(found.index, index)


def test_an_exact_copy_has_distance_zero_and_ratio_zero() -> None:
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    found = nearest(images, images)
    assert torch.equal(found.index[:, 0], torch.arange(4))
    assert torch.equal(found.distance[:, 0], torch.zeros(4))
    assert torch.equal(match_ratio(found), torch.zeros(4))


def test_the_ratio_is_nearest_over_second_nearest() -> None:
    images = torch.stack([torch.full((1, 2, 2), value) for value in (0.0, 1.0)])
    ratio = match_ratio(nearest(torch.full((1, 1, 2, 2), 0.25), images))
    assert float(ratio) == pytest.approx(0.25 / 0.75)


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="queries"):
        nearest(torch.zeros(1, 3, 4, 4), torch.zeros(5, 1, 4, 4))
    with pytest.raises(ValueError, match="neighbours"):
        nearest(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))

"""Smoothing keeps sums, and the masks of families are what the variants share."""

import numpy as np
import pytest
import torch

from memlib import maps


@pytest.mark.parametrize("width", [1, 3, 5])
def test_smoothing_keeps_the_sum_of_every_map(width: int) -> None:
    heat = np.random.default_rng(0).normal(size=(4, 8, 9))
    smoothed = maps.smooth(heat, width)
    np.testing.assert_allclose(smoothed.sum((1, 2)), heat.sum((1, 2)))
    assert smoothed.std() <= heat.std()
    np.testing.assert_allclose(smoothed[1], maps.smooth(heat[1], width))


def test_the_mask_is_where_all_variants_agree_in_every_channel() -> None:
    variants = torch.zeros(3, 3, 2, 2)
    variants[2, 1, 0, 1] = 0.5
    variants[1, 0, 1, 1] = 0.01
    np.testing.assert_array_equal(maps.agreement(variants), [[True, False], [True, True]])


def test_pixel_auc_is_one_for_the_mask_itself_and_undefined_without_two_kinds() -> None:
    mask = np.array([[True, True], [False, False]])
    assert maps.pixel_auc(mask.astype(float), mask) == 1
    assert maps.pixel_auc(-mask.astype(float), mask) == 0
    assert maps.pixel_auc(np.ones((2, 2)), mask) == 0.5
    assert np.isnan(maps.pixel_auc(np.ones((2, 2)), np.ones((2, 2), bool)))
    heat, within = np.array([[3.0, 0.0], [1.0, 9.0]]), np.array([[True, True], [True, False]])
    assert maps.pixel_auc(heat, mask, within) == 0.5


def test_baselines_prefer_flat_and_typical_pixels() -> None:
    image = torch.zeros(3, 8, 8)
    image[:, :, 4:] = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (3, 8, 4))).float()
    found = maps.baselines(image, torch.zeros(3, 8, 8))
    for heat in found.values():
        assert heat[:, :3].mean() > heat[:, 5:].mean()


def test_families_are_groups_of_equal_names() -> None:
    assert maps.families(["a", "b", "", None, "a", 3]) == {"a": [0, 4]}

"""Smoothing keeps sums, and the masks of families are what the variants share."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from memlib import load_images
from memlib.evidence import maps, masks


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
    for name in ("flatness", "typicality"):
        assert found[name][:, :3].mean() > found[name][:, 5:].mean()
    assert found["edges"][:, :3].mean() < found["edges"][:, 5:].mean()


def test_families_are_groups_of_equal_names() -> None:
    assert maps.families(["a", "b", "", None, "a", 3]) == {"a": [0, 4]}


def test_masks_are_made_of_whole_families_and_every_line_is_about_the_same_images(
    tmp_path: Path,
) -> None:
    lines = ["file_name,family,copies"]
    for index in range(6):
        pixels = np.full((8, 8, 3), 100, np.uint8)
        pixels[:4] = np.random.default_rng(0).integers(0, 90, (4, 8, 3))  # shared
        pixels[4:, :, 0] += 20 * index  # varying
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        lines.append(f"{index}.png,one,{0 if index == 5 else 3}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    images = load_images(tmp_path)
    truth = np.zeros((8, 8))
    truth[:4] = 1
    some = dict.fromkeys(images.ids[:2], truth)  # of one variant and another
    table = masks.family_aucs(
        images, {"right": some, "wrong": {images.ids[0]: -truth, images.ids[4]: truth}}, width=1
    )
    assert table is not None
    scores = table.set_index("map")
    assert (
        scores.loc["right", "images"] == scores.loc["flatness", "images"] == 1
    )  # the one that both have
    assert scores.loc["right", "whole picture"] == 1
    assert scores.loc["wrong", "whole picture"] == 0
    assert masks.family_aucs(images, {"held-out": {images.ids[5]: truth}}) is None


def test_masks_are_read_from_words_and_other_words_are_refused() -> None:
    inside = masks.mask_in_words("in 1 0 3 2", 4, 4)
    assert inside.sum() == 4
    assert inside[1:3, :2].all()
    np.testing.assert_array_equal(masks.mask_in_words("out 1 0 3 2", 4, 4), ~inside)
    assert not masks.mask_in_words("", 4, 4).any()
    with pytest.raises(ValueError, match="'near 1 2 3 4'"):
        masks.mask_in_words("near 1 2 3 4", 4, 4)


def test_the_overlap_is_that_of_the_best_threshold_and_its_interval_counts_clusters() -> None:
    """One image of three is found exactly, the others are wrong by half."""
    truth = np.zeros((4, 4), bool)
    truth[:2] = True
    every = np.ones((4, 4), bool)
    known = [masks.Mask(k, "one" if k < 2 else "two", truth, every) for k in range(3)]
    half = truth.copy()
    half[1] = False
    heats = [one.astype(float) for one in (half, half, truth)]
    line = dict(zip(masks.COLUMNS, masks._line("map", heats, known), strict=True))
    assert (line["images"], line["clusters"]) == (3, 2)
    assert line["IoU"] == pytest.approx(16 / 24, abs=1e-3)
    assert line["inside the drawing"] == pytest.approx((0.75 + 0.75 + 1) / 3, abs=1e-3)
    assert line["low"] == pytest.approx(0.75)  # only the first cluster
    assert (line["high"], line["IoU high"]) == (1, 1)

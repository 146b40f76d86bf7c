"""Nearest images against brute force, and the copy criterion on a case made by hand."""

import pytest
import torch

from memlib import adaptive_ratio, duplicates, match_ratio, nearest
from memlib.neighbours import near_duplicates, search, unrelated_threshold


def test_nearest_is_brute_force_across_blocks_and_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "BLOCK", 7 * 48)
    monkeypatch.setattr(search, "TILE", (4, 3))
    draw = torch.Generator().manual_seed(0)
    images, queries = (
        torch.rand(50, 3, 4, 4, generator=draw) * 2 - 1,
        torch.rand(9, 3, 4, 4, generator=draw) * 2 - 1,
    )
    distances = brute_force(queries, images)
    for mirrored, wanted in (
        (False, distances),
        (True, torch.minimum(distances, brute_force(queries.flip(3), images))),
    ):
        found = nearest(queries, images, k=3, mirrored=mirrored)
        expected, index = wanted.topk(3, largest=False)
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


def brute_force(queries: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return (queries[:, None] - images).square().flatten(2).mean(2).sqrt()


def pictures(n: int, seed: int = 0, size: int = 8) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_smallest_of_cells_are_the_smallest_of_all() -> None:
    values = torch.rand(20, 1000, generator=torch.Generator().manual_seed(0))
    least, places = search._smallest(values, 6)
    torch.testing.assert_close(least.sort(1).values, values.topk(6, largest=False).values)
    assert torch.equal(values.gather(1, places), least)


def test_a_mirrored_copy_is_found_only_where_mirrors_are_asked_for() -> None:
    images = pictures(30)
    queries = images[[4, 9]].clone()
    queries[1] = queries[1].flip(2)
    found = nearest(queries, images, mirrored=True)
    assert found.index[:, 0].tolist() == [4, 9]
    assert found.mirrored[:, 0].tolist() == [False, True]
    assert torch.equal(found.distance[:, 0], torch.zeros(2))
    expected = torch.minimum(
        brute_force(queries, images), brute_force(queries.flip(3), images)
    ).topk(2, largest=False)
    torch.testing.assert_close(found.distance, expected.values)
    assert nearest(queries, images).distance[1, 0] > 0.3


def test_features_are_compared_by_their_cosine() -> None:
    images, queries = pictures(40), pictures(5, 1)
    describe = lambda x: x.mean((2, 3)) + 0.1  # noqa: E731
    one, other = describe(queries), describe(images)
    cosine = (one / one.norm(dim=1, keepdim=True)) @ (other / other.norm(dim=1, keepdim=True)).T
    found = nearest(queries, images, 3, metric=describe)
    torch.testing.assert_close(found.distance, 1 - cosine.topk(3).values, atol=1e-6, rtol=0)


def test_only_the_nearest_of_each_group_counts() -> None:
    """One group holds nearly all images: the search must widen until it has seen a second group."""
    images = pictures(60)
    images[:50] = images[0] + 0.01 * images[:50]
    groups = torch.cat([torch.zeros(50, dtype=torch.long), torch.arange(50, 60)])
    queries = torch.cat([images[:1] + 0.001, images[55:56]])
    found = nearest(queries, images, 3, groups=groups)
    distances = brute_force(queries, images)
    by_group = torch.stack(
        [distances[:, groups == label].amin(1) for label in torch.unique(groups)], 1
    )
    torch.testing.assert_close(found.distance, by_group.sort(1).values[:, :3])
    assert [len(set(groups[row].tolist())) for row in found.index] == [3, 3]


def test_a_copy_of_an_image_with_a_twin_is_called_one_once_twins_are_merged() -> None:
    images = pictures(20)
    images[1] = images[0] + 0.02
    query = images[:1] + 0.005
    groups = duplicates(images)
    assert float(match_ratio(nearest(query, images))) > 1 / 4
    assert float(match_ratio(nearest(query, images, groups=groups))) < 0.02


def test_duplicates_are_the_connected_pairs_of_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "QUERIES", 7)
    images = pictures(40)
    images[17] = images[3] + 0.06
    images[30] = images[17] + 0.06  # a chain: 30 is not within the threshold of 3
    images[39] = images[8]
    images[25] = images[12].flip(2)
    close = brute_force(images, images)
    mirrored = brute_force(images.flip(3), images)
    for flips in (False, True):
        near = (torch.minimum(close, mirrored) if flips else close) <= 0.1
        for _ in range(6):
            near = near.float() @ near.float() > 0
        assert torch.equal(duplicates(images, 0.1, mirrored=flips), near.int().argmax(1))
    assert duplicates(images, 0.1)[[3, 17, 30, 39]].tolist() == [3, 3, 3, 8]
    assert duplicates(images, 0.1, mirrored=True)[25] == 12


def test_the_adaptive_ratio_in_both_centrings_is_its_formula() -> None:
    images, queries = pictures(70), pictures(6, 3)
    found = nearest(queries, images)
    own, among = brute_force(queries, images), brute_force(images, images)
    around = own.topk(50, largest=False).values.mean(1)
    torch.testing.assert_close(
        adaptive_ratio(queries, images, found, center="query"),
        found.distance[:, 0] / (0.5 * around),
    )
    matched = among[found.index[:, 0]].topk(51, largest=False).values[:, 1:].mean(1)
    torch.testing.assert_close(
        adaptive_ratio(queries, images, found), found.distance[:, 0] / (0.5 * matched)
    )
    with pytest.raises(ValueError, match="centre"):
        adaptive_ratio(queries, images, found, center="nowhere")


def test_the_suggested_threshold_is_the_quantile_of_distances_between_unrelated_images() -> None:
    images = pictures(30)
    images[1] = images[0]
    groups = duplicates(images)
    distances = brute_force(images, images)
    distances[groups[:, None] == groups] = torch.inf
    assert unrelated_threshold(images, groups, 0.1) == pytest.approx(
        float(distances.amin(1).quantile(0.1)), rel=1e-5
    )

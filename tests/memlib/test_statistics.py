"""Areas and rates: the intervals contain the truth as often as they say, also near 1 and for images
that are alike.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from memlib.measures.evidence import auc_interval as importable
from memlib.statistics import (
    Area,
    auc_difference,
    auc_interval,
    possible_best,
    score_interval,
    tpr_interval,
)

REPETITIONS = 2000


def covered(area: float, m: int, n: int, draw: np.random.Generator, ratio: float = 1.0) -> float:
    """The share of repetitions whose interval holds the truth: `Area` for all of them at once."""
    one = draw.normal(norm.ppf(area) * np.hypot(ratio, 1), ratio, (REPETITIONS, m))
    other = draw.normal(0, 1, (REPETITIONS, n))
    found, low, high = intervals(one, other)
    assert np.all((low <= found) & (found <= high) & (low < high))
    return float(((low <= area) & (area <= high)).mean())


def intervals(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Areas and ends of many samples (R, m) and (R, n) of values without ties or clusters."""
    m, n = one.shape[1], other.shape[1]
    rank = np.concatenate([one, other], 1).argsort(1).argsort(1)
    own, theirs = (part.argsort(1).argsort(1) for part in (one, other))
    below = (rank[:, :m] - own) / n
    above = 1 - (rank[:, m:] - theirs) / m
    area = below.mean(1)
    shown = below.var(1, ddof=1) / m + above.var(1, ddof=1) / n
    spread = (1 - area) / (2 - area) + area / (1 + area)
    assumed = area * (1 - area) * (1 + ((m + n) / 2 - 1) * spread) / (m * n)
    design = np.where(assumed > 0, shown / np.maximum(assumed, 1e-300), 1).clip(1)
    return area, *score_interval(area, m, n, design)


def test_the_function_keeps_the_name_other_programs_import() -> None:
    assert importable is auc_interval
    assert auc_interval([2.0, 3.0], [1.0, 2.0])[0] == 0.875


@pytest.mark.parametrize("area", [0.8, 0.9, 0.95, 0.98, 0.99, 0.999])
def test_the_interval_covers_the_truth_up_to_an_area_of_almost_1(area: float) -> None:
    draw = np.random.default_rng(0)
    sizes = itertools.product((8, 20, 60, 200), repeat=2)
    assert min(covered(area, m, n, draw) for m, n in sizes) >= 0.93


def test_the_interval_covers_where_one_side_varies_three_times_as_much() -> None:
    """Newcombe's method alone falls to .80 here."""
    draw = np.random.default_rng(1)
    for area, sizes in itertools.product((0.8, 0.95, 0.99), ((8, 60), (20, 200), (200, 20))):
        for ratio in (3, 1 / 3):
            assert covered(area, *sizes, draw, ratio) >= 0.86


def test_intervals_of_many_samples_at_once_are_those_of_each() -> None:
    draw = np.random.default_rng(2)
    one, other = draw.normal(1, 1, (5, 9)), draw.normal(0, 1, (5, 30))
    for row, expected in enumerate(np.stack(intervals(one, other), 1)):
        np.testing.assert_allclose(auc_interval(one[row], other[row]), expected, rtol=1e-9)


@pytest.mark.parametrize("shared", [False, True])
def test_images_that_are_alike_count_as_one(shared: bool) -> None:
    """Clusters of six images with nearly one value; without their labels coverage falls
    below .8.
    """
    draw, hits, naive = np.random.default_rng(3), [], []
    own = np.repeat(np.arange(12), 6)
    theirs = np.repeat(np.arange(30), 6) + (0 if shared else 12)
    truth = []
    for _ in range(300):
        centre = draw.normal(size=42)
        one = 1.8 + centre[own] + draw.normal(0, 0.01, len(own))
        other = centre[theirs] + draw.normal(0, 0.01, len(theirs))
        found = auc_interval(one, other, (own, theirs))
        truth.append(found[0])
        hits.append(found[1:])
        naive.append(auc_interval(one, other)[1:])
    area = float(np.mean(truth)) if shared else float(norm.cdf(1.8 / np.sqrt(2)))

    def share(ends: list[tuple[float, ...]]) -> float:
        return float(np.mean([low <= area <= high for low, high in ends]))

    assert share(hits) >= 0.93
    assert share(naive) < 0.8


def test_labels_of_clusters_may_be_text_and_their_order_does_not_matter() -> None:
    draw = np.random.default_rng(4)
    one, other = draw.normal(1, 1, 12), draw.normal(0, 1, 20)
    labels = np.arange(12) // 3, np.arange(20) // 2 + 3
    found = auc_interval(one, other, labels)
    text = auc_interval(one, other, tuple([f"drawing {n:02d}" for n in side] for side in labels))
    order = draw.permutation(12)
    moved = auc_interval(one[order], other, (labels[0][order], labels[1]))
    assert found == pytest.approx(text)
    assert found == pytest.approx(moved)
    alone = auc_interval(one, other)
    assert found[1] < alone[1] < alone[2] < found[2]


def test_bad_values_and_labels_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="2 and 1 cluster labels for 2 and 2 values"):
        auc_interval([1, 2], [0, 1], ([0, 1], [2]))
    with pytest.raises(ValueError, match="0 and 1"):
        auc_interval([], [0])
    with pytest.raises(ValueError, match="1 are NaN"):
        auc_interval([1, np.nan], [0])


@pytest.mark.slow
def test_a_difference_of_two_measures_is_paired_and_covers_the_truth() -> None:
    draw = np.random.default_rng(5)
    cases = itertools.product(((0.8, 0.8), (0.9, 0.8), (0.999, 0.98)), ((8, 60), (60, 60)))
    for (one, other), (m, n) in cases:
        hits = []
        for _ in range(200):
            mine, theirs = correlated(draw, m), correlated(draw, n)
            areas = [
                Area.of(mine[k] + norm.ppf(area) * 2**0.5, theirs[k])
                for k, area in enumerate((one, other))
            ]
            found, low, high = auc_difference(*areas)
            assert found == pytest.approx(areas[0].value - areas[1].value)
            hits.append(low <= one - other <= high)
        assert np.mean(hits) >= 0.93
        away = replace(areas[1], labels=areas[1].labels + 1000)  # as if of other images
        assert high - low <= np.ptp(auc_difference(areas[0], away)[1:])  # equal where one is 1


def correlated(draw: np.random.Generator, count: int) -> np.ndarray:
    """Two rows of normal values, correlated by .9."""
    first, noise = draw.normal(size=(2, count))
    return np.stack([first, 0.9 * first + np.sqrt(1 - 0.81) * noise])


@pytest.mark.slow
def test_the_best_of_many_equal_measures_is_hardly_ever_excluded() -> None:
    """Twelve measures of the same worth: the highest AUC is luck, and says so."""
    draw, kept, single = np.random.default_rng(6), [], []
    for _ in range(100):
        signal = np.repeat([1.5, 0.0], [20, 80])
        values = signal + draw.normal(size=(12, 100))
        areas = {str(k): Area.of(row[:20], row[20:]) for k, row in enumerate(values)}
        best = possible_best(areas)
        kept.append("0" in best)
        single.append(len(best))
    assert np.mean(kept) >= 0.95
    assert np.mean(single) > 10
    clear = {"good": Area.of(np.arange(50) + 100, np.arange(50)), "bad": areas["0"]}
    assert possible_best(clear) == ["good"]


@pytest.mark.slow
def test_the_rate_at_few_false_positives_comes_with_an_interval_that_covers_it() -> None:
    draw = np.random.default_rng(7)
    for (m, n), area in itertools.product(((20, 100), (60, 200), (200, 400)), (0.8, 0.9, 0.98)):
        shift = norm.ppf(area) * 2**0.5
        truth, hits = norm.cdf(shift - norm.ppf(0.99)), []
        for _ in range(200):
            rate, low, high = tpr_interval(draw.normal(shift, 1, m), draw.normal(0, 1, n))
            assert 0 <= low <= rate <= high <= 1
            hits.append(low <= truth <= high)
        assert np.mean(hits) >= 0.91


def test_the_rate_at_few_false_positives_is_refused_below_100_different_negatives() -> None:
    values = np.arange(10.0)
    with pytest.raises(ValueError, match=r"at least 100 .* there are 99"):
        tpr_interval(values, np.arange(99))
    with pytest.raises(ValueError, match="there are 50"):
        tpr_interval(values, np.arange(100), (np.arange(10), np.arange(100) // 2))
    assert tpr_interval(values + 1000, np.arange(100))[0] == 1


def test_the_area_is_scikit_learns_at_any_size_without_a_table_of_pairs() -> None:
    one, other = np.arange(15_000.0) % 97, np.arange(20_000.0) % 89
    labels = np.repeat([1, 0], [len(one), len(other)])
    expected = roc_auc_score(labels, np.concatenate([one, other]))
    assert auc_interval(one, other)[0] == pytest.approx(expected, abs=1e-12)
    assert auc_interval(one, one - 1e9)[0] == 1


def test_weights_are_repetitions_that_are_no_observations() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.normal(1, 1, 12), generator.normal(0, 1, 20)
    weights = (generator.integers(1, 5, 12), generator.integers(1, 5, 20))
    found = Area.of(one, other, weights=weights)
    repeated = [np.repeat(side, many) for side, many in zip((one, other), weights, strict=True)]
    labels = (np.repeat(np.arange(12), weights[0]), 12 + np.repeat(np.arange(20), weights[1]))
    again = Area.of(*repeated, labels)  # type: ignore[arg-type]
    assert found.value == pytest.approx(again.value)
    assert found.sizes == pytest.approx(again.sizes)
    assert found.effects == pytest.approx(again.effects)
    assert Area.of(one, other, weights=(np.full(12, 3), np.full(20, 7))).interval() == (
        pytest.approx(Area.of(one, other).interval())
    )


@pytest.mark.slow
def test_the_interval_of_a_sample_of_unequal_chances_covers_the_area_of_all() -> None:
    generator, covered = np.random.default_rng(0), []
    for _ in range(500):
        # two strata on either side, the second with higher values and chosen nine times as often
        values, weights = [], []
        for low, high in ((1.0, 2.5), (0.0, 1.5)):
            rare, many = generator.normal(low, 1, 10), generator.normal(high, 1, 10)
            values.append(np.concatenate([rare, many]))
            weights.append(np.repeat([9.0, 1.0], 10))
        area = Area.of(*values, weights=tuple(weights))
        low, high = area.interval()
        covered.append(low <= mixed_area() <= high)
    assert np.mean(covered) >= 0.92


def mixed_area() -> float:
    """The area between the two mixtures of normal values of the test above."""
    parts = [(0.9, 1.0), (0.1, 2.5)], [(0.9, 0.0), (0.1, 1.5)]
    return sum(
        float(p * q * norm.cdf((a - b) / np.sqrt(2))) for p, a in parts[0] for q, b in parts[1]
    )

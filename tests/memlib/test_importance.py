"""Means of weighted terms: the shape of their tail, and intervals that cover in spite of skew."""

import numpy as np
import pytest
from scipy.stats import genpareto
from scipy.stats import t as student

from memlib.importance import effective_size, pareto_shape, skewed_interval


def test_equal_terms_count_each_and_one_large_term_counts_alone() -> None:
    assert effective_size(np.ones(50)) == 50
    assert effective_size(np.array([1e9, *[1e-9] * 49])) == pytest.approx(1)


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9])
def test_the_shape_of_a_pareto_tail_is_found(shape: float) -> None:
    draws = genpareto.rvs(shape, size=(20, 20_000), random_state=0)
    assert np.mean([pareto_shape(row) for row in draws]) == pytest.approx(shape, abs=0.07)


def test_equal_terms_have_no_tail() -> None:
    assert np.isnan(pareto_shape(np.ones(64)))


def test_the_interval_of_a_skewed_mean_covers_where_students_does_not() -> None:
    """Exponentials to the power 1.5, 64 of them: the mean is Gamma(2.5)."""
    draws, mean = np.random.default_rng(0).exponential(size=(4000, 64)) ** 1.5, 1.3293404
    covered, plain = [], []
    for row in draws:
        low, high = skewed_interval(row)
        covered.append(low <= mean <= high)
        half = student.ppf(0.975, 63) * row.std(ddof=1) / 8
        plain.append(abs(row.mean() - mean) <= half)
    assert np.mean(covered) > 0.925
    assert np.mean(plain) < np.mean(covered)


def test_a_symmetric_sample_has_students_interval() -> None:
    values = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
    half = student.ppf(0.975, 4) * values.std(ddof=1) / np.sqrt(5)
    assert skewed_interval(values) == pytest.approx((-half, half), abs=1e-3)

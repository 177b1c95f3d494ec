"""The statistics of randomized smoothing, against scipy's tests and every outcome that there can be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm

from limen.analysis import certified_accuracy, certified_radii, decided, lower_bound


@pytest.mark.parametrize("total", [1, 10, 137])
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.4])
def test_the_bound_is_the_lower_end_of_the_exact_interval(total, alpha):
    counts = np.arange(total + 1)
    expected = [binomtest(int(k), total).proportion_ci(1 - 2 * alpha, "exact").low for k in counts]
    np.testing.assert_allclose(lower_bound(counts, total, alpha), expected, atol=1e-12)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(("total", "alpha"), [(10, 0.05), (100, 0.001), (1000, 0.01)])
def test_over_all_counts_the_bound_is_above_the_share_with_a_chance_of_at_most_alpha(share, total, alpha):
    counts = np.arange(total + 1)
    missed = binom.pmf(counts, total, share)[lower_bound(counts, total, alpha) > share].sum()
    assert missed <= alpha
    # One count less would miss more often than is allowed: the bound is no worse than it has to be.
    nearer = np.append(lower_bound(counts, total, alpha)[1:], 1.0)
    assert binom.pmf(counts, total, share)[nearer > share].sum() > alpha


@pytest.mark.parametrize(("total", "most"), [(100, 1.50), (1000, 2.46), (10_000, 3.20), (100_000, 3.81)])
def test_the_greatest_radius_that_draws_can_prove_is_the_known_one(total, most):
    assert certified_radii(np.array(total), total, 1.0, 0.001) == pytest.approx(most, abs=0.005)
    assert certified_radii(np.array(total), total, 0.25, 0.001) == pytest.approx(most / 4, abs=0.00125)


def test_a_radius_is_that_of_the_bound_and_none_where_it_is_under_a_half():
    counts = np.arange(101)
    bounds, radii = lower_bound(counts, 100, 0.01), certified_radii(counts, 100, 0.5, 0.01)
    assert (np.isnan(radii) == (bounds < 0.5)).all()
    proved = bounds >= 0.5
    assert 0 < proved.sum() < 50
    np.testing.assert_allclose(norm.cdf(radii[proved] / 0.5), bounds[proved], atol=1e-12)


def test_a_decision_is_that_of_the_two_sided_binomial_test():
    for total in (1, 2, 9, 40):
        first = np.arange((total + 1) // 2, total + 1)
        tests = [binomtest(int(k), total, 0.5).pvalue for k in first]
        for alpha in (0.001, 0.05, 0.5):
            assert decided(first, total - first, alpha).tolist() == [each <= alpha for each in tests]


def test_certified_accuracy_counts_radii_of_at_least_the_distance_of_all_images():
    radii = np.array([0.5, 0.0, np.nan, 0.25])
    at_0, at_quarter, beyond = certified_accuracy(radii, [0, 0.25, 0.6])
    assert (at_0.value, at_quarter.value, beyond.value) == (0.75, 0.5, 0.0)
    expected = binomtest(2, 4).proportion_ci(0.95, "wilson")
    assert (at_quarter.low, at_quarter.high) == pytest.approx((expected.low, expected.high))
    assert beyond.high > 0

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from limen.analysis import compare_families, slopes_over_groups
from limen.errors import UsageError

DRAW = np.random.default_rng(0)
FIRST, SECOND = DRAW.normal(0.04, 0.01, 50), DRAW.normal(0.047, 0.02, 50)


def test_welchs_test_is_that_of_scipy():
    found = compare_families(FIRST, SECOND)
    expected = scipy.stats.ttest_ind(SECOND, FIRST, equal_var=False)
    assert (found.t, found.p, found.degrees) == pytest.approx(
        (expected.statistic, expected.pvalue, expected.df)
    )
    ends = expected.confidence_interval()
    assert (found.difference.low, found.difference.high) == pytest.approx((ends.low, ends.high))
    assert found.one_sided == pytest.approx(found.p / 2)
    assert not found.paired


def test_the_paired_test_is_that_of_scipy():
    found = compare_families(FIRST, SECOND, paired=True)
    expected = scipy.stats.ttest_rel(SECOND, FIRST)
    assert (found.t, found.p, found.degrees) == pytest.approx((expected.statistic, expected.pvalue, 49))
    assert found.effect == pytest.approx(found.t / np.sqrt(50))


def test_t_of_the_paper_has_its_p():
    differences = scipy.stats.norm.ppf((np.arange(50) + 0.5) / 50)
    differences += 3.852 * differences.std(ddof=1) / np.sqrt(50)
    found = compare_families(np.zeros(50), differences, paired=True)
    assert (found.t, found.degrees) == pytest.approx((3.852, 49))
    assert found.one_sided == pytest.approx(0.00017, abs=5e-6)


def test_the_effect_is_hedges_g():
    found = compare_families(np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6]))
    assert found.effect == pytest.approx(2 / np.sqrt(5 / 3) * (1 - 3 / 23))


@given(st.permutations(range(6)), st.floats(-5, 5))
def test_order_and_a_common_shift_change_nothing(order, shift):
    one, other = FIRST[:6], SECOND[:7]
    plain = compare_families(one, other, draws=0 + 99)
    moved = compare_families(one[list(order)] + shift, other + shift, draws=99)
    assert (moved.t, moved.p, moved.effect) == pytest.approx((plain.t, plain.p, plain.effect), rel=1e-6)
    swapped = compare_families(other, one, draws=99)
    assert (swapped.t, swapped.difference.low) == pytest.approx((-plain.t, -plain.difference.high))


def test_permutation_agrees_with_the_t_test_and_is_exact_for_few_models():
    found = compare_families(FIRST, SECOND)
    assert found.permutation == pytest.approx(found.p, abs=0.01)
    # Of the 20 ways to part six models in threes, the most extreme ones are two.
    assert compare_families(np.arange(3.0), np.arange(10.0, 13.0)).permutation == pytest.approx(2 / 20)
    assert compare_families(np.zeros(4), np.arange(1.0, 5.0), paired=True).permutation == pytest.approx(
        2 / 16
    )


def test_equal_models_have_no_difference():
    found = compare_families(np.ones(3), np.ones(3))
    assert (found.t, found.p, found.effect, found.permutation) == (0, 1, 0, 1)
    assert compare_families(np.ones(3), np.full(3, 2.0)).p == 0


def test_too_few_models_and_unequal_pairs_are_refused():
    with pytest.raises(UsageError, match="at least two models of each family; there are 1 and 50"):
        compare_families(FIRST[:1], SECOND)
    with pytest.raises(UsageError, match="equal size, not 49 and 50"):
        compare_families(FIRST[:49], SECOND, paired=True)


def test_the_test_of_families_rejects_one_in_twenty_equal_ones_whatever_their_variances():
    draw = np.random.default_rng(5)
    p = [compare_families(draw.normal(0, 1, 12), draw.normal(0, 5, 30), draws=1).p for _ in range(600)]
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.075


def slope(heights: np.ndarray, x: np.ndarray, images: np.ndarray) -> float:
    return float(np.polyfit(x, heights, 1, w=images**0.25)[0])  # polyfit squares its weights


def test_the_bootstrap_over_groups_is_the_one_drawn_by_hand():
    draw = np.random.default_rng(2)
    x, images = np.linspace(6, 11, 15), draw.integers(20, 200, 15)
    one, other = draw.uniform(0.4, 0.9, (4, 15)), draw.uniform(0.4, 0.9, (3, 15))
    found = slopes_over_groups(one, other, x, images)
    means = [np.mean([slope(each, x, images) for each in family]) for family in (one, other)]
    assert found.value == pytest.approx(means[1] - means[0])
    drawn = []
    for _ in range(1000):
        groups = draw.integers(0, 15, 15)
        lines = [
            np.mean([slope(family[model, groups], x[groups], images[groups]) for model in models])
            for family, models in ((one, draw.integers(0, 4, 4)), (other, draw.integers(0, 3, 3)))
        ]
        drawn.append(lines[1] - lines[0])
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.008)


def test_pairs_of_the_bootstrap_are_drawn_together():
    x, images = np.linspace(6, 11, 12), np.full(12, 50)
    one = np.random.default_rng(1).uniform(0.3, 0.6, (8, 12))
    found = slopes_over_groups(one, one + 0.01 * x, x, images, paired=True)
    assert (found.low, found.value, found.high) == pytest.approx((0.01, 0.01, 0.01))


def test_trainings_that_share_what_is_peculiar_to_groups_fool_the_test_over_seeds_alone():
    draw = np.random.default_rng(9)
    x, images = np.linspace(-1, 1, 30), np.full(30, 200)
    seeds_only, over_groups = 0, 0
    for trial in range(60):
        # No family depends on x; but what each learned of the groups is common to all its trainings.
        families = [0.7 + draw.normal(0, 0.05, 30) + draw.normal(0, 0.01, (20, 30)) for _ in range(2)]
        slopes = [np.array([slope(each, x, images) for each in family]) for family in families]
        seeds_only += compare_families(slopes[0], slopes[1], draws=1).p < 0.05
        found = slopes_over_groups(families[0], families[1], x, images, draws=200, seed=trial)
        over_groups += not found.low <= 0 <= found.high
    assert seeds_only > 40
    assert over_groups < 12

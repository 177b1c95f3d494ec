from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limen.analysis import intervals
from limen.analysis.intervals import (
    estimate_means,
    interval,
    means,
    medians,
    resamples,
    share_interval,
    wilson,
)


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(0).normal(size=400)
    drawn = np.concatenate([*resamples(400, 4000, seed=1)])
    low, high = interval((drawn @ values / 400)[:, None])
    half = 1.96 * values.std() / 20
    assert low.item() == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high.item() == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_blocks_bound_memory_and_give_the_draws_asked_for(monkeypatch):
    whole = np.concatenate([*resamples(7, 50, seed=3)])
    monkeypatch.setattr(intervals, "_CELLS", 70)
    parts = [*resamples(7, 50, seed=3)]
    assert [len(part) for part in parts] == [10] * 5
    assert np.array_equal(np.concatenate(parts), whole)
    assert (whole.sum(1) == 7).all()


def test_no_images_give_no_resamples_and_unknown_values_are_passed_over():
    assert [*resamples(0, 10, seed=0)] == []
    low, high = interval(np.array([[np.nan, 1.0], [np.nan, np.nan], [np.nan, 3.0]]))
    assert np.isnan([low[0], high[0]]).all()
    assert 1 <= low[1] < high[1] <= 3


@pytest.mark.parametrize("images", [1, 7, 60, 3000])
def test_the_interval_of_a_share_is_scipys(images):
    counts = np.unique(np.linspace(0, images, 25).round()).astype(int)
    low, high = share_interval(counts / images, images)
    ends = [scipy.stats.binomtest(count, images).proportion_ci(0.95, "wilson") for count in counts.tolist()]
    assert low == pytest.approx([each.low for each in ends], abs=1e-12)
    assert high == pytest.approx([each.high for each in ends], abs=1e-12)


def test_none_and_all_are_exact_ends_of_their_intervals():
    ends = [share_interval(np.array([0.0, 1.0]), images) for images in range(1, 300)]
    assert {(low[0], high[1]) for low, high in ends} == {(0.0, 1.0)}


@given(st.integers(1, 300), st.lists(st.floats(0, 1), max_size=9))
def test_the_interval_of_a_share_grows_with_the_share(images, shares):
    ordered = np.sort(shares)
    low, high = share_interval(ordered, images)
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= 0).all()
    counts = np.unique((ordered * images).round()) / images
    low, high = share_interval(counts, images)
    assert (low <= counts).all()
    assert (counts <= high).all()


def test_a_share_of_no_images_is_unknown_and_shapes_are_kept():
    low, high = share_interval(np.zeros((2, 3)), 0)
    assert np.isnan([low, high]).all()
    assert low.shape == share_interval(np.zeros((2, 3)), 4)[1].shape == (2, 3)


@given(
    hnp.arrays(int, st.tuples(st.integers(1, 4), st.just(6)), elements=st.integers(0, 4)),
    hnp.arrays(float, 6, elements=st.sampled_from([0.0, 1.0, 2.5, 7.0, np.nan])),
)
def test_means_and_medians_are_those_of_the_values_written_out(weights, values):
    for row, mean, median in zip(
        weights, means(weights, values[None])[:, 0], medians(weights, values), strict=True
    ):
        held = [
            value for value, count in zip(values, row, strict=True) for _ in range(count) if value == value
        ]
        if held:
            assert (mean, median) == (pytest.approx(np.mean(held)), pytest.approx(np.median(held)))
        else:
            assert np.isnan([mean, median]).all()


def test_the_interval_of_a_mean_is_the_percentile_bootstraps():
    values = np.random.default_rng(1).beta(2, 5, (60, 1))
    theirs = scipy.stats.bootstrap(
        (values[:, 0],), np.mean, method="percentile", n_resamples=20_000, rng=2
    ).confidence_interval
    estimate = estimate_means(values, draws=20_000)
    assert (estimate.low[0], estimate.high[0]) == pytest.approx((theirs.low, theirs.high), abs=2e-3)
    assert estimate.low[0] < estimate.mean[0] < estimate.high[0]


def test_means_are_over_the_images_that_have_a_value_and_the_same_every_time():
    values = np.array([[0.2, np.nan, np.nan], [0.4, 0.8, np.nan]])
    one = estimate_means(values)
    np.testing.assert_allclose(one.mean, [0.3, 0.8, np.nan])
    np.testing.assert_allclose([one.low[1], one.high[1], one.low[2]], [0.8, 0.8, np.nan])
    np.testing.assert_array_equal(one.low, estimate_means(values).low)
    assert np.isnan(estimate_means(np.zeros((0, 2))).high).all()


@pytest.mark.parametrize(("lower", "images"), [(0, 10), (3, 10), (93, 100), (7, 7), (0, 0)])
def test_wilsons_interval_holds_the_share_and_has_some_length(lower, images):
    found = wilson(lower, images)
    if not images:
        assert np.isnan([found.value, found.low, found.high]).all()
        return
    # Wilson's ends are where the share lies 1.96 standard deviations of the end's own law away.
    for end in {found.low, found.high} - {0.0, 1.0}:
        assert abs(found.value - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / images), abs=1e-6)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high

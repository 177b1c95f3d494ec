"""Quartiles, whiskers and distribution functions, against NumPy, Matplotlib's rule and counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.analysis import cumulative, distribution
from limen.analysis.intervals import medians, quantiles
from limen.metrics import METRICS

values = st.lists(st.floats(-100, 100, width=16), min_size=1, max_size=30).map(np.array)


@given(values, st.lists(st.integers(0, 4), min_size=30, max_size=30), st.sampled_from([0.25, 0.5, 0.75, 0.1]))
def test_a_quantile_of_a_resample_is_numpys_of_the_repeated_values(found, counts, share):
    weights = np.array(counts)[: len(found)]
    expected = np.quantile(np.repeat(found, weights), share) if weights.any() else math.nan
    assert quantiles(weights[None], found, share)[0] == pytest.approx(expected, abs=1e-9, nan_ok=True)
    middle = np.median(np.repeat(found, weights)) if weights.any() else math.nan
    assert medians(weights[None], found)[0] == pytest.approx(middle, abs=1e-9, nan_ok=True)


@given(values)
def test_whiskers_reach_the_last_values_within_one_and_a_half_boxes(found):
    summed = distribution(found, draws=20)
    first, median, third = (each.value for each in summed.quartiles)
    assert (first, median, third) == pytest.approx(tuple(np.quantile(found, [0.25, 0.5, 0.75])))
    reach = 1.5 * (third - first)
    within = [each for each in sorted(found) if first - reach <= each <= third + reach]
    assert summed.whiskers == (min(within[0], first), max(within[-1], third))
    assert sorted([*within, *summed.outliers]) == sorted(found)
    for each in summed.quartiles:
        assert found.min() <= each.low <= each.high <= found.max()


@given(values)
def test_the_distribution_function_counts_the_images_up_to_each_value(found):
    x, shares, low, high = cumulative(found)
    assert x.tolist() == sorted(set(found.tolist()))
    assert shares.tolist() == pytest.approx([np.mean(found <= each) for each in x])
    assert (low <= shares).all()
    assert (shares <= high).all()


def test_what_has_no_finite_value_is_left_out_and_nothing_gives_nothing():
    summed = distribution(np.array([math.inf, 2.0, math.nan]))
    assert summed.values.tolist() == [2.0]
    empty = distribution(np.array([math.nan]))
    assert math.isnan(empty.quartiles[1].value)
    assert math.isnan(empty.whiskers[0])
    assert cumulative(empty.values)[0].size == 0


def test_an_interval_covers_the_median_of_a_known_distribution_as_often_as_it_says():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        found = distribution(generator.exponential(size=60), draws=300).quartiles[1]
        hits += found.low <= math.log(2) <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_of_values_that_were_read_off_a_curve_intervals_are_wider():
    shares = METRICS["noticed"].column.calibration
    found = np.linspace(0.2, 0.6, 400)
    plain, read = (distribution(found, each).quartiles[1] for each in (None, shares))
    assert read.value == plain.value
    assert read.high - read.low > 2 * (plain.high - plain.low)

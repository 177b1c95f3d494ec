from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from limen.runs import Overlap
from limen.runs.overlap import MEASURES


def overlap(values: np.ndarray) -> Overlap:
    return Overlap(
        "fgsm",
        tuple(map(str, range(len(values)))),
        np.arange(values.shape[1]) / 10,
        *[values] * len(MEASURES),
    )


def test_means_leave_out_what_is_undefined_and_count_it():
    values = np.array([[0.2, np.nan, np.nan], [0.4, 0.8, np.nan]])
    one = overlap(values)
    assert one.empty.tolist() == [0, 1, 2]
    means = one.means()
    assert tuple(means) == MEASURES
    for estimate in means.values():
        np.testing.assert_allclose(estimate.mean, [0.3, 0.8, np.nan])
        np.testing.assert_array_equal(np.isnan(estimate.low), [False, False, True])


def test_each_measure_has_its_own_mean():
    values = np.random.default_rng(0).random((5, len(MEASURES), 2))
    one = Overlap("ddn", tuple("abcde"), np.array([0.1, 0.2]), *values.transpose(1, 0, 2))
    for i, (name, estimate) in enumerate(one.means().items()):
        np.testing.assert_allclose(estimate.mean, values[:, i].mean(0))
        assert getattr(one, name) is not None


def test_the_interval_is_the_percentile_bootstraps():
    values = np.random.default_rng(1).beta(2, 5, (60, 1))
    theirs = bootstrap((values[:, 0],), np.mean, method="percentile", n_resamples=20_000, rng=2)
    estimate = overlap(values).means(draws=20_000)["iou"]
    assert estimate.low[0] == pytest.approx(theirs.confidence_interval.low, abs=2e-3)
    assert estimate.high[0] == pytest.approx(theirs.confidence_interval.high, abs=2e-3)
    assert estimate.low[0] < estimate.mean[0] < estimate.high[0]


def test_the_interval_of_one_image_is_its_value_and_of_none_nothing():
    lone = overlap(np.array([[0.25]])).means()["recall"]
    assert (lone.mean[0], lone.low[0], lone.high[0]) == (0.25, 0.25, 0.25)
    none = overlap(np.zeros((0, 3)))
    assert none.empty.tolist() == [0, 0, 0]
    assert np.isnan(none.means()["recall"].mean).all()
    assert np.isnan(none.means()["recall"].high).all()


def test_a_value_that_some_draws_miss_has_an_interval_over_the_others():
    values = np.full((4, 1), np.nan)
    values[0] = 0.5
    estimate = overlap(values).means()["precision"]
    assert (estimate.mean[0], estimate.low[0], estimate.high[0]) == (0.5, 0.5, 0.5)


def test_intervals_are_the_same_every_time():
    one = overlap(np.random.default_rng(3).random((20, 2)))
    np.testing.assert_array_equal(one.means()["iou"].low, one.means()["iou"].low)
    assert not np.array_equal(one.means()["iou"].low, one.means(seed=1)["iou"].low)

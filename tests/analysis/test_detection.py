"""Curves and rates of detection against scikit-learn, and intervals against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve

from limen.analysis import Roc, detection, mean_roc, over_repeats
from limen.errors import UsageError

scores = st.lists(st.integers(0, 8), min_size=1, max_size=12).map(lambda values: np.array(values) / 8)


def joined(clean: np.ndarray, attacked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat([0, 1], [len(clean), len(attacked)])
    return labels, np.concatenate([clean, attacked])


@given(scores, scores)
def test_area_and_corners_are_scikit_learns(clean, attacked):
    roc, (labels, values) = Roc(clean, attacked), joined(clean, attacked)
    assert roc.area == pytest.approx(roc_auc_score(labels, values))
    false_alarms, detections, _ = roc_curve(labels, values, drop_intermediate=False)
    assert roc.corners[0] == pytest.approx(false_alarms)
    assert roc.corners[1] == pytest.approx(detections)
    assert np.trapezoid(roc.corners[1], roc.corners[0]) == pytest.approx(roc.area)


@given(scores, scores, st.floats(0.05, 0.95).filter(lambda cut: cut * 8 % 1))
def test_the_balanced_accuracy_is_scikit_learns(clean, attacked, cut):
    labels, values = joined(clean, attacked)
    assert Roc(clean, attacked).accuracy(cut) == pytest.approx(balanced_accuracy_score(labels, values > cut))


@given(scores, scores)
def test_the_best_threshold_is_the_best(clean, attacked):
    labels, values = joined(clean, attacked)
    every = [balanced_accuracy_score(labels, values > cut) for cut in np.arange(-1, 10) / 8 + 1 / 16]
    assert Roc(clean, attacked).best_accuracy == pytest.approx(max(every))


@given(scores, scores, st.sampled_from([0.5, 0.9, 1.0]))
def test_false_alarms_are_the_fewest_with_so_many_detected(clean, attacked, share):
    cuts = np.arange(-1, 10) / 8 + 1 / 16
    rates = [(clean > cut).mean() for cut in cuts if (attacked > cut).mean() >= share]
    assert Roc(clean, attacked).false_alarms_at(share) == pytest.approx(min(rates))


def test_a_score_at_the_threshold_counts_half():
    assert Roc(np.array([0.5, 0.1]), np.array([0.5, 0.9])).accuracy() == 0.75
    assert Roc(np.array([0.5]), np.array([0.5])).accuracy() == 0.5


def test_the_curve_runs_straight_between_two_thresholds():
    roc = Roc(np.array([0.2, 0.4]), np.array([0.2, 0.9]))
    assert roc.corners[0].tolist() == [0, 0, 0.5, 1]
    assert roc.corners[1].tolist() == [0, 0.5, 0.5, 1]
    assert roc.at(np.array([0, 0.25, 0.5, 0.75, 1])).tolist() == [0.5, 0.5, 0.5, 0.75, 1]


@pytest.mark.parametrize("bad", [np.array([]), np.array([np.nan]), np.array([[0.5]])])
def test_without_scores_there_is_no_curve(bad):
    for pair in ((bad, np.array([0.5])), (np.array([0.5]), bad)):
        with pytest.raises(UsageError, match="finite score"):
            Roc(*pair)


def test_rates_that_are_equal_but_for_rounding_say_nothing_of_how_sure_they_are():
    found = over_repeats([0.1 + 0.2, 0.3, 0.3])
    assert found.value == pytest.approx(0.3)
    assert np.isnan([found.low, found.high]).all()


def test_intervals_over_repeats_are_nadeau_and_bengios():
    rates = [0.6, 0.7, 0.65, 0.8]
    found = over_repeats(rates)
    scale = stats.sem(rates) * math.sqrt(1 + 4)  # s·√(1/4 + 1)
    low, high = stats.t.interval(0.95, 3, np.mean(rates), scale)
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(rates), low, min(1, high)))
    narrow = over_repeats(rates, tested=0)
    assert (narrow.low, narrow.high) == pytest.approx(
        stats.t.interval(0.95, 3, np.mean(rates), stats.sem(rates))
    )


def test_intervals_stay_among_rates_and_there_is_none_without_a_spread():
    wide = over_repeats([0.0, 1.0])
    assert (wide.low, wide.high) == (0, 1)
    for rates in ([0.7], [0.7, 0.7]):
        assert over_repeats(rates).value == 0.7
        assert math.isnan(over_repeats(rates).low)
    assert math.isnan(over_repeats([]).value)


def test_intervals_hold_the_truth_though_splits_share_images():
    """A detector that adds noise of its own to fixed scores: the usual interval over repeats is too short."""
    held = {1.0: 0, 0.0: 0}
    generator = np.random.default_rng(0)
    truth = stats.norm.cdf(1 / math.sqrt(2))
    for _ in range(200):
        clean, attacked = generator.normal(size=40), generator.normal(1, size=40)
        areas = []
        for _ in range(10):
            tested = generator.permutation(40)[:20]
            areas.append(Roc(clean[tested], attacked[tested]).area)
        for tested in held:
            found = over_repeats(areas, tested=tested)
            held[tested] += found.low <= truth <= found.high
    assert held[1.0] >= 184
    assert held[0.0] < 150


def test_the_figures_are_means_over_repeats():
    repeats = [(np.array([0.1, 0.6]), np.array([0.7, 0.4])), (np.array([0.2]), np.array([0.9]))]
    found = detection(repeats)
    assert found.repeats == 2
    assert found.accuracy.value == pytest.approx((0.5 + 1) / 2)
    assert found.best_accuracy.value == pytest.approx((0.75 + 1) / 2)
    assert found.area.value == pytest.approx((0.75 + 1) / 2)
    assert found.false_alarms.value == pytest.approx((0.5 + 0) / 2)
    assert found.area == over_repeats([0.75, 1.0])


def test_of_no_repeat_nothing_is_known():
    assert math.isnan(detection([]).area.value)
    assert [np.isnan(each).all() for each in mean_roc([], np.array([0.0, 1.0]))] == [True] * 3


def test_the_mean_curve_is_the_mean_at_each_rate_of_false_alarms():
    repeats = [(np.array([0.1, 0.6]), np.array([0.7, 0.4])), (np.array([0.2]), np.array([0.9]))]
    grid = np.array([0.0, 0.3, 1.0])
    mean, low, high = mean_roc(repeats, grid)
    assert mean == pytest.approx(np.mean([Roc(*each).at(grid) for each in repeats], axis=0))
    assert mean.tolist() == [0.75, 0.75, 1.0]
    assert (low[0], high[0]) == (over_repeats([0.5, 1]).low, over_repeats([0.5, 1]).high)

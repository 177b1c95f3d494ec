from __future__ import annotations

import fairlearn.metrics
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from limen.analysis import gaps, group_means, group_shares, wilson
from limen.errors import UsageError


def right(images: np.ndarray) -> np.ndarray:
    return np.asarray(images, bool)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=40))
def test_each_group_has_the_share_of_its_images_with_wilsons_interval(images):
    found = group_shares([group for group, _ in images], right(np.array([hit for _, hit in images])))
    assert found.names == tuple(sorted({group for group, _ in images}))
    for place, name in enumerate(found.names):
        hits = [hit for group, hit in images if group == name]
        expected = wilson(sum(hits), len(hits))
        assert found.images[place] == len(hits)
        assert (found.values[place], found.low[place], found.high[place]) == pytest.approx(
            (expected.value, expected.low, expected.high)
        )


def test_means_of_groups_have_students_intervals_and_pass_over_images_without_a_value():
    values = np.array([1.0, 2.0, 4.0, np.nan, 7.0, np.inf])
    found = group_means(["a", "a", "a", "a", "b", "c"], values)
    assert found.names == ("a", "b")
    assert found.images.tolist() == [3, 1]
    low, high = scipy.stats.t.interval(0.95, 2, np.mean(values[:3]), scipy.stats.sem(values[:3]))
    assert (found.values[0], found.low[0], found.high[0]) == pytest.approx((7 / 3, low, high))
    assert np.isnan([found.low[1], found.high[1]]).all()


def test_no_images_have_no_groups():
    assert group_shares([], np.zeros(0, bool)).names == ()
    assert group_means([], np.zeros(0)).names == ()


def test_chosen_groups_keep_their_figures():
    found = group_shares(["a", "b", "b"], right([1, 0, 1])).take(["b"])
    assert (found.names, found.images.tolist(), found.values.tolist()) == (("b",), [2], [0.5])


@pytest.mark.parametrize("seed", range(4))
def test_gaps_are_those_of_fairlearn(seed):
    draw = np.random.default_rng(seed)
    groups, hits = draw.choice(list("abcd"), 200), right(draw.random(200) < 0.7)
    frame = fairlearn.metrics.MetricFrame(
        metrics=lambda labels, predictions: float(np.mean(labels == predictions)),
        y_true=np.ones(200, bool),
        y_pred=hits,
        sensitive_features=groups,
    )
    found = gaps(group_shares(groups.tolist(), hits), draws=10)
    assert found.overall.value == pytest.approx(frame.overall)
    assert (found.worst, found.least.value) == (frame.by_group.idxmin(), pytest.approx(frame.group_min()))
    assert found.mean == pytest.approx(frame.by_group.mean())
    assert found.difference == pytest.approx(frame.difference("between_groups"))
    assert found.difference_to_overall == pytest.approx(frame.difference("to_overall"))
    assert found.ratio == pytest.approx(frame.ratio("between_groups"))
    assert found.ratio_to_overall == pytest.approx(frame.ratio("to_overall"))


def test_groups_that_are_all_wrong_have_ratios_without_a_warning():
    found = gaps(group_shares(["a", "b"], right([0, 1])), draws=10)
    assert (found.least.value, found.ratio, found.ratio_to_overall) == (0, 0, 0)
    assert np.isnan(gaps(group_shares(["a", "b"], right([0, 0])), draws=10).ratio)


def test_a_gap_that_chance_makes_is_told_from_one_that_it_does_not():
    draw = np.random.default_rng(0)
    groups = np.repeat([f"g{place}" for place in range(20)], 25).tolist()
    even = gaps(group_shares(groups, draw.random(500) < 0.7))
    assert even.p > 0.05
    apart = draw.random(500) < np.repeat(np.linspace(0.4, 0.95, 20), 25)
    assert gaps(group_shares(groups, apart)).p < 0.01


def test_what_chance_is_expected_to_set_apart_is_that_of_shuffled_images():
    groups, hits = list("aaabbbbcc"), right([1, 1, 0, 1, 0, 0, 1, 1, 0])
    draw = np.random.default_rng(1)
    shuffled = [np.ptp(group_shares(groups, draw.permutation(hits)).values) for _ in range(400)]
    assert gaps(group_shares(groups, hits)).expected == pytest.approx(np.mean(shuffled), abs=0.03)


def test_one_group_has_no_gap_and_groups_and_images_must_match():
    with pytest.raises(UsageError, match="at least two groups; there are 1"):
        gaps(group_shares(["a"], right([1])))
    with pytest.raises(UsageError, match="1 groups for 2 images"):
        group_shares(["a"], right([1, 0]))
    with pytest.raises(UsageError, match="1 groups for 2 images"):
        group_means(["a"], np.ones(2))

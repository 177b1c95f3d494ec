from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from limen.analysis import compare, figures, outcomes, pairs
from limen.errors import UsageError

from .handmade import made, record, table

NAN, INF = float("nan"), float("inf")


def test_figures_are_of_the_correct_images_that_were_fooled():
    images = [(True, True, 1.0), (True, True, 4.0), (True, True, 2.5), (True, False, NAN), (False, True, 0.0)]
    found = figures(made(images))
    assert (found.name, found.labels, found.metric.key, found.images) == ("ddn", ("ddn",), "l2", 4)
    assert found.success.value == pytest.approx(3 / 4)
    assert (found.mean.value, found.median.value) == (pytest.approx(2.5), pytest.approx(2.5))
    assert found.mean.low <= found.mean.value <= found.mean.high
    assert (found.unfinished, found.unmeasured) == (0, 0)


def test_a_success_without_a_finite_distance_counts_as_success_alone():
    found = figures(made([(True, True, 30.0), (True, True, INF), (True, True, NAN)], "psnr"), "psnr")
    assert (found.success.value, found.mean.value, found.median.value) == (1.0, 30.0, 30.0)
    assert found.unmeasured == 2


def test_a_grid_counts_as_one_attack_and_says_what_is_unfinished():
    labels = ("fgsm:eps=0.1", "fgsm:eps=0.2")
    rows = [record(labels[0], "a", success=False), record(labels[1], "a", l2=3.0)]
    rows += [record(labels[0], "b", l2=1.0), record(labels[1], "b", l2=2.0), record(labels[0], "c")]
    found = figures(outcomes(table(rows), labels, "fgsm"))
    assert (found.name, found.images, found.unfinished) == ("fgsm", 2, 1)
    assert (found.success.value, found.mean.value) == (1.0, 2.0)


@pytest.mark.parametrize("images", [[], [(False, True, 1.0)]])
def test_without_correct_images_there_are_no_figures(images):
    found = figures(made(images))
    assert found.images == 0
    parts = (found.success, found.mean, found.median)
    assert np.isnan([(each.value, each.low, each.high) for each in parts]).all()


def test_an_attack_that_fools_nothing_has_a_success_of_zero_and_no_distances():
    found = figures(made([(True, False, NAN)] * 5))
    assert (found.success.value, found.success.low) == (0, 0)
    assert found.success.high == pytest.approx(0.434, abs=1e-3)
    assert np.isnan([found.mean.value, found.mean.low, found.median.value, found.median.high]).all()


@pytest.mark.parametrize(("part", "statistic"), [("mean", np.mean), ("median", np.median)])
def test_intervals_are_those_of_scipys_bootstrap(part, statistic):
    generator = np.random.default_rng(3)
    values = generator.lognormal(size=120)
    found = getattr(figures(made([(True, True, value) for value in values]), draws=20_000), part)
    theirs = scipy.stats.bootstrap((values,), statistic, method="percentile", n_resamples=20_000, rng=1)
    assert found.value == pytest.approx(statistic(values))
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.05 * width)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.05 * width)


def test_resamples_draw_failures_too_so_that_few_successes_are_unsure():
    few = [(True, True, value) for value in (1.0, 2.0, 9.0)] + [(True, False, NAN)] * 97
    drawn = np.random.default_rng(0).integers(0, 100, (20_000, 100))
    values = np.array([value for _, _, value in few])[drawn]
    expected = [np.nanmean(row) for row in values if not np.isnan(row).all()]
    found = figures(made(few), draws=20_000).mean
    assert found.low == pytest.approx(np.quantile(expected, 0.025), abs=0.05)
    assert found.high == pytest.approx(np.quantile(expected, 0.975), abs=0.05)


def test_figures_are_the_same_each_time_and_another_seed_draws_others():
    one = made([(True, True, value) for value in np.random.default_rng(0).random(30)])
    assert figures(one) == figures(one)
    assert figures(one, seed=1).mean.low != figures(one).mean.low
    assert figures(one, seed=1).mean.value == figures(one).mean.value


cells = st.tuples(st.booleans(), st.booleans(), st.sampled_from([0.0, 1.0, 2.0, INF, NAN]))


@given(st.lists(st.tuples(cells, cells), max_size=12), st.sampled_from(["l2", "psnr"]))
def test_a_comparison_is_what_a_loop_over_images_says(pairs, distance):
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    found = compare(made(ours, distance, "a"), made(theirs, distance, "b"), distance)
    both = [(x, y) for (c, s, x), (d, t, y) in pairs if c and s and d and t]
    known = [(x, y) for x, y in both if x == x and y == y]
    assert (found.name, found.against, found.metric.key) == ("a", "b", distance)
    assert (found.images, found.unmeasured) == (len(known), len(both) - len(known))
    assert found.lower == sum(x > y if distance == "psnr" else x < y for x, y in known)
    assert found.ties == sum(x == y for x, y in known)
    if known:
        assert found.share.value == found.lower / len(known)
        assert (found.median, found.median_against) == tuple(np.median(known, axis=0))
    else:
        assert np.isnan([found.share.value, found.share.low, found.median, found.median_against]).all()


def test_images_are_paired_by_their_ids():
    rows = [record("a", "x", l2=1.0), record("a", "y", l2=5.0), record("a", "z")]
    rows += [record("b", "y", l2=4.0), record("b", "w"), record("b", "x", l2=2.0)]
    found = compare(outcomes(table(rows), ["a"]), outcomes(table(rows), ["b"]))
    assert (found.images, found.lower, found.median, found.median_against) == (2, 1, 3.0, 3.0)
    ids, values = pairs(outcomes(table(rows), ["a"]), outcomes(table(rows), ["b"]))
    assert (ids, values.tolist()) == (("x", "y"), [[1.0, 5.0], [2.0, 4.0]])


@pytest.mark.parametrize(("lower", "images"), [(0, 10), (3, 10), (93, 100), (7, 7)])
def test_the_interval_of_a_comparison_is_wilsons(lower, images):
    ours = [(True, True, float(place >= lower)) for place in range(images)]
    found = compare(made(ours, name="a"), made([(True, True, 0.5)] * images, name="b")).share
    theirs = scipy.stats.binomtest(lower, images).proportion_ci(0.95, "wilson")
    assert (found.value, found.low, found.high) == pytest.approx((lower / images, *theirs))
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_an_unknown_distance_is_refused():
    for call in (lambda: figures(made([]), "mda"), lambda: compare(made([]), made([]), "mda")):
        with pytest.raises(UsageError, match="unknown metric 'mda'"):
            call()

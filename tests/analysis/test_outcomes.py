"""Merging budgets, against a plain loop over the images."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.analysis import in_memory, outcomes, outcomes_by_name
from limen.errors import UnknownNameError, UsageError

from .handmade import record, table

GRID = ("pgd_l2:eps=1", "pgd_l2:eps=2", "pgd_l2:eps=4")


def test_an_image_is_fooled_if_any_budget_fools_it_with_the_least_distortion_of_these():
    rows = [
        record(GRID[0], "a", success=False, seconds=1.0, forwards=7),
        record(GRID[1], "a", l2=3.0, psnr=20.0, ssim=0.5),
        record(GRID[2], "a", l2=2.0, psnr=30.0, ssim=None, success_in_memory=False),
        *(record(label, "b", success=False, correct=False) for label in GRID),
    ]
    merged = outcomes(table(rows), GRID, "pgd_l2")
    assert (merged.name, merged.labels, merged.ids) == ("pgd_l2", GRID, ("a", "b"))
    assert (merged.success.tolist(), merged.correct.tolist()) == ([True, False], [True, False])
    assert merged.in_memory.tolist() == [True, False]
    assert (merged.values["l2"][0], merged.values["psnr"][0], merged.values["ssim"][0]) == (
        2,
        30,
        0.5,
    )
    assert np.isnan(merged.values["l2"][1])
    assert (merged.forwards.tolist(), merged.backwards.tolist()) == ([17, 15], [12, 12])
    assert merged.seconds.tolist() == [2.0, 1.5]
    assert merged.measured("ssim").tolist() == [0.5]


def test_images_that_some_budgets_are_not_done_with_are_left_out_and_counted():
    rows = [record(label, "a") for label in GRID] + [record(GRID[0], "b"), record(GRID[1], "c")]
    merged = outcomes(table(rows), GRID)
    assert (merged.ids, merged.unfinished) == (("a",), 2)
    assert outcomes(table(rows[:2]), GRID).ids == ()


def test_no_label_and_unknown_metrics_are_refused():
    with pytest.raises(UsageError, match="no label is given"):
        outcomes(table([]), [])
    with pytest.raises(UnknownNameError, match="unknown metric 'l3'"):
        outcomes(table([]), ["ddn"]).measured("l3")


@pytest.mark.parametrize(
    ("zero", "nonfinite", "backwards", "stuck"),
    [(4, 0, 4, 1), (1, 3, 4, 1), (3, 0, 4, 0), (0, 0, 0, 0), (None, None, 4, np.nan)],
)
def test_an_image_is_stuck_where_no_pass_could_move_it(zero, nonfinite, backwards, stuck):
    row = record("a", "x", zero_gradients=zero, nonfinite_gradients=nonfinite, backwards=backwards)
    np.testing.assert_array_equal(outcomes(table([row]), ["a"]).stuck, [stuck])


@pytest.mark.parametrize(
    ("zero", "nonfinite", "success", "faded"),
    [(2, 1, False, 1), (2, 0, False, 0), (3, 1, False, 0), (3, 0, True, 0), (None, None, False, np.nan)],
)
def test_a_gradient_has_faded_where_most_passes_but_not_all_gave_none_and_nothing_was_found(
    zero, nonfinite, success, faded
):
    counts = {"zero_gradients": zero, "nonfinite_gradients": nonfinite, "backwards": 4}
    row = record("a", "x", success, **counts)
    np.testing.assert_array_equal(outcomes(table([row]), ["a"]).faded, [faded])


def test_under_several_budgets_an_image_is_stuck_only_where_it_is_under_each():
    counts = {"zero_gradients": 4, "nonfinite_gradients": 0, "backwards": 4}
    rows = [record(label, key, **counts) for label in GRID for key in "ab"]
    rows[-1]["zero_gradients"] = 3
    assert outcomes(table(rows), GRID).stuck.tolist() == [1, 0]


@pytest.mark.parametrize(("told", "still"), [((True, True), 1), ((True, False), 0), ((True, None), np.nan)])
def test_an_image_is_still_only_where_it_is_under_every_budget(told, still):
    counts = {"zero_gradients": 0, "nonfinite_gradients": 0, "success": False}
    rows = [record(label, "a", still=each, **counts) for label, each in zip(GRID, told, strict=False)]
    np.testing.assert_array_equal(outcomes(table(rows), GRID[:2]).still, [still])


@pytest.mark.parametrize(
    ("told", "unmasked"), [((False, False), 0), ((False, True), 1), ((False, None), np.nan)]
)
def test_an_image_is_unmasked_where_it_is_under_any_budget(told, unmasked):
    rows = [record(label, "a", unmasked=each) for label, each in zip(GRID, told, strict=False)]
    np.testing.assert_array_equal(outcomes(table(rows), GRID[:2]).unmasked, [unmasked])


def test_in_memory_success_and_distortion_are_those_before_storage():
    row = record("a", "x", success=False, success_in_memory=True, l2=None, l2_in_memory=0.5, psnr=30.0)
    found = outcomes(in_memory(table([row])), ["a"])
    assert (found.success.tolist(), found.values["l2"].tolist()) == ([True], [0.5])
    assert np.isnan(found.values["psnr"]).all()


values = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0, math.inf]))
cells = st.tuples(st.booleans(), st.booleans(), values)


@given(
    st.dictionaries(st.tuples(st.sampled_from(GRID), st.sampled_from("abcd")), cells),
    st.sampled_from(["l1", "psnr"]),
)
def test_merging_is_what_a_loop_over_images_says(cells, distance):
    rows = [
        record(label, key, success, correct, **{distance: value if success else None})
        for (label, key), (success, correct, value) in cells.items()
    ]
    merged = outcomes_by_name(table(rows), {"pgd_l2": GRID})["pgd_l2"]
    everywhere = [key for key in "abcd" if all((label, key) in cells for label in GRID)]
    assert merged.ids == tuple(everywhere)
    assert merged.unfinished == len({key for _, key in cells}) - len(everywhere)
    best = max if distance == "psnr" else min
    for place, key in enumerate(everywhere):
        of_image = [cells[label, key] for label in GRID]
        reached = [value for success, _, value in of_image if success and value is not None]
        assert merged.success[place] == any(success for success, _, _ in of_image)
        assert merged.correct[place] == all(correct for _, correct, _ in of_image)
        found = merged.values[distance][place]
        assert found == best(reached) if reached else np.isnan(found)

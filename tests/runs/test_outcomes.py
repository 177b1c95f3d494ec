"""Merging budgets, against a plain loop over the images."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.errors import UnknownNameError, UsageError
from limen.runs import outcomes, outcomes_by_name

from .handmade import COLUMNS, record, table

GRID = ("pgd_l2:eps=1", "pgd_l2:eps=2", "pgd_l2:eps=4")


def test_an_image_is_fooled_if_any_budget_fools_it_with_the_least_distortion_of_these():
    rows = [
        record(GRID[0], "a", success=False, seconds=1.0, forwards=7),
        record(GRID[1], "a", l2=3.0, psnr=20.0, ssim=0.5),
        record(GRID[2], "a", l2=2.0, psnr=30.0, ssim=None, success_in_memory=False),
        *(record(label, "b", success=False, correct=False) for label in GRID),
    ]
    merged = outcomes(table(rows), GRID, COLUMNS.values(), "pgd_l2")
    assert (merged.name, merged.labels, merged.ids) == ("pgd_l2", GRID, ("a", "b"))
    assert (merged.success.tolist(), merged.correct.tolist()) == ([True, False], [True, False])
    assert merged.in_memory.tolist() == [True, False]
    assert (merged.distances["l2"][0], merged.distances["psnr"][0], merged.distances["ssim"][0]) == (
        2,
        30,
        0.5,
    )
    assert np.isnan(merged.distances["l2"][1])
    assert (merged.forwards.tolist(), merged.backwards.tolist()) == ([17, 15], [12, 12])
    assert merged.seconds.tolist() == [2.0, 1.5]
    assert merged.distortions("psnr")[0] == -30
    assert merged.measured("ssim").tolist() == [0.5]


def test_images_that_some_budgets_are_not_done_with_are_left_out_and_counted():
    rows = [record(label, "a") for label in GRID] + [record(GRID[0], "b"), record(GRID[1], "c")]
    merged = outcomes(table(rows), GRID, COLUMNS.values())
    assert (merged.ids, merged.unfinished) == (("a",), 2)
    assert outcomes(table(rows[:2]), GRID, COLUMNS.values()).ids == ()


def test_no_labels_and_unknown_distances_are_refused():
    with pytest.raises(UsageError, match="no label is given"):
        outcomes(table([]), [], COLUMNS.values())
    with pytest.raises(UnknownNameError, match="unknown metric 'l3'"):
        outcomes(table([]), ["ddn"], COLUMNS.values()).measured("l3")


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
    merged = outcomes_by_name(table(rows), {"pgd_l2": GRID}, [*COLUMNS.values()])["pgd_l2"]
    everywhere = [key for key in "abcd" if all((label, key) in cells for label in GRID)]
    assert merged.ids == tuple(everywhere)
    assert merged.unfinished == len({key for _, key in cells}) - len(everywhere)
    best = max if distance == "psnr" else min
    for place, key in enumerate(everywhere):
        of_image = [cells[label, key] for label in GRID]
        reached = [value for success, _, value in of_image if success and value is not None]
        assert merged.success[place] == any(success for success, _, _ in of_image)
        assert merged.correct[place] == all(correct for _, correct, _ in of_image)
        found = merged.distances[distance][place]
        assert found == best(reached) if reached else np.isnan(found)

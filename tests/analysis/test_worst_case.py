"""All attacks of a run as one attacker, against loops over its records."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.analysis import worst_case
from limen.errors import UnknownNameError
from limen.runs import MetricColumn, record_schema

METRICS = (MetricColumn("l2", "L₂"), MetricColumn("ssim", "SSIM", higher_is_better=True, complement=True))
FIXED = {
    "steps": 1,
    "forwards": 1,
    "backwards": 1,
    "seconds": 0.0,
    "confidence": 1.0,
    "clean_confidence": 1.0,
}


def records(rows) -> pa.Table:
    """Rows of attack, index, right before, success, l2 and ssim as a run's records."""
    made = [
        {
            **dict.fromkeys(record_schema(METRICS).names),
            **FIXED,
            "attack": attack,
            "index": index,
            "id": f"image {index}",
            "label": 1,
            "clean_prediction": int(right),
            "prediction": 0,
            "success": success,
            "success_in_memory": success,
            "l2": l2 if success else None,
            "ssim": ssim if success else None,
        }
        for attack, index, right, success, l2, ssim in rows
    ]
    return pa.Table.from_pylist(made, record_schema(METRICS))


SHARES = st.floats(0, 1)
TABLES = st.lists(
    st.tuples(st.booleans(), st.lists(st.tuples(st.booleans(), SHARES, SHARES), min_size=2, max_size=2)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=30)
@given(TABLES, SHARES)
def test_an_image_is_robust_within_a_budget_if_no_attack_fools_it_within(images, budget):
    rows = [
        (attack, index, right, *of[place])
        for index, (right, of) in enumerate(images)
        for place, attack in enumerate("ab")
    ]
    worst = worst_case(records(rows), ["a", "b"])
    near = 1e-5 * budget
    kept = [right and not any(s and l2 <= budget + near for s, l2, _ in of) for right, of in images]
    assert worst.robust_accuracy("l2", budget).value == pytest.approx(np.mean(kept))
    near = 1e-5 * budget
    kept = [right and not any(s and q >= budget - near for s, _, q in of) for right, of in images]
    assert worst.robust_accuracy("ssim", budget).value == pytest.approx(np.mean(kept))
    assert worst.fooled.tolist() == [right and any(s for s, _, _ in of) for right, of in images]


def test_the_least_change_is_least_by_the_first_metric_and_of_equals_by_the_next():
    rows = [
        ("a", 5, True, True, 3.0, 0.9),
        ("b", 5, True, True, 2.0, 0.9),
        ("a", 2, True, True, 1.0, 0.8),
        ("b", 2, True, True, 9.0, 0.99),
        ("a", 7, True, False, 0.0, 1.0),
        ("b", 7, True, False, 0.0, 1.0),
        ("a", 8, False, True, 0.0, 1.0),
        ("b", 8, False, True, 0.0, 1.0),
    ]
    least = worst_case(records(rows), ["a", "b"]).least("ssim", "l2")
    assert [(each.id, each.attack, each.values["l2"]) for each in least] == [
        ("image 2", "b", 9.0),
        ("image 5", "b", 2.0),
    ]


def test_what_an_attack_was_not_run_on_it_does_not_fool():
    worst = worst_case(records([("a", 0, True, True, 1.0, 0.9), ("b", 1, True, True, 1.0, 0.9)]), ["a", "b"])
    assert worst.ran.tolist() == [[True, False], [False, True]]
    assert worst.success.tolist() == worst.ran.tolist()


def test_an_unknown_metric_is_told_with_those_that_there_are():
    worst = worst_case(records([]), ["a"])
    with pytest.raises(UnknownNameError, match="unknown metric 'l3'; did you mean 'l2'"):
        worst.within("l3", 1.0)


def test_a_distance_that_single_precision_measured_is_within_its_own_budget():
    worst = worst_case(records([("a", 0, True, True, float(np.float32(2 / 255)), 0.9)]), ["a"])
    assert worst.robust_accuracy("l2", 2 / 255).value == 0


def test_a_metric_that_says_nothing_of_a_change_that_fools_is_not_known():
    rows = [
        ("a", 0, True, True, 1.0, None),
        ("a", 1, True, False, 1.0, None),
        ("a", 2, False, True, 1.0, None),
    ]
    worst = worst_case(records(rows), ["a"])
    assert worst.knows("l2")
    assert not worst.knows("ssim")
    assert worst_case(records(rows[1:]), ["a"]).knows("ssim")
    with pytest.raises(UnknownNameError, match="unknown metric 'l3'"):
        worst.knows("l3")

"""The sentences of a verdict, of records made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from limen.analysis import WorstCase
from limen.analysis.worst_case import Least
from limen.audit import Finding, Plan, Verdict, judge, read_rule
from limen.audit.verdict import mean_of, shown
from limen.metrics import METRICS

PLAN = Plan(asked={"model": "m", "data": "d"}, effort="quick", images=4, of=4)
WEAK = Finding("a", "Gradients are masked", "weakens", "They are 0.")


def worst(linf, correct=(True, True, True, True), mad=0.5) -> WorstCase:
    """One attack on four images, which fools those that have a distance in L∞."""
    values = np.array([linf], float) / 255
    success = ~np.isnan(values)
    known: dict[str, Any] = {"linf": values, "mad": np.where(success, mad, np.nan)}
    metrics = {key: METRICS[key].column for key in known}
    return WorstCase(("a",), (*"wxyz",), np.array(correct), success, np.ones_like(success), known, metrics)


def told(found: WorstCase, rules=(), findings=()) -> tuple[str, ...]:
    judged = tuple(judge(read_rule(text), found, findings) for text in rules)
    return Verdict(PLAN, found, tuple(findings), judged, tuple(found.least("mad"))).sentences


def test_a_verdict_says_what_was_right_what_holds_and_what_falls():
    said = told(worst([1, 3, np.nan, 9], correct=[True, True, True, False]))
    assert said[0].startswith(
        "Before any attack the model had 3 of 4 images right (75.0\N{NO-BREAK SPACE}%, "
    )
    assert "at most this share of all images stays right: 50.0\N{NO-BREAK SPACE}%" in said[1]
    assert "25.0\N{NO-BREAK SPACE}%" in said[1].partition("at 2/255")[2]
    assert said[2].startswith("Of the 3 that it had right, 2 fall to some attack")
    assert said[-1] == "No finding weakens this verdict; more steps or other attacks may still find more."


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (["robust_accuracy[linf=2/255]>=0.5"], "The rule holds."),
        (["robust_accuracy[linf=2/255]>=0.5", "success<=1"], "All 2 rules hold."),
        (["success<=0.5"], "1 of 1 rule fails: success<=0.5, found 75.0"),
        (["success<=0.5", "findings<=0"], "2 of 2 rules fail: success<=0.5, found"),
    ],
)
def test_a_verdict_says_which_rules_hold(rules, says):
    said = told(worst([1, 3, 5, np.nan]), rules, [WEAK])
    assert said[-2] == "One finding weakens this verdict: gradients are masked."
    assert said[-1].startswith(says)


def test_beyond_the_budget_at_which_nothing_holds_nothing_is_said():
    said = told(worst([1, 2, 2, 1]))[1]
    assert "0\N{NO-BREAK SPACE}% (0\N{NO-BREAK SPACE}% to 49.0\N{NO-BREAK SPACE}%) from 2/255 on" in said
    assert "4/255" not in said


def test_where_all_was_wrong_there_was_nothing_to_attack():
    said = told(worst([1, 1, 1, 1], correct=[False] * 4))
    assert said[1] == "So there was nothing to attack."


def test_a_mean_over_changes_of_which_some_are_not_known_is_not_told():
    known = [Least("a", "x", {"l2": 1.0}), Least("b", "x", {"l2": 3.0})]
    found = mean_of(known, METRICS["l2"].column)
    assert found is not None
    assert (found.value, found.low, found.high) == (2.0, 1.0, 3.0)
    assert mean_of([*known, Least("c", "x", {"l2": np.nan})], METRICS["l2"].column) is None
    assert mean_of([], METRICS["l2"].column) is None


def test_the_interval_of_a_share_read_off_a_curve_holds_what_the_curve_leaves_open():
    column = METRICS["noticed"].column
    same = [Least(name, "x", {"noticed": 0.35}) for name in "abcd"]
    found = mean_of(same, column)
    assert found is not None
    assert found.low < 0.35 < found.high
    plain = mean_of(same, SimpleNamespace(key="noticed", calibration=None))  # type: ignore[arg-type]
    assert plain is not None
    assert plain.low == plain.high


def test_budgets_are_told_in_the_unit_of_the_metric():
    assert shown(METRICS["linf"].column, 2 / 255) == "2/255"
    assert shown(METRICS["l2"].column, 0.5) == "0.5"

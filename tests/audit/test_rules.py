"""Rules: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.audit import read_rule
from limen.audit.rules import COMPARISONS, QUANTITIES, Condition
from limen.errors import UsageError
from limen.metrics import METRICS


@given(
    st.sampled_from(sorted(METRICS)),
    st.sampled_from([(2, 255), (8, 255), (1, 2), (3, 1)]),
    st.sampled_from(sorted(COMPARISONS)),
    st.integers(0, 100),
    st.booleans(),
)
def test_a_rule_is_read_as_it_is_written(metric, budget, comparison, hundredths, confident):
    top, bottom = budget
    text = f"robust_accuracy[{metric}={top}/{bottom}]{comparison}{hundredths}%" + " confidently" * confident
    rule = read_rule(text, METRICS)
    assert (rule.text, rule.metric, rule.budget) == (text, metric, top / bottom)
    assert (rule.comparison, rule.value, rule.confident) == (comparison, hundredths / 100, confident)
    assert rule.holds(rule.value) == ("=" in comparison)
    assert rule.holds(rule.value + 0.01) == (comparison[0] == ">")


def test_a_condition_says_which_changes_count():
    rule = read_rule(" noticed <= 0.5 : success <= 0.05 ")
    assert rule.text == "noticed<=0.5:success<=0.05"
    assert (rule.quantity, rule.value) == ("success", 0.05)
    assert rule.condition == Condition("noticed", "<=", 0.5)
    assert rule.metrics == ("noticed",)
    assert math.isnan(rule.budget)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clean_acuracy>=0.7", "unknown quantity 'clean_acuracy'; did you mean 'clean_accuracy'?"),
        ("robust_accuracy[linv=1/255]>=0.4", "unknown metric 'linv'; did you mean 'linf'?"),
        ("notised<=0.5:success<=0.1", "unknown metric 'notised'; did you mean 'noticed'?"),
        ("robust_accuracy>=0.4", "robust_accuracy needs a budget: robust_accuracy[linf=2/255]"),
        ("clean_accuracy[l2=1]>=0.4", "clean_accuracy has no budget"),
        ("clean_accuracy=0.7", "write >= or <= where = stands"),
        ("clean_accuracy", "not QUANTITY>=NUMBER. Rules are such as robust_accuracy"),
        ("", "not QUANTITY>=NUMBER"),
        ("clean_accuracy>=70", "is a share; compare it with a number from 0 to 1"),
        ("clean_accuracy>=most", "'most' is no number; write it as 0.4, 40% or 2/255"),
        ("robust_accuracy[linf=1/0]>=0.4", "'1/0' is no number"),
        ("success<=nan", "'nan' is no number"),
        ("noticed<=0.5:findings<=0", "a condition before the colon is for success alone"),
        ("findings<=0 confidently", "findings are counted and have no interval"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_the_cure(text, says):
    with pytest.raises(UsageError) as told:
        read_rule(text, METRICS)
    assert says in str(told.value)
    assert str(told.value).startswith(f"rule {text!r}: ")
    assert "\n" not in str(told.value)


def test_every_quantity_can_be_asked_about():
    budget = {"robust_accuracy": "[l2=1]"}
    for name in QUANTITIES:
        assert read_rule(f"{name}{budget.get(name, '')}<=1").quantity == name

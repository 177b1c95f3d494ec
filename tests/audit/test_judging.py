"""Rules by what all attacks together did."""

from __future__ import annotations

import numpy as np
import pytest

from limen.analysis import WorstCase
from limen.audit import read_rule
from limen.audit.judging import judge
from limen.runs import MetricColumn

L2, SSIM = MetricColumn("l2", "L₂"), MetricColumn("ssim", "SSIM", higher_is_better=True, complement=True)


def two_of_four(ssim) -> WorstCase:
    """Four images, all right before, two of which an attack fools."""
    success = np.array([[True, True, False, False]])
    values = {"l2": np.array([[1.0, 2.0, np.nan, np.nan]]), "ssim": np.array([[*ssim, np.nan, np.nan]])}
    correct, ids = np.ones(4, bool), tuple("abcd")
    metrics = {"l2": L2, "ssim": SSIM}
    return WorstCase(("ddn",), ids, correct, success, np.ones((1, 4), bool), values, metrics)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("success<=0.5", 0.5),
        ("robust_accuracy[l2=1]>=0.75", 0.75),
        ("robust_accuracy[ssim=0.95]>=0.75", 0.75),
        ("ssim>=0.95:success<=0.25", 0.25),
        ("l2<1:success<=0", 0.0),
        ("l2<=1:success>0.2", 0.25),
    ],
)
def test_a_rule_holds_of_the_share_that_was_measured(rule, value):
    found = judge(read_rule(rule), two_of_four((0.99, 0.9)), [])
    assert found.holds
    assert found.found.value == value


@pytest.mark.parametrize("rule", ["robust_accuracy[ssim=0.95]>=0", "ssim>=0.95:success<=1"])
def test_by_a_metric_that_says_nothing_of_a_change_no_rule_holds(rule):
    found = judge(read_rule(rule), two_of_four((np.nan, 0.9)), [])
    assert not found.holds
    assert found.said == "nothing was measured"

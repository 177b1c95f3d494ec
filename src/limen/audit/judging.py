"""Whether rules hold, by what the audit measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limen.analysis import Measured, WorstCase, share
from limen.audit.finding import Finding
from limen.audit.rules import Rule
from limen.document import number, percent


@dataclass(frozen=True)
class Judged:
    """A rule, and what became of it.

    Attributes:
        rule: The rule.
        found: What was measured, with its interval; findings have none. NaN where nothing could be.
        holds: Whether it holds.
    """

    rule: Rule
    found: Measured
    holds: bool

    @property
    def judged(self) -> float:
        """The number that was compared: the share itself, or the end that speaks against the rule."""
        if not self.rule.confident:
            return self.found.value
        return self.found.low if self.rule.from_below else self.found.high

    @property
    def said(self) -> str:
        """What was measured, for people."""
        if self.rule.quantity == "findings":
            return number(self.found.value)
        if self.found.value != self.found.value:
            return "nothing was measured"
        return f"{percent(self.found.value)} ({percent(self.found.low)} to {percent(self.found.high)})"


def judge(rule: Rule, worst: WorstCase, findings: Sequence[Finding]) -> Judged:
    """A rule by what was measured.

    Where nothing was, no rule but that of findings holds: on no images, or by a metric that says nothing of
    some change that fools, as many do of small images.

    Raises:
        UsageError: If the run lacks a metric that the rule names.
    """
    found = measured(rule, worst, findings)
    judged = Judged(rule, found, False)
    return Judged(rule, found, rule.holds(judged.judged))


def measured(rule: Rule, worst: WorstCase, findings: Sequence[Finding]) -> Measured:
    """The number that a rule is about."""
    if rule.quantity == "findings":
        count = float(sum(finding.counts for finding in findings))
        return Measured(count, count, count)
    if not all(map(worst.knows, rule.metrics)):
        return Measured(math.nan, math.nan, math.nan)
    if rule.quantity == "clean_accuracy":
        return share(worst.correct)
    if rule.quantity == "robust_accuracy":
        return worst.robust_accuracy(rule.metric, rule.budget)
    if rule.condition is None:
        return share(worst.fooled[worst.correct])
    at = rule.condition
    counted = worst.within(at.metric, at.value, least=not at.at_most)
    if at.comparison in ("<", ">"):
        # What lies at the bound itself is in both of the sets that the bound ends.
        counted &= ~(worst.within(at.metric, at.value) & worst.within(at.metric, at.value, least=True))
    return share(np.any(counted, axis=0)[worst.correct])

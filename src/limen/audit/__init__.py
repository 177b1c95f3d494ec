"""Audits: is the set-up right, what fools the model, would people notice, and do the rules hold?

>>> rule = read_rule("robust_accuracy[linf=2/255]>=0.4")
>>> rule.holds(0.5)
True
"""

from __future__ import annotations

from limen.audit.auditing import Audit, audit
from limen.audit.effort import EFFORTS, Attempt, Effort
from limen.audit.finding import Finding
from limen.audit.judging import Judged, judge
from limen.audit.plan import Plan
from limen.audit.rules import Condition, Rule, read_rule
from limen.audit.setup import Subject, check, subject_of
from limen.audit.verdict import Verdict

__all__ = [
    "EFFORTS",
    "Attempt",
    "Audit",
    "Condition",
    "Effort",
    "Finding",
    "Judged",
    "Plan",
    "Rule",
    "Subject",
    "Verdict",
    "audit",
    "check",
    "judge",
    "read_rule",
    "subject_of",
]

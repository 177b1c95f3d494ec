"""From the records of an audit's run to its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from limen import catalog
from limen.analysis import worst_case
from limen.audit.afterwards import afterwards
from limen.audit.effort import Attempt
from limen.audit.finding import Finding
from limen.audit.judging import judge
from limen.audit.plan import Plan
from limen.audit.rules import Rule
from limen.audit.verdict import RANKED, Verdict
from limen.evaluation import labels_of
from limen.runs import Run


def verdict_of(
    plan: Plan, run: Run, attempts: Sequence[Attempt], rules: Sequence[Rule], notes: Sequence[Finding] = ()
) -> Verdict:
    """What a run comes to.

    Args:
        plan: What was to be done.
        run: The run.
        attempts: Its attacks.
        rules: The rules to judge.
        notes: Further findings.

    Raises:
        RunError: If the records cannot be read.
    """
    records = run.table()
    worst = worst_case(records, run.manifest.labels)
    blind = [label for each in attempts if not each.gradient for label in _labels(each)]
    findings = (*plan.findings, *afterwards(run, records, worst, blind, plan.findings), *notes)
    judged = tuple(judge(rule, worst, findings) for rule in rules)
    return Verdict(plan, worst, findings, judged, tuple(worst.least(*RANKED)), run)


def geometries_of(attempts: Sequence[Attempt]) -> dict[str, str]:
    """By an attack's label, what its changes are measured by, or made of."""
    return {label: each.geometry for each in attempts for label in _labels(each)}


def _labels(attempt: Attempt) -> tuple[str, ...]:
    return labels_of([catalog.attack_or_grid(attempt.runs)])

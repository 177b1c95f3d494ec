"""An audit as JSON, for programs: everything that its page says in numbers, and no time of day."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from limen import __version__
from limen.analysis import Measured, share
from limen.audit.finding import Finding
from limen.audit.judging import Judged
from limen.audit.verdict import Verdict, budgets_of
from limen.document import finite

FORMAT = 1
"""Version of the JSON; raised when a name in it changes its meaning or goes."""


def record(verdict: Verdict) -> str:
    """The JSON of an audit.

    Shares lie in [0, 1], distances are as in the run's records, and what has no value is null. An audit that
    was stopped and resumed has the same, to the byte, as one that was not.
    """
    plan, worst = verdict.plan, verdict.worst
    content: dict[str, Any] = {
        "kind": "audit by Limen",
        "format": FORMAT,
        "limen": __version__,
        "asked": plan.asked,
        "effort": plan.effort,
        "images": plan.images,
        "of": plan.of,
        "done": verdict.done,
        "passed": verdict.passed,
        "sentences": verdict.sentences,
        "rules": [_rule(each) for each in verdict.rules],
        "findings": [_finding(each) for each in verdict.findings],
        "left_out": plan.left_out,
    }
    if worst is not None:
        content |= {
            "clean_accuracy": _share(share(worst.correct)),
            "success": _share(share(worst.fooled[worst.correct])),
            "robust_accuracy": [
                {"metric": metric, "budget": budget, **_share(worst.robust_accuracy(metric, budget))}
                for metric in worst.metrics
                for budget in budgets_of(verdict, metric)
            ],
            "noticed": None if verdict.noticed is None else asdict(verdict.noticed),
            "attacks": [
                {
                    "label": label,
                    "images": int(worst.correct[worst.ran[row]].sum()),
                    "success": _share(share(worst.success[row][worst.correct & worst.ran[row]])),
                }
                for row, label in enumerate(worst.attacks)
            ],
            "least": [{"id": each.id, "attack": each.attack, **each.values} for each in verdict.least],
        }
    return json.dumps(finite(content), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _share(found: Measured) -> dict[str, float]:
    return asdict(found)


def _finding(finding: Finding) -> dict[str, str]:
    return asdict(finding)


def _rule(judged: Judged) -> dict[str, Any]:
    return {**finite(asdict(judged.rule)), "found": asdict(judged.found), "holds": judged.holds}

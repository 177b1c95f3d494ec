"""The figures of a page as JSON, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from limen import __version__
from limen.document import finite
from limen.report.view import AttackRow, RunView, View

FORMAT = 1
"""Version of the JSON; raised when a name in it changes."""

MARK = '{\n "kind": "summary of a Limen report"'
"""How each summary begins."""


def summary(view: View) -> str:
    """All that the page says in numbers: by run the verdict, and every figure of its attacks.

    Shares lie in [0, 1], distances are as in the records. What has no value is null.
    """
    content = {
        "kind": "summary of a Limen report",
        "format": FORMAT,
        "limen": __version__,
        "runs": [_run(run, view) for run in view.runs],
        "notes": view.notes,
    }
    return json.dumps(finite(content), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _run(run: RunView, view: View) -> dict[str, Any]:
    manifest, found = run.manifest, run.verdict
    told = asdict(found) | {
        "correct": found.correct,
        "fooled": found.fooled,
        "changes": {metric.key: asdict(median) for metric, median in found.changes},
        "sentences": found.sentences,
    }
    return {
        "name": run.name,
        "model": manifest.model.spec,
        "weights": manifest.model.weights,
        "defenses": manifest.model.chain,
        "data": manifest.data.spec,
        "targeted": manifest.settings.targeted,
        "seed": manifest.settings.seed,
        "verdict": told,
        "skipped": {reason: list(ids) for reason, ids in run.skipped.items()},
        "families": [_attack(row) for row in view.families if row.run == run.name and row.budgets],
        "attacks": [_attack(row) for row in view.attacks if row.run == run.name],
    }


def _attack(row: AttackRow) -> dict[str, Any]:
    kept = ("value", "low", "high", "images")
    figures = [
        {"metric": metric, "statistic": statistic, **{key: figure[key] for key in kept}}
        for (metric, statistic), figure in row.figures.items()
    ]
    return {"label": row.label, "budgets": row.budgets, "figures": figures}

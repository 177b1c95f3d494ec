"""What a run says about each attack: success, distances, cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from limen.runs.bootstrap import share_interval
from limen.runs.outcomes import Outcomes, outcomes
from limen.runs.protocol import figures
from limen.runs.reader import Run


@dataclass(frozen=True)
class AttackSummary:
    """One attack over all images that it is done with.

    Attributes:
        label: The attack's label; without the budget where several budgets were merged.
        images: How many images were attacked.
        correct: How many of them the model classified correctly before.
        success_all: Successes as a share of all images, in [0, 1]; None without images. An image that
            was misclassified anyway is an untargeted success here.
        success_correct: Successes on correctly classified images as a share of these; None without any.
        success_interval: The ends of its 95 % bootstrap interval; None without any.
        medians: Median of each distance over the successes on correctly classified images that have a
            finite one; None where there are none.
        means: Likewise the mean.
        forwards: Mean forward passes an image.
        backwards: Mean backward passes an image.
        seconds: Mean seconds an image.
    """

    label: str
    images: int
    correct: int
    success_all: float | None
    success_correct: float | None
    success_interval: tuple[float, float] | None
    medians: dict[str, float | None]
    means: dict[str, float | None]
    forwards: float | None
    backwards: float | None
    seconds: float | None


def summarize(run: Run) -> list[AttackSummary]:
    """Summarize each attack of a run, in the manifest's order.

    Raises:
        RunError: If the run's records cannot be read.
    """
    table = run.table()
    return [summary_of(outcomes(table, [label], run.manifest.metrics)) for label in run.manifest.labels]


def summary_of(attack: Outcomes) -> AttackSummary:
    """Summarize one attack; its passes and seconds are those of all its budgets."""
    measured = {name: figures(attack, name, draws=0) for name in attack.metrics}
    fooled = attack.success[attack.correct]
    share = float(fooled.mean()) if fooled.size else math.nan
    low, high = share_interval(np.array(share), fooled.size)
    return AttackSummary(
        label=attack.name,
        images=len(attack.ids),
        correct=int(attack.correct.sum()),
        success_all=_mean(attack.success),
        success_correct=_number(share),
        success_interval=None if math.isnan(share) else (float(low), float(high)),
        medians={name: _number(each.median.value) for name, each in measured.items()},
        means={name: _number(each.mean.value) for name, each in measured.items()},
        forwards=_mean(attack.forwards),
        backwards=_mean(attack.backwards),
        seconds=_mean(attack.seconds),
    )


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value

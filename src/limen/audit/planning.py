"""How a plan is made: set-up checks first, then the time that attacks take, then how many images fit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limen.audit.effort import DETECTABLE, DIMENSION, REPEATS, effort_named, indicated_of, lesser
from limen.audit.finding import Finding
from limen.audit.further import detects
from limen.audit.plan import Plan, blind, fitted, fitting, spread, with_budgets
from limen.audit.rules import Rule
from limen.audit.setup import Subject, check, names, subject_of
from limen.audit.timing import TRAINED, Lasting, timed, training_seconds
from limen.classifier import Classifier
from limen.data import Dataset
from limen.metrics import Metric

_CHECKED = 128  # images that set-up checks look at, at most
_SHIELDS = 2
_FEWEST = 10  # images, for fewer of which a lesser effort is taken


def planned(
    classifier: Classifier,
    dataset: Dataset,
    asked: Mapping[str, str],
    rules: Sequence[Rule],
    metrics: Sequence[Metric],
    wanted: int,
    minutes: float | None,
    batch_size: int,
    transfers: int = 0,
) -> Plan:
    """Check the set-up, measure how long attacks take, and choose how many images.

    Args:
        classifier: The model.
        dataset: The data.
        asked: What the user asked for, by name.
        rules: The rules, whose budgets are tried.
        metrics: What results are measured by.
        wanted: How many images there should be at most.
        minutes: How long the audit may take; None for any time.
        batch_size: Images side by side.
        transfers: How many other models see what fools this one.

    Raises:
        UsageError: If the time is too little for one image, or no image can be read.
        LimenError: If the model cannot answer.
    """
    begin, count = time.perf_counter(), min(wanted, len(dataset))
    found, numbered = names(classifier, dataset)
    plan = Plan(asked=dict(asked), effort=asked["effort"], images=count, of=len(dataset), findings=(found,))
    if plan.stopped:
        return plan
    subject = subject_of(classifier, numbered, spread(min(count, _CHECKED), len(dataset)), batch_size)
    findings = (found, *check(subject))
    plan = Plan(asked=dict(asked), effort=plan.effort, images=count, of=plan.of, findings=findings)
    if plan.stopped:
        return plan
    first, *others = lesser(plan.effort)
    cost = _cost(first, subject, findings, rules, metrics, transfers, count, batch_size)
    for level in others:
        if minutes is None or fitting(cost.each.most, cost.begun(begin, count).most, minutes) >= min(
            count, _FEWEST
        ):
            break
        cost = _cost(level, subject, findings, rules, metrics, transfers, count, batch_size)
    images = fitted(cost.each.most, cost.begun(begin, count).most, minutes, count)
    whole = cost.begun(begin, images) + cost.each.times(images)
    return Plan(
        asked=dict(asked),
        effort=cost.effort,
        images=images,
        of=plan.of,
        seconds=whole.most,
        likely=whole.likely,
        left_out=cost.left_out,
        findings=findings,
    )


@dataclass(frozen=True)
class _Cost:
    """How long an effort takes, and what cannot be run.

    Attributes:
        effort: The effort.
        each: An image.
        indicators: An image that indicators are sought on.
        detection: All detectors, if there are few images.
        left_out: By its spec, why an attack cannot be run.
    """

    effort: str
    each: Lasting
    indicators: Lasting
    detection: Lasting
    left_out: dict[str, str]

    def begun(self, begin: float, images: int) -> Lasting:
        """What hardly grows with the images: what has passed since an audit began, indicators, detectors."""
        passed = time.perf_counter() - begin
        detection = self.detection.times(max(1.0, images / 2 / TRAINED) * (images >= DETECTABLE))
        return Lasting(passed, passed) + self.indicators.times(indicated_of(images)) + detection


def _cost(
    level: str,
    subject: Subject,
    findings: Sequence[Finding],
    rules: Sequence[Rule],
    metrics: Sequence[Metric],
    transfers: int,
    images: int,
    side_by_side: int,
) -> _Cost:
    effort = effort_named(level)
    hindered = blind(effort, findings)
    attempts = [each for each in with_budgets(effort.attempts, rules) if each.runs]
    attempts = [each for each in attempts if each.spec not in hindered]
    few = indicated_of(images) if effort.indicators else 0
    timing = timed(subject, attempts, metrics, min(images, side_by_side), few)
    run = [one for one in attempts if one.spec not in timing.left_out]
    each = timing.seconds(run, _SHIELDS + transfers)
    rows = sum(one.rows for one in run) * any(map(detects, effort.evaluations))
    detection = Lasting(1.0, 1.0).times(REPEATS * rows * training_seconds(DIMENSION)) if rows else Lasting()
    again = timing.again(run)
    indicators = again.times(effort.besides)
    return _Cost(level, each, indicators, detection, {**hindered, **timing.left_out})

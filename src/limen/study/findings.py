"""What the answers to a study say, as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limen.analysis import CHECK, Answers, Measured, Noticed, false_alarms, noticed, slips
from limen.runs import MetricColumn
from limen.study.answers import Sheet, encoded
from limen.study.curves import OverMetric, curves
from limen.study.key import Key, Picture
from limen.study.observers import Observer

_FEW = 8
_MANY_SLIPS = 0.1


@dataclass(frozen=True, eq=False)
class Findings:
    """What the answers to a study say.

    Attributes:
        key: The study.
        observers: All observers.
        left_out: The names of those that do not count.
        alarms: The share of identical pairs that were called different.
        slips: The share of attention checks that were missed by those who do not seem to guess.
        attacks: By the label of an attack, what was noticed of it.
        images: Likewise of each photograph under it.
        curves: How noticing grows with each metric.
        warnings: What a reader must know of the answers.
    """

    key: Key
    observers: Sequence[Observer]
    left_out: Sequence[str]
    alarms: Measured
    slips: Measured
    attacks: dict[str, Noticed]
    images: dict[tuple[str, str], Noticed]
    curves: Sequence[OverMetric]
    warnings: Sequence[str]


def found(
    key: Key,
    observers: Sequence[Observer],
    left_out: Sequence[str],
    counted: Sequence[Sheet],
    values: Mapping[MetricColumn, Sequence[float]],
) -> Findings:
    """What answers say.

    Args:
        key: The study.
        observers: All observers.
        left_out: The names of those that do not count.
        counted: The answers of the others.
        values: The values of metrics for all pictures.
    """
    answers, pictures, ids = encoded(counted, key)
    # What is missed by who does not look is no slip of the others.
    guessing = {each.name for each in observers if each.guesses}
    guessed = np.array([each.observer in guessing for each in counted])[answers.people]
    told_slips = ~guessed | (answers.kinds != CHECK)
    answers, pictures = answers.chosen(told_slips), [pictures[n] for n in np.flatnonzero(told_slips)]
    task = key.design.task
    attacks = {label: noticed(answers, kind, task=task) for kind, label in enumerate(key.attacks)}
    images = {
        (label, image): noticed(answers, kind, number, task=task)
        for kind, label in enumerate(key.attacks)
        for number, image in enumerate(ids)
    }
    fitted = curves(key, answers, pictures, values, _about(key, answers, pictures))
    alarms = false_alarms(answers)
    shown = {names: each for names, each in images.items() if each.answers}
    missed = slips(answers)
    told = _warnings(observers, left_out, answers, alarms, missed)
    return Findings(key, observers, left_out, alarms, missed, attacks, shown, fitted, told)


def _about(key: Key, answers: Answers, pictures: Sequence[Picture | None]) -> str:
    """What a calibration stands on, in a sentence that stands wherever it is used."""
    people, images = (len(np.unique(each)) for each in (answers.people, answers.images))
    view = f"for {key.design.view / 1000:g} s" if key.design.view else "until they answered"
    return (
        f"Calibrated on one study of {people} people, who saw {images} photographs {view} "
        f"({key.design.task}) under {', '.join(key.attacks)} of {key.model}. For other attacks, photographs "
        "or screens it may be off, and intervals do not hold that."
    )


def _warnings(
    observers: Sequence[Observer],
    left_out: Sequence[str],
    answers: Answers,
    alarms: Measured,
    missed: Measured,
) -> list[str]:
    told = []
    for each in observers:
        if each.guesses:
            done = "is left out" if each.name in left_out else "counts all the same"
            told.append(f"Observer {each.name} {' and '.join(each.guesses)}; {done}.")
    stopped = [each.name for each in observers if each.answers < each.of]
    if stopped:
        told.append(f"Not answered to the end by {', '.join(stopped)}; what there is counts.")
    if alarms.high >= 0.5:
        told.append(
            "Identical pairs may have been called different as often as a coin would: little is told."
        )
    if missed.value > _MANY_SLIPS:
        told.append(
            f"{missed.value:.0%} of the attention checks were missed also by those who do not seem to guess."
        )
    people, images = (len(np.unique(each)) for each in (answers.people, answers.images))
    if min(people, images) < _FEW:
        told.append(
            f"{people} people and {images} photographs are few: intervals over fewer than eight of either "
            "are wide, and rough."
        )
    return told

"""Psychometric curves of a study, over each metric that its run has or that is measured for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from limen.analysis import Answers, NoCurveError, PsychometricCurve, psychometric_curve
from limen.errors import RunError, reason
from limen.metrics.psychometrics import CALIBRATION, FORMAT, OFFSET, FittedCurve
from limen.runs import MetricColumn
from limen.runs.files import decode_png
from limen.safety import read_bytes, resolved
from limen.study.key import CHECK, Key, Picture, file_name
from limen.study.making import PAGE


@dataclass(frozen=True, eq=False)
class OverMetric:
    """How the share who notice grows with a metric.

    Attributes:
        metric: The metric.
        values: Its value for each altered pair that was shown, (M,).
        pairs: The altered pictures of these, M of them.
        scale: What the curve is over, as a file holds it; None where there is no curve.
        curve: The curve; None where there is none.
        why: Why there is none.
    """

    metric: MetricColumn
    values: np.ndarray
    pairs: Sequence[Picture]
    scale: FittedCurve | None
    curve: PsychometricCurve | None
    why: str = ""


def measured_values(key: Key, folder: Path, specs: Sequence[str]) -> dict[MetricColumn, list[float]]:
    """The values of all metrics for all pictures: those of the run, and further ones measured now.

    Args:
        key: The key.
        folder: The folder of the study.
        specs: Specs of metrics, such as `fsim`.

    Raises:
        UsageError: If a spec cannot be followed.
        RunError: If a picture is missing, or is not what was shown.
    """
    known = {
        metric: [each.distances.get(metric.key, float("nan")) for each in key.pictures]
        for metric in key.metrics
        if metric.calibration is None  # what is read off another study's curve is no metric of its own
    }
    if not specs:
        return known
    from limen import catalog  # with torch, which the rest of reading answers does not wait for
    from limen.images import from_uint8

    wanted = {each.column: each for each in map(catalog.metric, specs)}
    pixels = _pixels(key, folder)
    originals = {each.id: pixels[n] for n, each in enumerate(key.pictures) if each.attack is None}
    for column, metric in wanted.items():
        values = []
        for picture, image in zip(key.pictures, pixels, strict=True):
            fits = picture.attack not in (None, CHECK) and min(image.shape[:2]) >= metric.least_side
            pair = (from_uint8(each[None]) for each in (originals[picture.id], image))
            values.append(float(metric(*pair)) if fits else float("nan"))
        known[column] = values
    return known


def _pixels(key: Key, folder: Path) -> list[np.ndarray]:
    root, found = resolved(folder / PAGE), []
    for number, picture in enumerate(key.pictures):
        path = folder / PAGE / file_name(number)
        try:
            digest = hashlib.sha256(read_bytes(path, root)).hexdigest()
        except OSError as error:
            raise RunError(f"{path}: this picture of the study cannot be read ({reason(error)})") from None
        if digest != picture.sha256:
            raise RunError(f"{path}: is not the picture that was shown; copy the folder as it was made")
        found.append(decode_png(path, root))
    return found


def curves(
    key: Key,
    answers: Answers,
    pictures: Sequence[Picture | None],
    values: Mapping[MetricColumn, Sequence[float]],
    about: str,
) -> list[OverMetric]:
    """A curve over each metric that has values.

    Args:
        key: The key.
        answers: The answers, N.
        pictures: The altered picture of each, N; None for identical pairs.
        values: The values of each metric for all pictures of the study.
        about: What the study was, for the caveat of a calibration.
    """
    places = {id(picture): number for number, picture in enumerate(key.pictures)}
    shown = [None if each is None else places[id(each)] for each in pictures]
    pairs = sorted({each for each in shown if each is not None and key.pictures[each].attack != CHECK})
    found = []
    for metric, of_all in values.items():
        by_pair = np.array([of_all[each] for each in pairs], float)
        if not np.isfinite(by_pair).any():
            continue
        scale = _scale(metric, by_pair)
        of_each = np.array([float("nan") if each is None else of_all[each] for each in shown])
        fitted, told, why = None, None, ""
        try:
            fitted = psychometric_curve(answers, scale.x(of_each), task=key.design.task)
            told = _told(scale, fitted, about)
        except NoCurveError as error:
            why = str(error)
        found.append(OverMetric(metric, by_pair, [key.pictures[each] for each in pairs], told, fitted, why))
    return found


def _scale(metric: MetricColumn, values: np.ndarray) -> FittedCurve:
    """On which scale a metric is taken: of its logarithm, where growing it means more distortion."""
    falling = metric.higher_is_better and not metric.complement
    costs = 1 - values if metric.complement else values
    positive = costs[np.isfinite(costs) & (costs > 0)]
    if falling or not len(positive):
        offset = None
    elif metric.key == "mad":
        offset = OFFSET
    else:
        offset = 0.0 if len(positive) == np.isfinite(costs).sum() else float(np.median(positive)) / 100
    return FittedCurve(FORMAT, metric.key, metric.complement, falling, offset, CALIBRATION, 0.0, 0.0, "")


def _told(scale: FittedCurve, curve: PsychometricCurve, about: str) -> FittedCurve:
    return replace(scale, calibration=curve.calibration, chance=curve.chance, lapse=curve.lapse, caveat=about)

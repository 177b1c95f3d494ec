"""How well scores tell attacked images from clean ones, over repeated splits into training and test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from limen.analysis.intervals import LEVEL, Measured
from limen.errors import UsageError

Scores = tuple[np.ndarray, np.ndarray]
"""Of one repeat, the scores of the clean images that were tested, (n,), and those of the attacked, (m,)."""

OWN_THRESHOLD = 0.5
"""The share of an ensemble's votes from which the majority calls an image attacked."""

DETECTED = 0.9
"""The detection rate at which false alarms are compared."""

_ROUNDING = 1e-12  # of rates that are equal


@dataclass(frozen=True, eq=False)
class Roc:
    """The receiver operating characteristic of scores: detections against false alarms at every threshold.

    Attributes:
        clean: Scores of clean images, (n,), at least one.
        attacked: Scores of attacked images, (m,), at least one; higher means more surely attacked.

    Raises:
        UsageError: If one of them has no score, or one that is not finite.

    Example:
        >>> roc = Roc(np.array([0.1, 0.2, 0.6]), np.array([0.5, 0.7, 0.8]))
        >>> round(roc.area, 3), round(roc.best_accuracy, 3), round(roc.false_alarms_at(0.9), 3)
        (0.889, 0.833, 0.333)
    """

    clean: np.ndarray
    attacked: np.ndarray

    def __post_init__(self) -> None:
        for scores in (self.clean, self.attacked):
            if scores.ndim != 1 or not scores.size or not np.isfinite(scores).all():
                raise UsageError("a ROC needs a finite score of one clean and one attacked image at least")

    @cached_property
    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """Rates of false alarms and of detections, both rising from 0 to 1, at each threshold, (K,)."""
        cuts = np.unique(np.concatenate([self.clean, self.attacked]))[::-1]
        rates = [
            1 - np.searchsorted(np.sort(each), cuts, side="left") / each.size
            for each in (self.clean, self.attacked)
        ]
        false_alarms, detections = (np.concatenate([[0.0], rate]) for rate in rates)
        return false_alarms, detections

    @property
    def area(self) -> float:
        """The area under it: how often an attacked image scores above a clean one, ties counted half."""
        ranks, count = scipy.stats.rankdata(np.concatenate([self.attacked, self.clean])), self.attacked.size
        return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * self.clean.size))

    @property
    def best_accuracy(self) -> float:
        """The balanced accuracy at the threshold that is best for these very scores, so at least 0.5."""
        false_alarms, detections = self.corners
        return float((1 + detections - false_alarms).max() / 2)

    def accuracy(self, threshold: float = OWN_THRESHOLD) -> float:
        """The balanced accuracy of calling attacked what scores above a threshold; at it, half the time."""
        alarms, detected = (
            (each > threshold).mean() + (each == threshold).mean() / 2 for each in (self.clean, self.attacked)
        )
        return float((1 + detected - alarms) / 2)

    def false_alarms_at(self, detected: float = DETECTED) -> float:
        """The lowest rate of false alarms at any threshold that detects at least this share."""
        false_alarms, detections = self.corners
        return float(false_alarms[detections >= detected].min())

    def at(self, false_alarms: np.ndarray) -> np.ndarray:
        """The rates of detections at rates of false alarms, any shape, straight between two thresholds."""
        return np.interp(false_alarms, *self.corners)


@dataclass(frozen=True)
class Detection:
    """How well a detector tells images apart that it was not trained on, with means over the repeats.

    Attributes:
        repeats: How many repeats there were.
        accuracy: Balanced accuracy at the detector's own threshold.
        best_accuracy: Balanced accuracy at the threshold that is best on the test images themselves, so that
            it is above one half for a detector that guesses, too, and more so the fewer images there are.
        area: The area under the ROC.
        false_alarms: The rate of false alarms where `DETECTED` of the attacked images are detected.
    """

    repeats: int
    accuracy: Measured
    best_accuracy: Measured
    area: Measured
    false_alarms: Measured


def detection(scores: Sequence[Scores]) -> Detection:
    """The figures of a detector over repeats, with the intervals of `over_repeats`.

    Args:
        scores: The scores of each repeat.

    Raises:
        UsageError: If a repeat has no clean, or no attacked image.

    Example:
        >>> found = detection([(np.array([0.1, 0.3]), np.array([0.9, 0.8]))] * 3)
        >>> found.repeats, found.accuracy.value, found.false_alarms.value
        (3, 1.0, 0.0)
    """
    curves = [Roc(*each) for each in scores]
    return Detection(
        repeats=len(curves),
        accuracy=over_repeats([each.accuracy() for each in curves]),
        best_accuracy=over_repeats([each.best_accuracy for each in curves]),
        area=over_repeats([each.area for each in curves]),
        false_alarms=over_repeats([each.false_alarms_at() for each in curves]),
    )


def over_repeats(rates: Sequence[float], tested: float = 1.0) -> Measured:
    """The mean of a rate over repeated splits, with a 95 % interval that knows that splits share images.

    The splits are drawn from the same images, so their rates are not independent, and the variance of their
    mean does not fall as 1/R. It is estimated as (1/R + `tested`)·s², with s² the variance over the R
    repeats: the interval covers the draw of the images and of the splits. It is cut to [0, 1].

    Args:
        rates: The rate of each repeat, (R,).
        tested: How many images are tested per image that is trained on; 1 for halves.

    Returns:
        Mean and interval; NaN without repeats, and no interval for one repeat, or for rates that are all
        equal, which say nothing of how sure they are.

    Source:
        Nadeau & Bengio 2003, Inference for the generalization error, Machine Learning 52, Section 5.

    Example:
        >>> found = over_repeats([0.7, 0.8, 0.9])
        >>> round(found.value, 3), round(found.low, 3), found.high
        (0.8, 0.303, 1.0)
    """
    count = len(rates)
    mean = float(np.mean(rates)) if count else math.nan
    spread = float(np.std(rates, ddof=1)) if count > 1 else 0.0
    if spread < _ROUNDING:
        return Measured(mean, math.nan, math.nan)
    half = float(scipy.special.stdtrit(count - 1, (1 + LEVEL) / 2)) * spread * math.sqrt(1 / count + tested)
    return Measured(mean, max(0.0, mean - half), min(1.0, mean + half))


def mean_roc(scores: Sequence[Scores], false_alarms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean detection rate over repeats at rates of false alarms (K,), with `over_repeats`' intervals.

    Returns:
        Means, lower and upper ends, each (K,).

    Source:
        Fawcett 2006, An introduction to ROC analysis, Section 9.1 (vertical averaging).

    Example:
        >>> mean_roc([(np.array([0.1, 0.3]), np.array([0.9, 0.2]))], np.array([0.0, 0.5, 1.0]))[0]
        array([0.5, 1. , 1. ])
    """
    rates = np.array([Roc(*each).at(false_alarms) for each in scores]).reshape(-1, len(false_alarms))
    points = [over_repeats(rate.tolist()) for rate in rates.T]
    ends = np.array([(each.value, each.low, each.high) for each in points]).reshape(-1, 3)
    return ends[:, 0], ends[:, 1], ends[:, 2]

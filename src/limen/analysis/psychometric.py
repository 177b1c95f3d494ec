"""Psychometric curves: how the share of people who notice grows with what a metric says."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from limen.analysis.crossed import crossed_covariance, crossed_quantile
from limen.analysis.intervals import NORMAL, Measured
from limen.analysis.noticing import SAME, Answers
from limen.errors import LimenError
from limen.runs import Calibration

MOST_LAPSES = 0.06
"""The greatest share of answers that is taken for slips, as Wichmann and Hill bound it."""

_LEAST_VALUES = 4
_STEEPEST = 1e3


class NoCurveError(LimenError):
    """Answers through which no rising curve can be laid; the message says why."""


@dataclass(frozen=True, eq=False)
class PsychometricCurve:
    """P(x) = φ + (1 − φ − λ) / (1 + exp(−(a + b·x))), fitted to answers.

    Attributes:
        calibration: a and b, and their covariance over other people and other photographs; intervals go as
            many deviations to either side as a normal distribution's.
        chance: φ, the share of yes where nothing is to be seen.
        lapse: λ, the share of slips where all is to be seen.
        threshold: The x at which half of the people notice: −a / b.
        rank: Spearman's correlation of x with the share of yes, over the pairs of pictures.
        pairs: How many pairs there are.
    """

    calibration: Calibration
    chance: float
    lapse: float
    threshold: Measured
    rank: float
    pairs: int

    def share(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The share who notice beyond chance at x, and the ends of its 95 % interval, each like x."""
        x = np.asarray(x, float)
        first, both, second = self.calibration.covariance
        half = NORMAL * np.sqrt(np.maximum(first + 2 * both * x + second * x * x, 0.0))
        logit = self.calibration.intercept + self.calibration.slope * x
        return (
            scipy.special.expit(logit),
            scipy.special.expit(logit - half),
            scipy.special.expit(logit + half),
        )

    def answers(self, x: np.ndarray) -> np.ndarray:
        """The share of yes at x, like x."""
        return self.chance + (1 - self.chance - self.lapse) * self.share(x)[0]


def psychometric_curve(
    answers: Answers, x: np.ndarray, *, task: str = "same-different", lapses: float = MOST_LAPSES
) -> PsychometricCurve:
    """The curve of greatest likelihood.

    Args:
        answers: The answers, N.
        x: What a metric says of each pair, (N,); NaN where it says nothing, and of identical pairs.
        task: What was asked. Where one of two pictures is right, φ is one half; else it is the share of
            identical pairs that were called different, whose uncertainty is part of the covariance.
        lapses: The greatest λ; 0 for none.

    Raises:
        NoCurveError: If there are fewer than four values of x, no answers to identical pairs where they are
            needed, or a share that does not rise with x is inside the 95 % interval.

    Source:
        Wichmann & Hill 2001, The psychometric function I; for the covariance, `crossed_covariance`.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> people, x = np.arange(2000) % 40, draw.normal(0, 2, 2000)
        >>> yes = draw.random(2000) < 0.5 + 0.5 / (1 + np.exp(-1 - 2 * x))
        >>> seen = Answers(people, np.arange(2000) % 50, np.zeros(2000, int), yes)
        >>> round(psychometric_curve(seen, x, task="2afc", lapses=0).threshold.value, 1)
        -0.5
    """
    same = answers.chosen(answers.kinds == SAME)
    known = np.isfinite(x) & (answers.kinds >= 0)
    seen, x = answers.chosen(known), np.asarray(x, float)[known]
    if len(np.unique(x)) < _LEAST_VALUES:
        raise NoCurveError(f"it has {len(np.unique(x))} values, and a curve needs {_LEAST_VALUES}")
    if task != "same-different":
        chance = 0.5
    elif not len(same.yes):
        raise NoCurveError("no identical pairs were shown, which tell false alarms")
    else:
        chance = float((same.yes.sum() + 0.5) / (len(same.yes) + 1))
    # Whatever the metric's unit, the fit sees a scale of its own.
    centre, spread = float(x.mean()), float(x.std())
    scaled = (x - centre) / spread
    a, b, lapse = _fitted(scaled, seen.yes, chance, lapses)
    if b >= _STEEPEST:
        raise NoCurveError("noticing is a step in it")
    alarms = same if task == "same-different" else None
    if math.isinf(crossed_quantile(seen.people, seen.images)):
        raise NoCurveError("answers of one person, or to one photograph, do not tell how others would")
    covariance = _covariance(seen, alarms, scaled, (a, b, lapse), chance, lapses)
    if b <= NORMAL * math.sqrt(covariance[1, 1]):
        raise NoCurveError("noticing does not rise with it, as far as these answers tell")
    turn = np.array([[1.0, -centre / spread], [0.0, 1 / spread]])
    middle = -a / b
    deviation = math.sqrt(max(np.array([-1 / b, a / b**2]) @ covariance @ [-1 / b, a / b**2], 0.0))
    ends = (centre + spread * (middle + sign * NORMAL * deviation) for sign in (0, -1, 1))
    unscaled = turn @ covariance @ turn.T
    calibration = Calibration(
        a - b * centre / spread, b / spread, (unscaled[0, 0], _within(unscaled), unscaled[1, 1])
    )
    rank, pairs = _rank(seen, x)
    return PsychometricCurve(calibration, chance, lapse, Measured(*ends), rank, pairs)


def _within(matrix: np.ndarray) -> float:
    """The covariance of two numbers, which rounding may have made greater than their variances allow."""
    most = math.sqrt(matrix[0, 0] * matrix[1, 1]) * (1 - 1e-12)
    return float(np.clip(matrix[0, 1], -most, most))


def _fitted(x: np.ndarray, yes: np.ndarray, chance: float, lapses: float) -> tuple[float, float, float]:
    """a, b and λ of greatest likelihood."""

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        p, slopes = _curve(x, values, chance)
        p = np.clip(p, 1e-12, 1 - 1e-12)
        by_p = np.where(yes, 1 / p, -1 / (1 - p))
        return -float(np.log(np.where(yes, p, 1 - p)).mean()), -(slopes @ by_p) / len(x)

    bounds = [(-50.0, 50.0), (-_STEEPEST, _STEEPEST), (0.0, min(lapses, (1 - chance) / 2))]
    tries = [
        scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
        for start in ([0.0, 1.0, 0.0], [0.0, 3.0, lapses / 2])
    ]
    a, b, lapse = min(tries, key=lambda each: each.fun).x.tolist()
    return a, b, lapse


def _curve(x: np.ndarray, values: np.ndarray, chance: float) -> tuple[np.ndarray, np.ndarray]:
    """The share of yes (N,), and its slopes by a, b and λ, (3, N)."""
    a, b, lapse = values
    rise = scipy.special.expit(a + b * x)
    height = 1 - chance - lapse
    slope = height * rise * (1 - rise)
    return chance + height * rise, np.stack([slope, slope * x, -rise])


def _covariance(
    seen: Answers,
    same: Answers | None,
    x: np.ndarray,
    values: tuple[float, float, float],
    chance: float,
    lapses: float,
) -> np.ndarray:
    """The covariance (2, 2) of a and b over other people and other photographs.

    That λ is fitted counts also where it is at an end of its range: held fixed there, intervals were too
    short in simulations.
    """
    p, slopes = _curve(x, np.array(values), chance)
    if not lapses:
        slopes = slopes[:2]
    weights = 1 / (p * (1 - p))
    information = (slopes * weights) @ slopes.T
    if lapses:
        information[2, 2] += 1 / lapses**2  # λ is known to be of this order at most
    inverse = np.linalg.pinv(information)
    # By how much each answer moves the numbers: its score, through the inverse of the information.
    moves = (inverse @ (slopes * weights * (seen.yes - p))).T[:, :2]
    least = inverse[:2, :2].copy()
    people, images = seen.people, seen.images
    if same is not None:
        # φ is read off the identical pairs; what it is off by, the curve makes up for.
        by_chance = -inverse @ (slopes * weights) @ (1 - (p - chance) / (1 - chance - values[2]))
        alarms = (same.yes - same.yes.mean()) / len(same.yes)
        moves = np.concatenate([moves, np.outer(alarms, by_chance[:2])])
        least += np.outer(by_chance[:2], by_chance[:2]) * chance * (1 - chance) / len(same.yes)
        people = np.concatenate([people, same.people])
        images = np.concatenate([images, same.images])
    excess = crossed_covariance(moves, people, images, least) - least
    # As in `crossed_half`: only what exceeds independent answers is known from few groups.
    return least + (crossed_quantile(seen.people, seen.images) / NORMAL) ** 2 * excess


def _rank(seen: Answers, x: np.ndarray) -> tuple[float, int]:
    """Spearman's correlation of x with the share of yes over pairs of pictures, and how many these are."""
    pairs = seen.images * (1 + seen.kinds.max()) + seen.kinds
    _, first, places = np.unique(pairs, return_index=True, return_inverse=True)
    shares = np.bincount(places, seen.yes) / np.bincount(places)
    if len(np.unique(shares)) < 2:
        return math.nan, len(first)
    return float(scipy.stats.spearmanr(x[first], shares).statistic), len(first)

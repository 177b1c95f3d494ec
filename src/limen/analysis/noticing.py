"""What answers of people say of an attack, or of one image: the share that notices, and d′."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import scipy

from limen.analysis.crossed import crossed_half
from limen.analysis.intervals import Measured, wilson

_GREATEST = 12.0  # beyond which no share of answers tells one d′ from another


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers to pairs of pictures, N of them.

    Attributes:
        people: Who answered, (N,), numbers.
        images: About which photograph, (N,), numbers.
        kinds: What had altered it, (N,), numbers from 0; −1 for an identical pair.
        yes: Whether the answer was "different"; in a task with a right side, whether it was right, (N,) bool.
    """

    people: np.ndarray
    images: np.ndarray
    kinds: np.ndarray
    yes: np.ndarray

    def chosen(self, which: np.ndarray) -> Answers:
        """Those of the answers, by places or a mask."""
        return Answers(self.people[which], self.images[which], self.kinds[which], self.yes[which])


@dataclass(frozen=True)
class Noticed:
    """What people noticed of an attack, or of one image that it made.

    Attributes:
        people: How many people answered.
        images: About how many photographs.
        answers: How often.
        yes: The share of answers "different", or of right answers.
        share: The share who noticed: the excess over those who would have said so anyway.
        d_prime: The distance of altered pairs from others on the observers' scale, in its deviations.
    """

    people: int
    images: int
    answers: int
    yes: Measured
    share: Measured
    d_prime: Measured


_NONE = Measured(math.nan, math.nan, math.nan)
NOTHING = Noticed(0, 0, 0, _NONE, _NONE, _NONE)
"""What is known where nobody answered."""


def false_alarms(answers: Answers) -> Measured:
    """The share of identical pairs that were called different, over other people and other images."""
    same = answers.chosen(answers.kinds < 0)
    return _rate(same) if len(same.yes) else NOTHING.yes


def noticed(
    answers: Answers, kind: int, image: int | None = None, *, task: str = "same-different"
) -> Noticed:
    """What people noticed of an attack, as intervals over other people and other photographs.

    Where the task is same-different, H of the answers to altered pairs are "different", and F of those to
    identical ones. The share who noticed is (H − F) / (1 − F), and d′ is z(H) − z(F). Where one of two
    pictures is right, and R of the answers are, the share is 2R − 1, and d′ is √2·z(R) for 2afc; for match it
    solves R = Φ(d/√2)Φ(d/√6) + Φ(−d/√2)Φ(−d/√6), as observers compare each picture with the original.
    All are of a random person and a random photograph: rates over all answers, to which half an answer of
    either kind is added for d′ and the share, so that no rate is 0 or 1.

    Args:
        answers: All answers of the study.
        kind: The attack.
        image: The one photograph that is meant, so that intervals are over other people alone; None for all.
        task: What was asked.

    Source:
        Macmillan & Creelman 2005, Detection theory, Sections 1, 7 and 9; Hautus 1995, for the half answers.

    Example:
        >>> n = np.arange(200)
        >>> seen = Answers(n % 20, n % 19, np.where(n < 100, 0, -1), (n % 10 < 7) & (n < 100) | (n % 10 < 2))
        >>> round(noticed(seen, 0).share.value, 2), round(noticed(seen, 0).d_prime.value, 2)
        (0.62, 1.35)
    """
    altered = answers.kinds == kind
    if image is not None:
        altered &= answers.images == image
    of_kind = answers.chosen(altered)
    if not len(of_kind.yes):
        return NOTHING
    rate = _rate(of_kind) if image is None else _wilson(of_kind)
    if task != "same-different":
        found = _of_sides(rate, of_kind, task)
    else:
        same = answers.chosen(answers.kinds < 0)
        if not len(same.yes):
            found = NOTHING.share, NOTHING.d_prime
        else:
            found = _over_false_alarms(answers.chosen(altered | (answers.kinds < 0)))
    people, images = (len(np.unique(each)) for each in (of_kind.people, of_kind.images))
    return Noticed(people, images, len(of_kind.yes), rate, *found)


def _rate(answers: Answers) -> Measured:
    """The share of yes, on the scale of its logit, with half an answer of either kind for its ends."""
    value, mean = float(answers.yes.mean()), _padded(answers.yes)
    slope = 1 / (mean * (1 - mean))
    half = _half(answers, [slope])
    logit = math.log(mean / (1 - mean))
    low, high = (float(scipy.special.expit(logit + sign * half)) for sign in (-1, 1))
    return Measured(value, min(low, value), max(high, value))


def _wilson(answers: Answers) -> Measured:
    """The share of yes about one image, each by another person."""
    return wilson(int(answers.yes.sum()), len(answers.yes))


def _over_false_alarms(answers: Answers) -> tuple[Measured, Measured]:
    """The share beyond false alarms, and d′, of altered pairs among identical ones."""
    altered = answers.kinds >= 0
    hits, alarms = _padded(answers.yes[altered]), _padded(answers.yes[~altered])
    # ln((1 − H)/(1 − F)), of which the share is one minus its exponential, has no end that it could hit.
    ratio = math.log((1 - hits) / (1 - alarms))
    half = _half(answers, [-1 / (1 - hits), 1 / (1 - alarms)])
    share = Measured(*(1 - math.exp(min(ratio + sign * half, 700.0)) for sign in (0, 1, -1)))
    scores = scipy.stats.norm.ppf([hits, alarms])
    slopes = 1 / scipy.stats.norm.pdf(scores)
    value = float(scores[0] - scores[1])
    half = _half(answers, [slopes[0], -slopes[1]])
    return share, Measured(value, value - half, value + half)


def _half(answers: Answers, slopes: list[float]) -> float:
    """Half the interval of a figure that rises by these slopes with the rates of altered and other pairs."""
    altered = answers.kinds >= 0
    parts = [altered, ~altered] if len(slopes) > 1 else [np.ones_like(altered)]
    influences, least = np.zeros(len(answers.yes)), 0.0
    for which, slope in zip(parts, slopes, strict=True):
        yes, rate = answers.yes[which], _padded(answers.yes[which])
        influences[which] = slope * (yes - yes.mean()) / len(yes)
        least += slope**2 * rate * (1 - rate) / len(yes)
    return crossed_half(influences, answers.people, answers.images, least)


def _padded(yes: np.ndarray) -> float:
    """The share with half an answer of either kind added, which is neither 0 nor 1."""
    return float((yes.sum() + 0.5) / (len(yes) + 1))


def _of_sides(rate: Measured, answers: Answers, task: str) -> tuple[Measured, Measured]:
    """The share beyond guesses, and d′, of right answers where one of two is right."""
    share = Measured(*(2 * each - 1 for each in (rate.value, rate.low, rate.high)))
    inverse = _two_alternatives if task == "2afc" else _match
    return share, Measured(*(inverse(each) for each in (_padded(answers.yes), rate.low, rate.high)))


def _two_alternatives(rate: float) -> float:
    return math.sqrt(2) * float(np.clip(scipy.stats.norm.ppf(rate), -_GREATEST, _GREATEST))


@functools.cache
def _match(rate: float) -> float:
    """The d′ at which this share of matches to an original is right; 0 for no more than half of them."""
    if rate <= 0.5:
        return 0.0
    if _right_matches(_GREATEST) <= rate:
        return _GREATEST
    return float(scipy.optimize.brentq(lambda d: _right_matches(d) - rate, 0.0, _GREATEST))


def _right_matches(d_prime: float) -> float:
    first, second = (scipy.stats.norm.cdf(d_prime / math.sqrt(each)) for each in (2, 6))
    return float(first * second + (1 - first) * (1 - second))

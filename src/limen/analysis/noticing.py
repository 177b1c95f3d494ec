"""What answers of people say of an attack, or of one image: the share that notices, and d′."""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from limen.analysis.crossed import crossed_half
from limen.analysis.intervals import Measured, wilson

SAME = -1
"""The kind of an identical pair."""

CHECK = -2
"""The kind of a pair that differs so much that only who slips, or does not look, misses it."""

MOST_SLIPS = 0.25
"""The greatest share of answers that is taken for slips: beyond it, people did not look."""

_GREATEST = 12.0  # beyond which no share of answers tells one d′ from another


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers to pairs of pictures, N of them.

    Attributes:
        people: Who answered, (N,), numbers.
        images: About which photograph, (N,), numbers.
        kinds: What had altered it, (N,), numbers from 0; `SAME` or `CHECK` for other pairs.
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
    same = answers.chosen(answers.kinds == SAME)
    return _rate(same) if len(same.yes) else NOTHING.yes


def slips(answers: Answers) -> Measured:
    """The share of pairs that nobody can miss, and were missed, over other people and other images."""
    checks = answers.chosen(answers.kinds == CHECK)
    if not len(checks.yes):
        return NOTHING.yes
    return _rate(dataclasses.replace(checks, yes=~checks.yes))


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

    Where pairs that nobody can miss were shown, and a share λ of them was missed, λ of all answers are taken
    to be slips that turned an answer into the other: H is then (H − λ) / (1 − 2λ), and F and R likewise.

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
        found = _of_sides(answers.chosen(altered | (answers.kinds == CHECK)), task, image is None)
    else:
        of_study = answers.chosen(altered | (answers.kinds < 0))
        found = _over_false_alarms(of_study) if SAME in answers.kinds else (NOTHING.share, NOTHING.d_prime)
    people, images = (len(np.unique(each)) for each in (of_kind.people, of_kind.images))
    return Noticed(people, images, len(of_kind.yes), rate, *found)


def _rate(answers: Answers) -> Measured:
    """The share of yes, with half an answer of either kind for its ends."""
    mean = _padded(answers.yes)
    ends = _on_logits(mean, _half(answers, np.full(len(answers.yes), 1 / (mean * (1 - mean)))))
    value = float(answers.yes.mean())
    return Measured(value, min(ends[0], value), max(ends[1], value))


def _on_logits(value: float, half: float) -> tuple[float, float]:
    """The ends of an interval that goes so far to either side of the logit."""
    logit = math.log(value / (1 - value))
    low, high = (float(scipy.special.expit(logit + sign * half)) for sign in (-1, 1))
    return low, high


def _wilson(answers: Answers) -> Measured:
    """The share of yes about one image, each by another person."""
    return wilson(int(answers.yes.sum()), len(answers.yes))


class _Unslipped:
    """A share of yes as it would be without slips, and how it moves with that of yes and that of slips."""

    def __init__(self, answers: Answers, which: np.ndarray) -> None:
        self.which, self.checks = which, answers.kinds == CHECK
        missed = ~answers.yes[self.checks]
        self.slips = min(_padded(missed), MOST_SLIPS) if len(missed) else 0.0
        yes, answered = _padded(answers.yes[which]), int(which.sum())
        kept = 1 - 2 * self.slips
        self.rate = float(np.clip(self.of(yes), 0.5 / (answered + 1), 1 - 0.5 / (answered + 1)))
        self.by_yes, self.by_slips = 1 / kept, (2 * yes - 1) / kept**2

    def of(self, yes: float) -> float:
        """What a share of yes would be without slips, which may be below 0 or above 1."""
        return (yes - self.slips) / (1 - 2 * self.slips)

    def moves(self, slope: float) -> np.ndarray:
        """The slopes, as `_half` takes them, of a figure that rises by this one with the rate."""
        return slope * (self.which * self.by_yes - self.checks * self.by_slips)


def _over_false_alarms(answers: Answers) -> tuple[Measured, Measured]:
    """The share beyond false alarms, and d′, of altered pairs among identical ones."""
    hits, alarms = (_Unslipped(answers, which) for which in (answers.kinds >= 0, answers.kinds == SAME))
    # ln((1 − H)/(1 − F)), of which the share is one minus its exponential, has no end that it could hit.
    ratio = math.log((1 - hits.rate) / (1 - alarms.rate))
    half = _half(answers, hits.moves(-1 / (1 - hits.rate)) + alarms.moves(1 / (1 - alarms.rate)))
    share = Measured(*(1 - math.exp(min(ratio + sign * half, 700.0)) for sign in (0, 1, -1)))
    scores = scipy.special.ndtri([hits.rate, alarms.rate])
    slopes = math.sqrt(2 * math.pi) * np.exp(scores**2 / 2)
    value = float(scores[0] - scores[1])
    half = _half(answers, hits.moves(slopes[0]) + alarms.moves(-slopes[1]))
    return share, Measured(value, value - half, value + half)


def _half(answers: Answers, slopes: np.ndarray) -> float:
    """Half the interval of a figure that rises by these slopes, (N,), with the share of yes of each kind."""
    influences, least = np.zeros(len(answers.yes)), 0.0
    for which in (answers.kinds >= 0, answers.kinds == SAME, answers.kinds == CHECK):
        if which.any():
            yes, slope = answers.yes[which], slopes[which][0]
            influences[which] = slope * (yes - yes.mean()) / len(yes)
            rate = _padded(yes)
            least += slope**2 * rate * (1 - rate) / len(yes)
    return crossed_half(influences, answers.people, answers.images, least)


def _padded(yes: np.ndarray) -> float:
    """The share with half an answer of either kind added, which is neither 0 nor 1."""
    return float((yes.sum() + 0.5) / (len(yes) + 1))


def _of_sides(answers: Answers, task: str, over_images: bool) -> tuple[Measured, Measured]:
    """The share beyond guesses, and d′, of right answers where one of two is right."""
    of_kind = answers.chosen(answers.kinds >= 0)
    right = _Unslipped(answers, answers.kinds >= 0)
    if over_images:
        slope = 1 / (right.rate * (1 - right.rate))
        low, high = _on_logits(right.rate, _half(answers, right.moves(slope)))
    else:
        ends = _wilson(of_kind)
        low, high = (float(np.clip(right.of(each), 0, 1)) for each in (ends.low, ends.high))
    value = float(np.clip(right.of(float(of_kind.yes.mean())), 0, 1))
    share = Measured(*(2 * each - 1 for each in (value, min(low, value), max(high, value))))
    inverse = _two_alternatives if task == "2afc" else _match
    return share, Measured(*(inverse(each) for each in (right.rate, min(low, value), max(high, value))))


def _two_alternatives(rate: float) -> float:
    return math.sqrt(2) * float(np.clip(scipy.special.ndtri(rate), -_GREATEST, _GREATEST))


@functools.cache
def _match(rate: float) -> float:
    """The d′ at which this share of matches to an original is right; 0 for no more than half of them."""
    if rate <= 0.5:
        return 0.0
    if _right_matches(_GREATEST) <= rate:
        return _GREATEST
    root: Any = scipy.optimize.brentq(lambda d: _right_matches(d) - rate, 0.0, _GREATEST)
    return float(root)


def _right_matches(d_prime: float) -> float:
    first, second = (scipy.special.ndtr(d_prime / math.sqrt(each)) for each in (2, 6))
    return float(first * second + (1 - first) * (1 - second))

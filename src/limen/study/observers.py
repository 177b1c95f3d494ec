"""Observers: how each of them answered, and who seems to guess."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from limen.analysis import Measured, wilson
from limen.study.answers import Sheet, said_yes
from limen.study.key import Key, Trial

FASTEST = 300
"""Below how many milliseconds the median answer is no judgement of two pictures."""

_SURE = 0.05
_FEWEST = 5  # trials by which chance can be told from care at all


@dataclass(frozen=True)
class Observer:
    """How one observer answered.

    Attributes:
        name: The observer's number or name.
        answers: How many pairs were answered.
        of: Of how many.
        altered: Of altered pairs, the share called different; or of all, the share of right answers.
        alarms: Of identical pairs, the share called different; NaN where none was shown.
        ms: The median time of an answer, in milliseconds.
        away: In how many trials the page was left.
        guesses: Why the observer seems to guess, in sentences; none for who does not.
    """

    name: str
    answers: int
    of: int
    altered: Measured
    alarms: Measured
    ms: float
    away: int
    guesses: tuple[str, ...]


def observers_of(sheets: Sequence[Sheet], key: Key) -> list[Observer]:
    """How each observer answered, and why one seems to guess: as a coin would, and unlike the others."""
    tallies = [_tally(each, key) for each in sheets]
    total = np.sum([(each.told, each.of) for each in tallies], axis=0)
    found = []
    for sheet, tally in zip(sheets, tallies, strict=True):
        ms = float(np.median([each.ms for each in sheet.answers])) if sheet.answers else math.nan
        others = total - (tally.told, tally.of)
        found.append(
            Observer(
                sheet.observer,
                len(sheet.answers),
                len(key.schedules[sheet.schedule]),
                wilson(*tally.altered),
                wilson(*tally.alarms),
                ms,
                sum(each.away for each in sheet.answers),
                tuple(_guesses(sheet, key, tally, others, ms)),
            )
        )
    return found


@dataclass(frozen=True)
class _Tally:
    """Yes, and how many answers, to altered and to identical pairs."""

    altered: tuple[int, int]
    alarms: tuple[int, int]
    sided: bool

    @property
    def told(self) -> int:
        """How many answers were right that only who looks gets right."""
        return self.altered[0] if self.sided else self.of - self.alarms[0]

    @property
    def of(self) -> int:
        """Of how many such."""
        return (self.altered if self.sided else self.alarms)[1]


def _tally(sheet: Sheet, key: Key) -> _Tally:
    yes = np.array([said_yes(each, key) for each in sheet.answers], bool)
    same = np.array([key.altered(Trial(each.left, each.right)) is None for each in sheet.answers], bool)
    altered, alarms = ((int(yes[which].sum()), int(which.sum())) for which in (~same, same))
    return _Tally(altered, alarms, key.design.task != "same-different")


def _guesses(sheet: Sheet, key: Key, tally: _Tally, others: np.ndarray, ms: float) -> Iterator[str]:
    words = {each.answer for each in sheet.answers}
    if len(sheet.answers) >= _FEWEST and len(words) == 1:
        yield f"always answered {words.pop()}"
    elif tally.of >= _FEWEST and _like_a_coin(tally, others):
        if tally.sided:
            yield f"was right on {tally.told} of {tally.of}, as a coin would be, and less often than others"
        else:
            count, of = tally.alarms
            yield f"called {count} of {of} identical pairs different, as a coin would, and more than others"
    if ms < FASTEST:
        yield f"answered within {ms:.0f} ms, which is no time to look"


def _like_a_coin(tally: _Tally, others: np.ndarray) -> bool:
    """Whether a coin may have been right so often, and others hardly would have been right so seldom."""
    by_coin = scipy.stats.binomtest(tally.told, tally.of, 0.5, "greater").pvalue
    right, of = others.tolist()
    by_others = scipy.stats.binomtest(tally.told, tally.of, (right + 0.5) / (of + 1), "less").pvalue
    return by_coin > _SURE > by_others

"""Observers: how each of them answered, and who seems to guess."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from limen.analysis import Measured, wilson
from limen.study.answers import Sheet, said_yes
from limen.study.key import CHECK, Key, Trial

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
        checks: Of pairs that nobody can miss, the share of right answers; NaN where none was shown.
        ms: The median time of an answer, in milliseconds.
        away: In how many trials the page was left.
        guesses: Why the observer seems to guess, in sentences; none for who does not.
    """

    name: str
    answers: int
    of: int
    altered: Measured
    alarms: Measured
    checks: Measured
    ms: float
    away: int
    guesses: tuple[str, ...]


Tally = dict[str, tuple[int, int]]
"""Yes, and how many answers, by what was shown: `altered`, `identical` or `checks`."""


def observers_of(sheets: Sequence[Sheet], key: Key) -> list[Observer]:
    """How each observer answered, and why one seems to guess: as a coin would, and unlike the others."""
    tallies = [_tally(each, key) for each in sheets]
    found = []
    for place, (sheet, tally) in enumerate(zip(sheets, tallies, strict=True)):
        ms = float(np.median([each.ms for each in sheet.answers])) if sheet.answers else math.nan
        found.append(
            Observer(
                sheet.observer,
                len(sheet.answers),
                len(key.schedules[sheet.schedule]),
                wilson(*tally["altered"]),
                wilson(*tally["identical"]),
                wilson(*tally["checks"]),
                ms,
                sum(each.away for each in sheet.answers),
                tuple(_guesses(sheet, key, tally, tallies[:place] + tallies[place + 1 :], ms)),
            )
        )
    return found


def _tally(sheet: Sheet, key: Key) -> Tally:
    yes: dict[str, list[bool]] = {"altered": [], "identical": [], "checks": []}
    for each in sheet.answers:
        picture = key.altered(Trial(each.left, each.right))
        part = "identical" if picture is None else "checks" if picture.attack == CHECK else "altered"
        yes[part].append(said_yes(each, key))
    return {part: (sum(answers), len(answers)) for part, answers in yes.items()}


def _guesses(sheet: Sheet, key: Key, tally: Tally, others: Sequence[Tally], ms: float) -> Iterator[str]:
    words = {each.answer for each in sheet.answers}
    if len(sheet.answers) >= _FEWEST and len(words) == 1:
        yield f"always answered {words.pop()}"
    else:
        yield from _like_coins(tally, others, key.design.task != "same-different")
    if ms < FASTEST:
        yield f"answered within {ms:.0f} ms, which is no time to look"


def _like_coins(tally: Tally, others: Sequence[Tally], sided: bool) -> Iterator[str]:
    """Where a coin would have done as well, and others did better."""
    yes, of = tally["checks"]
    if of >= _FEWEST and _like_a_coin(tally, others, "checks"):
        yield f"was right on {yes} of {of} attention checks, as a coin would be, and less often than others"
    yes, of = tally["identical"]
    if of >= _FEWEST and _like_a_coin(tally, others, "identical"):
        yield f"called {yes} of {of} identical pairs different, as a coin would, and more than others"
    yes, of = tally["altered"]
    # Of changes that nobody sees everybody is right as often as a coin: attention checks tell better.
    if sided and of >= _FEWEST > tally["checks"][1] and _like_a_coin(tally, others, "altered"):
        yield f"was right on {yes} of {of}, as a coin would be, and less often than others"


def _like_a_coin(tally: Tally, others: Sequence[Tally], part: str) -> bool:
    """Whether a coin may have been right so often, and others hardly would have been right so seldom."""
    (right, of), *rest = (
        (of - yes if part == "identical" else yes, of)
        for yes, of in (each[part] for each in (tally, *others))
    )
    by_coin = scipy.stats.binomtest(right, of, 0.5, "greater").pvalue
    usual = (sum(each for each, _ in rest) + 0.5) / (sum(each for _, each in rest) + 1)
    by_others = scipy.stats.binomtest(right, of, usual, "less").pvalue
    return by_coin > _SURE > by_others

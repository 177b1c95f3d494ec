"""Who sees what, when and where: trials drawn from a seed, so that all is shown equally often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from limen.errors import UnknownNameError, UsageError
from limen.safety import check_count

Task = Literal["same-different", "2afc", "match"]
"""What is asked of two pictures side by side: whether they differ; which one was altered; or which one
equals the original, which is shown, too."""

After = Literal["blank", "mask", "stay"]
"""What follows when the viewing time is over: nothing, noise, or the pictures themselves."""

TASKS: tuple[Task, ...] = get_args(Task)
"""Every task."""

AFTERS: tuple[After, ...] = get_args(After)
"""All that may follow when the viewing time is over."""

MOST_OBSERVERS = 1000
"""How many observers a study may be made for."""

_USUAL = 80  # trials, about ten minutes
_LONGEST = 600_000  # milliseconds
_SIDE = 224
_GREATEST_ZOOM = 32


@dataclass(frozen=True)
class Design:
    """How a study is carried out.

    Attributes:
        task: What is asked.
        observers: For how many people trials are drawn; further ones get those of earlier ones.
        trials: How many pairs each of them sees.
        same: How many of these are identical; 0 where the task is not same-different.
        checks: How many further pairs each sees that nobody can miss, by which slips and guesses are told.
        view: For how many milliseconds a pair is seen at most; 0 for as long as the answer takes.
        after: What follows then.
        zoom: How many pixels of a style sheet a pixel of a picture takes to each side, rounded to whole
            pixels of the screen.
        seed: Seed of everything that is drawn.

    Raises:
        UsageError: If a number is out of its range, or a task with a right side has identical pairs.
    """

    task: Task = "same-different"
    observers: int = 100
    trials: int = _USUAL
    same: int = _USUAL // 2
    checks: int = 0
    view: int = 5000
    after: After = "blank"
    zoom: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (("task", self.task, TASKS), ("after", self.after, AFTERS)):
            if value not in known:
                raise UnknownNameError(name, str(value), known)
        check_count("observers", self.observers, MOST_OBSERVERS)
        check_count("trials", self.trials)
        check_count("same", self.same, self.trials, least=0)
        check_count("checks", self.checks, least=0)
        check_count("view", self.view, _LONGEST, least=0)
        check_count("zoom", self.zoom, _GREATEST_ZOOM)
        check_count("seed", self.seed, 2**63 - 1, least=0)
        if self.same and self.task != "same-different":
            raise UsageError(f"the task {self.task} has no identical pairs; leave the share of them at 0")
        if self.same == self.trials:
            raise UsageError("every pair would be identical; ask for more trials, or for a lower share")


def trials_of(
    task: Task, photographs: int, attacks: int, trials: int | None, share: float
) -> tuple[int, int]:
    """How many pairs an observer sees, and how many of them are identical.

    Args:
        task: What is asked.
        photographs: How many there are.
        attacks: How many attacks altered each of them.
        trials: How many pairs to show; as many as there are, but at most 80, where None.
        share: Which share of them is identical, in a task that has such pairs.

    Raises:
        UsageError: If there are not so many pairs, each of which an observer sees once.

    Example:
        >>> trials_of("same-different", 20, 2, None, 0.5), trials_of("2afc", 20, 2, None, 0.5)
        ((40, 20), (40, 0))
    """
    share = share if task == "same-different" else 0.0
    if not 0 <= share < 1:
        raise UsageError(f"the share of identical pairs is {share:g}; give one from 0 to below 1")
    altered = photographs * attacks
    most = max((n for n in range(1, _USUAL + 1) if _fits(n, share, photographs, altered)), default=1)
    chosen = most if trials is None else check_count("trials", trials)
    if not _fits(chosen, share, photographs, altered):
        same = _identical(chosen, share)
        raise UsageError(
            f"{chosen} trials need {chosen - same} altered and {same} identical pairs, and the run has "
            f"{altered} and {photographs}; ask for fewer trials"
        )
    return chosen, _identical(chosen, share)


def _identical(trials: int, share: float) -> int:
    return math.ceil(round(trials * share, 9))


def _fits(trials: int, share: float, photographs: int, altered: int) -> bool:
    same = _identical(trials, share)
    return same <= photographs and 0 < trials - same <= altered


@dataclass(frozen=True)
class Shown:
    """A trial: the photograph, what altered it, and where the altered picture is.

    Attributes:
        photograph: Its number.
        attack: The number of the attack, that after the last for a pair that nobody can miss; None for an
            identical pair.
        right: Whether the altered picture is on the right.
    """

    photograph: int
    attack: int | None
    right: bool


def schedule(design: Design, photographs: int, attacks: int) -> list[list[Shown]]:
    """The trials of each observer, in their order.

    Over the first observers, however many, each photograph is shown under each attack equally often, up to
    one; likewise unaltered, and altered so that nobody can miss it. An observer sees each attack equally
    often, up to one, and in half of its trials on the right. A photograph is seen again, in another pair,
    only by whom nothing else is left for that is due.

    Args:
        design: How the study is carried out.
        photographs: How many there are.
        attacks: How many attacks altered each of them.

    Returns:
        For each observer the trials; the same for the same arguments, and those of the first observers
        whatever their number.

    Example:
        >>> [first] = schedule(Design(observers=1, trials=4, same=2), 4, 1)
        >>> sorted(each.photograph for each in first)
        [0, 1, 2, 3]
    """
    altered = design.trials - design.same
    shown = np.zeros((attacks + 2, photographs), int)
    plans = []
    for observer in range(design.observers):
        draw = np.random.default_rng((design.seed, observer))
        quotas = _quotas(altered, attacks, observer)
        seen = np.zeros(photographs, int)
        trials: list[Shown] = []
        counts = [*quotas, design.same, design.checks]
        for kind in [*np.roll(np.arange(attacks + 1), -observer).tolist(), attacks + 1]:
            count = counts[kind]
            # By the last key first: the least often shown, of these what this observer has not seen, by lot.
            order = np.lexsort((draw.random(photographs), seen, shown[kind]))[:count]
            shown[kind, order] += 1
            seen[order] += 1
            sides = draw.permutation((np.arange(count) + draw.integers(2)) % 2).astype(bool).tolist()
            attack = {attacks: None, attacks + 1: attacks}.get(kind, kind)
            trials += [
                Shown(photograph, attack, right and attack is not None)
                for photograph, right in zip(order.tolist(), sides, strict=True)
            ]
        plans.append([trials[place] for place in draw.permutation(len(trials))])
    return plans


def _quotas(altered: int, attacks: int, observer: int) -> Sequence[int]:
    """How many pairs of each attack an observer sees: what does not divide goes round."""
    each, rest = divmod(altered, attacks)
    first = observer * rest % attacks
    return [each + ((attack - first) % attacks < rest) for attack in range(attacks)]


def usual_zoom(height: int, width: int) -> int:
    """The zoom at which pictures are about as large as photographs of 224 pixels.

    Example:
        >>> usual_zoom(28, 28), usual_zoom(96, 96), usual_zoom(299, 299)
        (8, 2, 1)
    """
    return min(max(1, round(_SIDE / max(height, width))), _GREATEST_ZOOM)


def minutes(design: Design, seconds: float = 4.0) -> int:
    """How long a study takes about, where an answer takes so many seconds.

    Example:
        >>> minutes(Design(trials=80))
        6
    """
    return math.ceil((design.trials + design.checks) * (seconds + 0.5) / 60)

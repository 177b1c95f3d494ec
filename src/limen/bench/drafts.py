"""What a spec asks of a benchmark, and what it leaves open: counts, and a budget to be searched."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from limen import catalog
from limen.catalog import Request
from limen.catalog.budget_search import LEAST, TRIES, tries_of
from limen.catalog.table import PYTHON
from limen.evaluation import AnyAttack
from limen.spec import Spec

_STEPS = (
    "steps",
    "num_steps",
    "nb_steps",
    "n_steps",
    "n_iter",
    "iter",
    "max_iter",
    "max_iterations",
)
_COUNTS = (
    *_STEPS,
    "search_steps",
    "binary_search_steps",
    "num_binary_search_steps",
    "rounds",
    "restarts",
    "n_restarts",
    "nb_random_init",
    "squares",
    "n_queries",
)
"""What attacks, of other libraries too, call how often they do something; that of steps first."""

_BUDGET = "eps"  # of other libraries' attacks, which have no default of it
_LEAST_TRIES, _MOST_TRIES = 3, 8


@dataclass(frozen=True)
class Draft:
    """A spec that was read, before it is known how many passes its counts take.

    Attributes:
        asked: The spec.
        parsed: The same as data.
        request: What it names, typed.
        given: The values that it states.
        tries: How many budgets are tried; the number of a grid's values.
        searched: Whether each image's least budget is searched.
        open_counts: The counts that it leaves open, with their defaults.
    """

    asked: str
    parsed: Spec
    request: Request
    given: Mapping[str, tuple[str, ...]]
    tries: int
    searched: bool
    open_counts: Mapping[str, int]

    @property
    def states_counts(self) -> bool:
        """Whether it says itself what may take more passes than are allowed: a grid, or any count."""
        grid, known = self.tries > 1 and not self.searched, self.request.entry.parameters
        counts = {each.name for each in known if int in each.types and float not in each.types}
        return grid or not (counts | {*_COUNTS, TRIES}).isdisjoint(self.given)

    @property
    def kept(self) -> frozenset[str]:
        """The counts that are not cut before others are as few as they may be, as its factory says."""
        return getattr(self.request.entry.thing, "kept", frozenset())

    @property
    def is_of_a_file(self) -> bool:
        """Whether it names code that may be another the next time."""
        return self.parsed.name == PYTHON

    def made(self, counts: Mapping[str, int], tries: int) -> AnyAttack:
        """The attack, grid or search with these counts.

        Raises:
            UsageError: If one of its values is refused.
        """
        return self._made(counts, self.given, tries)

    def once(self, counts: Mapping[str, int]) -> Any:
        """The same at one budget: what a call takes."""
        return self._made(counts, _alone(self.given), 1)

    def _made(
        self, counts: Mapping[str, int], values: Mapping[str, tuple[str, ...]], tries: int
    ) -> AnyAttack:
        chosen = {name: (str(count),) for name, count in counts.items()}
        if self.searched and (budget := self.request.identity.budget) is not None:
            chosen = {budget: (LEAST,), TRIES: (str(tries),), **chosen}
        return catalog.attack_or_grid(_written(self.parsed, {**values, **chosen}))


def draft(spec: str, allowed: int) -> Draft:
    """Read a spec of an attack.

    Args:
        spec: The spec.
        allowed: How many passes an image may take: the more, the more budgets are tried.

    Raises:
        UsageError: If it cannot be followed.
        LimenError: If the library or file that it names cannot be used.
    """
    table = catalog.ATTACKS
    parsed = table.parse(spec)
    given = dict(parsed.values)
    if (LEAST,) in given.values():
        catalog.attack_or_grid(spec)  # so that an error is about what was asked
    # One budget tells what a call takes, and what a spec says of counts is the same for all.
    request = table.read(_written(parsed, _alone(given)), [_BUDGET])
    budget, swept = request.identity.budget, [len(texts) for texts in given.values() if len(texts) > 1]
    searched = (LEAST,) in given.values() or (not swept and budget not in given and _searchable(request))
    tries = _tries(given, allowed) if searched else math.prod(swept)
    made = Draft(spec, parsed, request, given, tries, searched, _open_counts(request))
    made.once({name: min(2, count) for name, count in made.open_counts.items()})  # tells what it refuses
    return made


def _alone(given: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {key: texts[:1] for key, texts in given.items() if key != TRIES and texts != (LEAST,)}


def _written(parsed: Spec, values: Mapping[str, tuple[str, ...]]) -> str:
    return str(replace(parsed, values=tuple(values.items())))


def _searchable(request: Request) -> bool:
    """Whether an attack needs a budget, whose least value can be searched: one that counts steps cannot."""
    return any(
        each.name == request.identity.budget and float in each.types and each.default is not None
        for each in request.entry.parameters
    )


def _open_counts(request: Request) -> dict[str, int]:
    """The counts that a request leaves open, with their defaults; a budget that is a whole number is one."""
    budget = request.identity.budget
    found = {
        each.name: each.default
        for each in request.entry.parameters
        if (each.name in _COUNTS or (each.name == budget and float not in each.types))
        and int in each.types
        and type(each.default) is int
        and each.default > 1
        and each.name not in request.keywords
    }
    return {name: found[name] for name in sorted(found, key=lambda name: name not in _STEPS)}


def _tries(given: Mapping[str, tuple[str, ...]], allowed: int) -> int:
    """How many budgets to try: the more passes, the more.

    Raises:
        UsageError: If a spec says another than a whole number.
    """
    if TRIES in given:
        return tries_of(given[TRIES])
    return max(_LEAST_TRIES, min(_MOST_TRIES, round(math.log2(allowed)) - 1))

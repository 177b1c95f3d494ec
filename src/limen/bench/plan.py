"""Which attacks stand side by side at equal passes: specs in, attacks with their counts and budgets out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from limen import catalog
from limen.bench.passes import Counter, most_counts
from limen.catalog import Request
from limen.catalog.budget_search import LEAST, TRIES, tries_of
from limen.errors import LimenError, UsageError
from limen.evaluation import AnyAttack, Progress, labels_of
from limen.spec import Spec

ALL = "all"
"""What stands for every attack of Limen that fits the model, in each norm that it has."""

PLANNING = "choosing counts"
"""What the progress of planning stands under."""

_STEPS = ("steps", "num_steps", "n_iter", "max_iter")
_COUNTS = (
    *_STEPS,
    "search_steps",
    "binary_search_steps",
    "num_binary_search_steps",
    "rounds",
    "squares",
    "n_queries",
)
"""What attacks, of other libraries too, call how often they do something; that of steps first."""

_BUDGET = "eps"  # of other libraries' attacks, which have no default of it
_NORM, _NORMS = "norm", ("l1", "l2", "linf", "ssim")
_LEAST_TRIES, _MOST_TRIES, _MOST_TRIES_OF_ONE_STEP = 3, 8, 12


@dataclass(frozen=True)
class Planned:
    """An attack of the benchmark.

    Attributes:
        asked: The spec that asked for it.
        attack: The attack, grid or search.
        passes: How many passes an image takes at most, over all budgets and tries, as counted on stand-ins.
        tries: How many budgets are tried; 1 where it searches or sweeps none.
        counts: The counts that were chosen.
    """

    asked: str
    attack: AnyAttack
    passes: int
    tries: int
    counts: Mapping[str, int]


@dataclass(frozen=True)
class LeftOut:
    """An attack that does not fit the model or the images, and why."""

    asked: str
    reason: str


def plan(
    specs: Iterable[str], allowed: int, counter: Counter, progress: Progress | None = None
) -> tuple[list[Planned], list[LeftOut]]:
    """Choose of each attack what its spec leaves open, so that it uses the passes that are allowed.

    Counts that a spec states are kept, whatever they take. An attack within a budget that states none
    searches each image's least one; the passes of all budgets count together.

    Args:
        specs: Specs of attacks and grids; `all` for every attack of Limen that fits.
        allowed: How many forward and backward passes an image may take.
        counter: Counts passes.
        progress: Told how many of how many attacks are planned.

    Returns:
        The attacks, each once, and those that `all` stands for but do not fit.

    Raises:
        UsageError: If a spec cannot be followed, or there is none.
    """
    planned: dict[tuple[str, ...], Planned] = {}
    left: list[LeftOut] = []
    pairs = [(spec, each) for spec in specs for each in (every() if spec.strip() == ALL else [spec])]
    for place, (spec, each) in enumerate(pairs, start=1):
        try:
            found = _planned(each, allowed, counter)
            planned.setdefault(labels_of([found.attack]), found)
        except LimenError as error:
            if spec.strip() != ALL:
                raise
            left.append(LeftOut(each, str(error)))
        if progress is not None:
            progress(PLANNING, place, len(pairs))
    if not planned:
        raise UsageError("no attack is left to compare; give --attack SPEC")
    return [*planned.values()], left


def every() -> Iterator[str]:
    """Specs of every attack of Limen, in each norm that it has.

    Example:
        >>> [spec for spec in every() if "fmn" in spec]
        ['fmn:norm=l0', 'fmn:norm=l1', 'fmn:norm=l2', 'fmn:norm=linf']
    """
    for name in catalog.ATTACKS.factories:
        known = [each.types for each in catalog.ATTACKS.entry(name).parameters if each.name == _NORM]
        norms = [norm for types in known for norm in types if isinstance(norm, str)]
        if known and not norms:  # any metric by its name
            norms = [*_NORMS]
        yield from [f"{name}:{_NORM}={norm}" for norm in norms] or [name]


def _planned(spec: str, allowed: int, counter: Counter) -> Planned:
    table = catalog.ATTACKS
    parsed = table.parse(spec)
    given = dict(parsed.values)
    if (LEAST,) in given.values():
        catalog.attack_or_grid(spec)  # so that an error is about what was asked
    # One budget tells what a call takes, and what a spec says of counts is the same for all.
    alone = {key: texts[:1] for key, texts in given.items() if key != TRIES and texts != (LEAST,)}
    request = table.read(_written(parsed, alone), [_BUDGET])
    budget, swept = request.identity.budget, [len(texts) for texts in given.values() if len(texts) > 1]
    searched = (LEAST,) in given.values() or (not swept and budget not in given and _searchable(request))
    tries, open_counts = _tries(given, allowed) if searched else math.prod(swept), _open_counts(request)

    def made(counts: Mapping[str, int], values: Mapping[str, tuple[str, ...]], tried: int) -> AnyAttack:
        chosen = {name: (str(count),) for name, count in counts.items()}
        if searched and budget is not None:
            chosen = {budget: (LEAST,), TRIES: (str(tried),), **chosen}
        return catalog.attack_or_grid(_written(parsed, {**values, **chosen}))

    def once(counts: Mapping[str, int]) -> Any:
        return made(counts, alone, 1)

    once(dict.fromkeys(open_counts, 1))  # which tells itself what it refuses
    with table.telling(spec):
        counts, passes = most_counts(open_counts, allowed // tries, lambda each: counter.passes(once(each)))
    if searched and not open_counts and TRIES not in given:
        tries = max(tries, min(_MOST_TRIES_OF_ONE_STEP, allowed // max(passes, 1)))
    return Planned(spec, made(counts, given, tries), tries * passes, tries, counts)


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

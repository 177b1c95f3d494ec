"""Which attacks stand side by side at equal passes: specs in, attacks with their counts and budgets out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from limen import catalog
from limen.bench.drafts import Draft, draft
from limen.bench.passes import Counter, Counts, most_counts
from limen.errors import LimenError, UsageError
from limen.evaluation import AnyAttack, Progress, labels_of

ALL = "all"
"""What stands for every attack of Limen that fits the model, in each norm that it has."""

PLANNING = "choosing counts"
"""What the progress of planning stands under."""

_NORM, _NORMS = "norm", ("l1", "l2", "linf", "ssim")
_MOST_TRIES_OF_ONE_STEP = 12
_STOPPED = 10
"""An attack that takes so many times the passes that are allowed is not counted to its end."""


@dataclass(frozen=True)
class Chosen:
    """What was counted of an attack.

    Attributes:
        counts: The counts that were chosen.
        tries: How many budgets are tried; 1 where it searches or sweeps none.
        passes: How many passes an image takes at most, over all budgets and tries.
    """

    counts: Mapping[str, int]
    tries: int
    passes: int


@dataclass(frozen=True)
class Planned:
    """An attack of the benchmark.

    Attributes:
        asked: The spec that asked for it.
        attack: The attack, grid or search.
        chosen: Its counts and tries.
    """

    asked: str
    attack: AnyAttack
    chosen: Chosen


@dataclass(frozen=True)
class LeftOut:
    """An attack that does not fit the model, the images or the passes, and why."""

    asked: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """The attacks of a benchmark.

    Attributes:
        planned: Those that run, each once.
        left: Those that do not fit.
    """

    planned: Sequence[Planned] = ()
    left: Sequence[LeftOut] = ()


Drafts = Mapping[str, Draft | LeftOut]
"""By spec, what was read of it."""


@dataclass
class Known:
    """What was counted before, so that a benchmark that goes on counts nothing twice.

    Attributes:
        chosen: By spec, what was counted.
        left: By spec, why it does not fit.
        keep: Called after each attack that was counted.
    """

    chosen: dict[str, Chosen] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    keep: Callable[[Known], object] = lambda known: None


def drafts(specs: Iterable[str], allowed: int) -> Drafts:
    """Read the specs of a benchmark, before anything is counted or made.

    Args:
        specs: Specs of attacks and grids; `all` for every attack of Limen that fits.
        allowed: How many forward and backward passes an image may take.

    Raises:
        UsageError: If a spec cannot be followed.
        LimenError: If the library or file that it names cannot be used.
    """
    found: dict[str, Draft | LeftOut] = {}
    for spec in specs:
        for each in every() if spec.strip() == ALL else [spec]:
            try:
                found[each] = draft(each, allowed)
            except LimenError as error:
                if spec.strip() != ALL:
                    raise
                found[each] = LeftOut(each, str(error))
    return found


def plan(
    read: Drafts,
    allowed: int,
    counter: Counter,
    known: Known | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Choose of each attack what its spec leaves open, so that it uses the passes that are allowed.

    Counts that a spec states are kept, whatever they take. An attack within a budget that states none
    searches each image's least one; the passes of all budgets count together.

    Args:
        read: What `drafts` has read.
        allowed: How many forward and backward passes an image may take.
        counter: Counts passes.
        known: What was counted before.
        progress: Told how many of how many attacks are planned.

    Raises:
        UsageError: If no attack is left.
    """
    known = Known() if known is None else known
    planned: dict[tuple[str, ...], Planned] = {}
    left = []
    for place, each in enumerate(read.values(), start=1):
        found = _planned(each, allowed, counter, known) if isinstance(each, Draft) else each
        if isinstance(found, LeftOut):
            left.append(found)
        else:
            planned.setdefault(labels_of([found.attack]), found)
        if progress is not None:
            progress(PLANNING, place, len(read))
    if not planned:
        reasons = "; ".join(f"{each.asked}: {each.reason}" for each in left)
        raise UsageError(f"no attack is left to compare{f' ({reasons})' if left else '; give --attack SPEC'}")
    return Plan([*planned.values()], left)


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


def _planned(read: Draft, allowed: int, counter: Counter, known: Known) -> Planned | LeftOut:
    spec = read.asked
    if read.is_of_a_file or (spec not in known.chosen and spec not in known.left):
        known.left.pop(spec, None)
        try:
            with catalog.ATTACKS.telling(spec):
                known.chosen[spec] = _chosen(read, allowed, counter)
        except LimenError as error:
            known.left[spec] = str(error)
        known.keep(known)
    if spec in known.left:
        return LeftOut(spec, known.left[spec])
    chosen = known.chosen[spec]
    return Planned(spec, read.made(chosen.counts, chosen.tries), chosen)


def _chosen(read: Draft, allowed: int, counter: Counter) -> Chosen:
    """The counts and tries that use the passes.

    Raises:
        LimenError: If the attack fails, or takes too many passes at its fewest counts.
    """
    most = _STOPPED * allowed
    found: dict[tuple[int, ...], float] = {}

    def passes(counts: Counts) -> float:
        key = (*counts.values(),)
        if key not in found:
            found[key] = counter.passes(read.once(counts), math.inf if read.states_counts else most)
        return found[key]

    tries = read.tries
    counts, took = most_counts(read.open_counts, allowed // tries, passes, read.kept)
    if tries * took > allowed and not read.states_counts:
        # Fewer budgets, each tried with the fewest counts, are less than equal passes ask for.
        tries = int(allowed // took)
        if not tries:
            told = f"{took:,.0f}" if math.isfinite(took) else f"more than {most:,}"
            raise LimenError(f"takes {told} passes at the least, and {allowed:,} are allowed")
        counts, took = most_counts(read.open_counts, allowed // tries, passes, read.kept)
    if read.searched and not read.open_counts and not read.states_counts:
        tries = max(tries, min(_MOST_TRIES_OF_ONE_STEP, int(allowed // max(took, 1))))
    return Chosen(counts, tries, int(tries * took))

"""The least budget of an attack: the value `least` of its budget searches it for each image."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from limen.attacks import Outcome
from limen.attacks.bracket import GROWTH, Bracket
from limen.attacks.mask import known_masks
from limen.attacks.tracing import known_trace
from limen.catalog.entry import Request
from limen.catalog.kinds import NamedAttack
from limen.catalog.table import Catalog
from limen.errors import LimenWarning, UsageError, changed_filters
from limen.identity import Identity
from limen.images import LATTICE
from limen.safety import check_count

LEAST = "least"
"""What a spec writes in place of a budget to have each image's least one searched: `pgd_l2:eps=least`."""

TRIES = "tries"
"""What a spec calls the number of budgets that are tried."""

DEFAULT_TRIES = 8

_FIRST = {0.0: 100.0, 1.0: 12.0, 2.0: 3.0, math.inf: 8 / 255}
"""The budget that is tried first of an attack without a default, by the p of its norm."""

_MOST_GROWTHS = 6
_SMALL = (".*budget is less than one level", ".*no step changed a value")


@dataclass(frozen=True)
class BudgetSearch:
    """An attack within a budget that is run again and again, for each image's least budget that fools.

    The first budget is the attack's default, or a usual one of its norm, the next ones as `Bracket` has them.
    What succeeded at the least budget is kept, and the passes of all tries count.

    Attributes:
        identity: What the attack is, with `least` for its budget and the number of tries.
        make: The attack at a budget, a number; or, if `per_sample`, a tensor with one per image.
        first: The budget that is tried first.
        ends: The least and the greatest budget that are tried.
        tries: How many budgets are tried.
        per_sample: Whether images of one call can have budgets of their own.
    """

    identity: Identity
    make: Callable[[Any], NamedAttack]
    first: float
    ends: tuple[float, float]
    tries: int = DEFAULT_TRIES
    per_sample: bool = True

    def __call__(
        self,
        classifier: Any,
        images: Tensor,
        labels: Tensor,
        targeted: bool = False,
        ids: Sequence[object] | None = None,
        seed: int = 0,
        lattice: int | None = LATTICE,
        masks: Tensor | None = None,
        trace: bool = False,
    ) -> Outcome:
        """Attack a batch of images; arguments, errors and warnings are those of the attack."""
        named = [*range(len(images))] if ids is None else [*ids]

        def attacked(rows: Tensor) -> Outcome:
            of_rows, places = budgets[rows], rows.to(images.device)
            alone = float(of_rows[0]) if len(rows) else self.first
            attack = self.make(of_rows if self.per_sample else alone)
            known = known_masks(attack, None if masks is None else masks[places])
            told = [named[row] for row in rows.tolist()]
            known |= known_trace(attack, trace)
            how: dict[str, Any] = {
                "targeted": targeted,
                "ids": told,
                "seed": seed,
                "lattice": lattice,
                **known,
            }
            with changed_filters():
                # A search goes below what a file can store, which is no mistake of the user.
                for text in _SMALL:
                    warnings.filterwarnings("ignore", text, LimenWarning)
                return attack(classifier, images[places], labels[places], **how)

        # Budgets stay on the CPU, in double precision, as those of a grid.
        budgets = torch.full((len(images),), self.first, dtype=torch.float64)
        best = attacked(torch.arange(len(images)))
        success = best.success.cpu().clone()
        # An image that is fooled without a step has no least budget to look for.
        left = ~(success & (best.steps == 0).cpu())
        bracket = Bracket.unknown(budgets)
        for _ in range(self.tries - 1):
            bracket = bracket.tried(budgets, success)
            following = bracket.following.clamp(*self.ends)
            left = left & ~bracket.closed & (following != budgets)
            budgets = torch.where(left, following, budgets)
            for rows in self._together(left.nonzero()[:, 0], budgets):
                found = attacked(rows)
                best = best.retried(rows.to(images.device), found)
                success[rows] = found.success.cpu()
        return best

    def _together(self, rows: Tensor, budgets: Tensor) -> Iterator[Tensor]:
        """The rows, cut into those that one call can attack."""
        if self.per_sample and len(rows):
            yield rows
        elif not self.per_sample:
            for budget in budgets[rows].unique():
                yield rows[budgets[rows] == budget]


def read_search(table: Catalog, spec: str) -> BudgetSearch | None:
    """The search that a spec writes, such as `pgd_l2:eps=least,tries=6,steps=20`; None where it writes none.

    Raises:
        UsageError: If what the spec names has no budget to search, or one of its values is refused; the
            message begins with the spec.
    """
    parsed = table.parse(spec)
    values = dict(parsed.values)
    swept = [key for key, texts in parsed.values if texts == (LEAST,)]
    if not swept:
        return None
    tries = values.pop(TRIES, (str(DEFAULT_TRIES),))
    rest = replace(parsed, values=tuple((key, texts) for key, texts in values.items() if key not in swept))
    request = table.read(str(rest), swept)
    with table.telling(spec):
        if swept != [request.identity.budget]:
            raise UsageError(
                f"{swept[0]} is no budget of {request.entry.name}, so that no least one can be searched"
            )
        return _search(table, request, swept[0], tries_of(tries))


def restored(table: Catalog, identity: Identity) -> NamedAttack | BudgetSearch:
    """The attack that an identity names, as a run keeps it; also one whose least budget was searched.

    Raises:
        UsageError: As `Catalog.restore`.
    """
    if identity.budget is None or identity.parameters.get(identity.budget) != LEAST:
        return table.restore(identity)
    found = read_search(table, identity.label)
    if found is None or found.identity != identity:
        raise UsageError(
            f"{table.kind} {identity.label} is not what it was; attack again into another folder"
        )
    return found


def tries_of(texts: Sequence[str]) -> int:
    """How many budgets a spec has tried.

    Raises:
        UsageError: If that is no whole number of 1 or more.
    """
    if len(texts) != 1 or not texts[0].isdecimal():
        raise UsageError(f"{TRIES} must be int, not {','.join(texts)!r}")
    return check_count(TRIES, int(texts[0]))


def _search(table: Catalog, request: Request, budget: str, tries: int) -> BudgetSearch:
    """The search of the least budget of an attack, which the request leaves open."""
    (parameter,) = (each for each in request.entry.parameters if each.name == budget)
    if float not in parameter.types:
        raise UsageError(f"{budget} is a whole number, which a climb reaches step by step; give a number")
    usual = request.entry.usual(request.keywords).get(budget, parameter.default)
    default = _default(usual, lambda value: table.made(request, {budget: value}))

    def make(value: Any) -> NamedAttack:
        return table.made(request, {budget: value})

    def accepted(factors: Sequence[float]) -> float:
        """The furthest budget, in these steps from the default, that the attack takes."""
        furthest = default
        for factor in factors:
            try:
                make(default * factor)
            except UsageError:
                break
            furthest = default * factor
        return furthest

    growths = [GROWTH**place for place in range(1, _MOST_GROWTHS + 1)]
    ends = accepted([1 / each for each in growths]), accepted(growths)
    stated = (*dict.fromkeys([*request.identity.stated, budget]),)
    parameters = {**request.identity.parameters, budget: LEAST, TRIES: tries}
    order = tuple(name for name in parameters if name in stated)
    identity = replace(request.identity, parameters=parameters, stated=(*order, TRIES))
    return BudgetSearch(identity, make, default, ends, tries, parameter.per_sample)


def _default(default: Any, make: Callable[[float], NamedAttack]) -> float:
    """The budget to try first: the attack's default, where it has one."""
    if isinstance(default, int | float):
        return float(default)
    search = getattr(make(_FIRST[math.inf]), "search", None)
    return _FIRST.get(getattr(search, "order", math.inf), _FIRST[math.inf])

"""What is tried, and in which order."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from limen.attacks.best import Best, Distance
from limen.attacks.bracket import Bracket
from limen.attacks.composition import Composition
from limen.attacks.loop import climb, settle_originals
from limen.attacks.part import Part, Problem, flat, setting
from limen.classifier import Classifier
from limen.errors import UsageError
from limen.images import per_sample
from limen.safety import check_count


@dataclass(frozen=True)
class Search(Part):
    """A strategy that runs climbs for the samples of a call until it has its best result."""

    def __call__(self, classifier: Classifier, problem: Problem, best: Best) -> None:
        """Run the climbs for all samples of the problem."""
        raise NotImplementedError

    def room(self, problem: Problem) -> Tensor:
        """The most steps of the lattice by which one value may change, (n,) or for all."""
        return torch.tensor(torch.inf, device=problem.originals.device)


@dataclass(frozen=True)
class InTurn(Search):
    """Try compositions one after the other, each on the samples that none before has fooled.

    One composition is a plain attack; one for each of a rising row of budgets, a budget grid that keeps
    the least that succeeds.

    Attributes:
        compositions: What to try.
        restarts: How many times to go through them, from other random starts.
    """

    compositions: tuple[Composition, ...]
    restarts: int = 1

    def __post_init__(self) -> None:
        if not self.compositions or not isinstance(self.compositions, tuple):
            raise UsageError(f"{self.compositions!r} is nothing to try; expected a tuple of compositions")
        check_count("restarts", self.restarts)
        if self.restarts > 1 and not any(parts.random_start for parts in self.compositions):
            raise UsageError(
                f"restarts is {self.restarts}, but every try is the same without random_start; set it"
            )

    def room(self, problem: Problem) -> Tensor:
        device = problem.originals.device
        each = [torch.as_tensor(parts.constraint.room(problem), device=device) for parts in self.compositions]
        return functools.reduce(torch.maximum, each)

    def __call__(self, classifier: Classifier, problem: Problem, best: Best) -> None:
        first = self.compositions[0]
        if first.random_start and best.judges(first.distance):
            answer = settle_originals(classifier, problem, best, first.confidence, first.distance)
            problem = replace(problem, answer=answer)
        for salt in range(self.restarts * len(self.compositions)):
            rows = (~best.success).nonzero()[:, 0]
            if len(rows) == 0:
                return
            parts = self.compositions[salt % len(self.compositions)].select(rows)
            _climb(parts, classifier, problem.select(rows), best, rows, salt)


def _climb(
    parts: Composition, classifier: Classifier, problem: Problem, best: Best, rows: Tensor, salt: int
) -> Tensor:
    """Run a composition that is not bound yet for the samples at `rows`; which (N,) of the call succeeded."""
    bound = parts.bind(problem)
    best.prepare(rows, bound, classifier.draws)
    return climb(bound, classifier, problem, best, rows, salt)


@dataclass(frozen=True)
class Onward(Search):
    """A search, and then a climb from what it has found.

    Attributes:
        search: What is tried first.
        parts: The climb from each sample's success.
    """

    search: Search
    parts: Composition

    def room(self, problem: Problem) -> Tensor:
        return self.search.room(problem)

    def __call__(self, classifier: Classifier, problem: Problem, best: Best) -> None:
        self.search(classifier, problem, best)
        rows = (best.success & ~best.settled).nonzero()[:, 0]
        if len(rows):
            those = replace(problem.select(rows), start=best.images[rows])
            _climb(self.parts.select(rows), classifier, those, best, rows, salt=1)


@runtime_checkable
class Weighted(Protocol):
    """An objective with a multiplier, whose least sufficient value can be searched."""

    constant: float | Tensor


@dataclass(frozen=True)
class MultiplierSearch(Search):
    """Search each sample's least sufficient multiplier of an objective (Carlini & Wagner 2017).

    After a success the multiplier is halved toward the greatest that failed; after a failure it
    grows tenfold until one succeeds, then bisects.

    Attributes:
        parts: The composition whose objective's constant is searched.
        rounds: How many climbs.
    """

    parts: Composition
    rounds: int

    def __post_init__(self) -> None:
        check_count("search_steps", self.rounds)
        if not isinstance(self.parts.objective, Weighted):
            raise UsageError(
                "a multiplier search needs an objective with a constant, as DistanceAndHinge has"
            )

    def __call__(self, classifier: Classifier, problem: Problem, best: Best) -> None:
        parts = self.parts.bind(problem)
        rows = torch.arange(len(problem.labels), device=problem.labels.device)
        best.prepare(rows, parts, classifier.draws)
        objective: Any = parts.objective
        first: Any = self.parts.objective
        constant = per_sample(first.constant, best.distance, "initial_constant")
        lower, upper = torch.zeros_like(constant), torch.full_like(constant, torch.inf)
        for _ in range(self.rounds):
            rows = (~best.settled).nonzero()[:, 0]
            if len(rows) == 0:
                return
            trial = replace(parts, objective=replace(objective, constant=constant))
            best.tried[rows] = torch.maximum(best.tried[rows], constant[rows])
            succeeded = climb(trial.select(rows), classifier, problem.select(rows), best, rows)
            upper = torch.where(succeeded, torch.minimum(upper, constant), upper)
            lower = torch.where(succeeded, lower, torch.maximum(lower, constant))
            constant = torch.where(upper.isinf(), constant * 10, (lower + upper) / 2)


@dataclass(frozen=True)
class LeastBudget(Search):
    """Bisect each sample's least budget within which one of some compositions succeeds.

    After a success the next budget is less than the success was far, and after a failure more, as `Bracket`
    has it. A climb ends at its first success, and a sample when its bracket is closed.

    Attributes:
        at: Makes of budgets (n,) the compositions to try, each on the samples that those before it left.
        distance: What the budget bounds; the success of least distance is kept.
        first: The budget that is tried first, a number or one per sample; not a bound.
        rounds: How many budgets are tried at most.
        onward: Whether a climb starts at the nearest success so far, put into its ball, rather than where its
            composition starts; not one whose start is random.
    """

    at: Callable[[Any], tuple[Composition, ...]]
    distance: Distance
    first: float | Tensor = setting(1.0)
    rounds: int = 10
    onward: bool = True

    def __post_init__(self) -> None:
        check_count("search_steps", self.rounds)

    def capacity(self, images: Tensor) -> float:
        return min(parts.capacity(images) for parts in self.at(self.first))

    def __call__(self, classifier: Classifier, problem: Problem, best: Best) -> None:
        confidence = self.at(self.first)[0].confidence
        answer = settle_originals(classifier, problem, best, confidence, self.distance)
        problem = replace(problem, answer=answer)
        budget = per_sample(flat(self.first), best.distance, "eps").clone()
        bracket = Bracket.unknown(budget)
        for turn in range(self.rounds):
            rows = (~best.settled & ~bracket.closed).nonzero()[:, 0]
            if len(rows) == 0:
                return
            succeeded = self._tried(budget, rows, classifier, problem, best, turn)
            reached = torch.where(succeeded, budget.minimum(best.distance), budget)
            bracket = bracket.tried(reached, succeeded, rows)
            budget = bracket.following

    def _tried(
        self, budget: Tensor, rows: Tensor, classifier: Classifier, problem: Problem, best: Best, turn: int
    ) -> Tensor:
        """Which samples (N,) of the call one of the compositions fooled within their budgets."""
        succeeded = torch.zeros_like(best.success)
        compositions = self.at(budget[rows])
        for place, parts in enumerate(compositions):
            stay = (~succeeded[rows]).nonzero()[:, 0]
            if len(stay) == 0:
                break
            left = rows[stay]
            those = problem.select(left)
            if self.onward and not parts.random_start:
                those = replace(those, start=best.images[left])
            parts = replace(parts.select(stay), distance=self.distance, early_stop=True)
            salt = turn * len(compositions) + place
            kept = [each[left].clone() for each in (best.images, best.predictions, best.distance)]
            found = best.success[left].clone()
            succeeded |= _climb(parts, classifier, those, best, left, salt)
            # Where a ball holds no stored image, only what was found in it is revoked.
            lost = (found & ~best.success[left]).nonzero()[:, 0]
            for values, before in zip((best.images, best.predictions, best.distance), kept, strict=True):
                values[left[lost]] = before[lost]
            best.success[left[lost]] = True
        return succeeded

"""What is tried, and in which order."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from limen.attacks.loop import Best, Composition, climb, look_at_originals
from limen.attacks.objective import DistanceAndHinge
from limen.attacks.protocols import Part, Problem
from limen.classifier import Classifier
from limen.errors import UsageError
from limen.images import per_sample


class Search(Protocol):
    """A strategy that runs climbs for the samples of a call until it has its best result."""

    def __call__(self, classifier: Classifier, problem: Problem, best: Best) -> None:
        """Run the climbs for all samples of the problem."""
        ...

    def capacity(self, images: Tensor) -> float:
        """How many images of this size may be attacked at once."""
        ...

    def check(self, problem: Problem) -> None:
        """Refuse settings of another number of samples than the problem has."""
        ...

    def keep(self, rows: Tensor) -> Self:
        """The same search for the samples at `rows`."""
        ...


@dataclass(frozen=True)
class InTurn(Part):
    """Try compositions one after the other, each on the samples that none before has fooled.

    One composition is a plain attack; the same one several times, restarts; one for each of a
    rising row of budgets, a budget grid that keeps the least that succeeds.

    Attributes:
        compositions: What to try.
    """

    compositions: tuple[Composition, ...]

    def __call__(self, classifier: Classifier, problem: Problem, best: Best) -> None:
        if self.compositions[0].random_start:
            look_at_originals(self.compositions[0].prepare(problem), classifier, problem, best)
        for salt, parts in enumerate(self.compositions):
            rows = (~best.success).nonzero()[:, 0]
            if len(rows) == 0:
                return
            climb(parts.prepare(problem), classifier, problem, best, rows, salt)


@dataclass(frozen=True)
class MultiplierSearch(Part):
    """Search each sample's least sufficient multiplier of a `DistanceAndHinge` (Carlini & Wagner 2017).

    After a success the multiplier is halved toward the greatest that failed; after a failure it
    grows tenfold until one succeeds, then bisects.

    Attributes:
        parts: The composition whose objective's constant is searched.
        rounds: How many climbs.
    """

    parts: Composition
    rounds: int

    def __post_init__(self) -> None:
        if isinstance(self.rounds, bool) or not isinstance(self.rounds, int) or self.rounds < 1:
            raise UsageError(f"search_steps is {self.rounds!r}; expected an integer of 1 or more")
        if not isinstance(self.parts.objective, DistanceAndHinge):
            raise UsageError("a multiplier search needs the objective DistanceAndHinge")

    def __call__(self, classifier: Classifier, problem: Problem, best: Best) -> None:
        hinge, parts = self.parts.objective, self.parts.prepare(problem)
        assert isinstance(hinge, DistanceAndHinge)  # noqa: S101 (checked when built)
        constant = per_sample(hinge.constant, best.distance, "initial_constant")
        lower, upper = torch.zeros_like(constant), torch.full_like(constant, torch.inf)
        for _ in range(self.rounds):
            rows = (~best.settled).nonzero()[:, 0]
            if len(rows) == 0:
                return
            trial = dataclasses.replace(parts, objective=dataclasses.replace(hinge, constant=constant))
            succeeded = climb(trial, classifier, problem, best, rows)
            upper = torch.where(succeeded, torch.minimum(upper, constant), upper)
            lower = torch.where(succeeded, lower, torch.maximum(lower, constant))
            constant = torch.where(upper.isinf(), constant * 10, (lower + upper) / 2)

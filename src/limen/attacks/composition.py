"""One climb as a sentence of parts, and which parts go together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from limen.attacks.best import Distance
from limen.attacks.loss import Loss, as_objective
from limen.attacks.mask import Mask
from limen.attacks.part import Part, Problem, setting
from limen.attacks.protocols import Constraint, Objective, Perturbation, Transform
from limen.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Composition(Part):
    """One climb, as a sentence of parts: climb this objective, by this rule, within these bounds.

    Attributes:
        objective: What is climbed; or a plain function of images, logits and labels, (n,): a loss, which is
            climbed, or descended where the labels are targets.
        perturbation: What the free variables are.
        constraint: What the result may be.
        rule: The transforms that turn a gradient into a move, in turn.
        steps: How many moves at most.
        random_start: Whether to start from random variables, or a random member of the constraint's set.
        early_stop: Whether a sample is finished at its first success.
        confidence: The logit margin that a success must exceed, a number or one per sample.
        patience: A sample is finished when its objective has not risen by 0.01 % for this share
            of the steps; None to go on.
        distance: If given, the success of least distance is kept, else the last one.
        foreground: Finds the foreground of each image, for parts that treat it apart.

    Raises:
        UsageError: Where the parts do not go together, with the reason.
    """

    objective: Objective | Loss
    perturbation: Perturbation = Perturbation()
    constraint: Constraint = Constraint()
    rule: tuple[Transform, ...]
    steps: int
    random_start: bool = False
    early_stop: bool = False
    confidence: float | Tensor = setting(0.0)
    patience: float | None = None
    distance: Distance | None = None
    foreground: Mask | None = None

    @property
    def black_box(self) -> bool:
        """Whether the rule makes its moves of values alone, so that no gradient is asked for."""
        return self.rule[0].takes == "values alone"

    def bind(self, problem: Problem) -> Self:
        """Bind to the samples of a call; their foreground is asked for once, for all parts."""
        found = None if self.foreground is None else self.foreground.share(problem) > 0
        return super().bind(replace(problem, foreground=found))

    def __post_init__(self) -> None:
        object.__setattr__(self, "objective", as_objective(self.objective))
        for wrong in (self._wrong_kinds, self._wrong_numbers, self._wrong_pairs):
            for reason in wrong():
                raise UsageError(reason)

    def _wrong_kinds(self) -> Iterator[str]:
        kinds = {"perturbation": Perturbation, "constraint": Constraint}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                yield f"{name} is {getattr(self, name)!r}; expected a part that derives from {kind.__name__}"
        if not self.rule or not isinstance(self.rule, tuple):
            yield f"rule is {self.rule!r}; expected a tuple of one or more transforms"
        for link in self.rule:
            if not isinstance(link, Transform):
                yield f"rule holds {link!r}; expected parts that derive from Transform"

    def _wrong_numbers(self) -> Iterator[str]:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            yield f"steps is {self.steps!r}; expected an integer of 1 or more"
        if self.patience is not None and not (
            isinstance(self.patience, float | int) and 0 < self.patience <= 1
        ):
            yield f"patience is {self.patience!r}; expected None, or a share of the steps above 0 and up to 1"
        if self.patience is not None and (given := as_objective(self.objective).gives) != "one function":
            yield f"patience needs an objective of one function, not {given}"
        if self.distance is not None and not callable(self.distance):
            yield f"distance is {self.distance!r}; expected a function of images and originals, or None"

    def _wrong_pairs(self) -> Iterator[str]:
        objective = as_objective(self.objective)
        for part in self._parts():
            if part.needs_foreground() and self.foreground is None:
                yield f"{type(part).__name__} treats the foreground apart; say by foreground=… what finds it"
        yield from self._wrong_rule(self.rule, self.constraint, objective)
        if self.random_start and not (self.constraint.can_be_sampled or self.perturbation.can_be_sampled):
            kind = type(self.constraint).__name__
            yield f"{kind} is unbounded or cannot be sampled; start from the original instead"

    def _wrong_rule(
        self, rule: tuple[Transform, ...], constraint: Constraint, giver: Objective | Transform
    ) -> Iterator[str]:
        for link in rule:
            blind = link.takes == "values alone" and isinstance(giver, Objective)
            if link.takes != giver.gives and not (blind and giver.gives == "one function"):
                yield f"{_kind(link)} moves along {link.takes}, but {_kind(giver)} gives {giver.gives}"
            yield from self._wrong_link(link, constraint)
            giver = link
        if giver.gives != "one function":
            yield f"{_kind(giver)} gives {giver.gives}, of which no part of the rule makes one move"

    def _wrong_link(self, link: Transform, constraint: Constraint) -> Iterator[str]:
        name, kind, sort = _kind(link), _kind(constraint), _kind(self.perturbation)
        if link.needs_regions and not constraint.has_regions:
            yield f"{kind} has no regions, so {name} cannot move in each by itself"
        if link.needs_maximiser and not constraint.has_maximiser:
            yield f"{kind} has no linear maximiser, so {name} cannot be its direction"
        if link.needs_radius and not constraint.has_radius:
            yield f"{kind} has no radius, so no step of {name} can be a share of it"
        if link.needs_additive and not self.perturbation.is_additive:
            yield f"{name} measures the perturbation that a move makes, but {sort} is not additive"
        if link.needs_diagonal and not self.perturbation.has_diagonal:
            yield f"{name} divides by a diagonal, and the variables of {sort} have none: it mixes values"
        if link.needs_image and not self.perturbation.is_image:
            variables = f"the variables of {sort}"
            yield f"{name} moves an image, but {variables} are not the image; leave the perturbation out"
        for rule, part in link.rules(constraint):
            yield from self._wrong_rule(rule, part, link)


def _kind(part: Part) -> str:
    return type(part).__name__

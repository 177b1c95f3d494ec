"""What the parts of an attack are, and the state of the samples that they work on.

A part is an immutable value: its settings. `bind` gives the same part with what belongs to the samples of a
call; `select` narrows that to some of them. A part that changes as the attack goes on (momentum, a shrinking
radius) returns its successor. A `Perturbation` that says no more is the image itself, and a `Constraint` any
image in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

from torch import Tensor

from limen.attacks.part import Part, Problem, rows
from limen.images import quantize


@dataclass(frozen=True)
class State(Part):
    """Everything with one row per sample that still climbs; `select` narrows all of it at once.

    Attributes:
        problem: The samples.
        objective: What is climbed, bound to them; likewise the next three.
        perturbation: What the free variables are.
        constraint: What the result may be, as it stands at this step.
        rule: The transforms that turn a gradient into a move.
        places: Each sample's row (n,) in the call.
        variables: The free variables (n, …).
        exact: The iterate (n, C, H, W) before rounding; the gradient of `images` is handed on to it.
        images: The iterate as a file would store it.
        asked: The same as the model was fed it, by which its part of a gradient is told from other parts.
        logits: The model's answer (n, K).
        predictions: The class (n,) of the greatest logit.
        success: Whether (n,) the prediction is what the attack is after.
        values: What is climbed: (n,), or (n, k) for an objective of k functions.
        gradient: Its gradient with respect to the variables, (n, …) or (n, k, …); not finite values are 0.
        zero: Of how many (n,) of the functions the gradient is 0 everywhere, or the model's part of it.
        nonfinite: Of how many (n,) it holds NaN or infinity.
        reached: The objective's values (n,) when `patience` last looked at them.
        progress: The share of all steps that have been made, from 0 to 1.
    """

    problem: Problem
    objective: Objective
    perturbation: Perturbation
    constraint: Constraint
    rule: tuple[Transform, ...]
    places: Tensor = rows()
    variables: Tensor = rows()
    exact: Tensor = rows()
    images: Tensor = rows()
    asked: Tensor = rows()
    logits: Tensor = rows()
    predictions: Tensor = rows()
    success: Tensor = rows()
    values: Tensor = rows()
    gradient: Tensor = rows()
    zero: Tensor = rows()
    nonfinite: Tensor = rows()
    reached: Tensor = rows()
    progress: float = 0.0


Kind = Literal["one function", "margins of classes", "a target and the rest", "values alone"]
"""What an objective climbs and a transform takes: one function (n,), several (n, k), or values alone."""


@dataclass(frozen=True)
class Objective(Part):
    """What is climbed: a differentiable function of the state's iterate.

    Attributes:
        gives: Whether it is one function, (n,), or several, (n, k).
    """

    gives: ClassVar[Kind] = "one function"

    @property
    def beside(self) -> tuple[int, int]:
        """The forward and backward passes that its value and gradient take beside those of `state.logits`."""
        return (0, 0)

    def __call__(self, state: State) -> Tensor:
        """The objective's values at `state.images` and `state.logits`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Perturbation(Part):
    """What the free variables are, and how they make an image; the image itself, if not said otherwise."""

    @property
    def is_image(self) -> bool:
        """Whether the variables are the image itself, so that constraints and moves act on them directly."""
        return type(self).images is Perturbation.images

    @property
    def bounded(self) -> bool:
        """Whether its images keep to a budget by themselves, so that the constraint only stores them."""
        return False

    @property
    def can_be_sampled(self) -> bool:
        """Whether it draws random starts itself; if not, the constraint does."""
        return False

    @property
    def is_additive(self) -> bool:
        """Whether a move of the variables makes a perturbation by itself."""
        return self.is_image or type(self).spread is not Perturbation.spread

    @property
    def has_diagonal(self) -> bool:
        """Whether the diagonal of an operator on images stands for it over the variables, too."""
        return self.is_image

    def invert(self, images: Tensor) -> Tensor:
        """Fresh variables that make these images."""
        return images.clone()

    def images(self, variables: Tensor) -> Tensor:
        """Images (n, C, H, W) in [0, 1] of the variables, differentiable."""
        return variables

    def spread(self, move: Tensor) -> Tensor:
        """The perturbation (n, C, H, W) that a move of the variables makes, not scaled or clipped."""
        return move

    def change(self, variables: Tensor, move: Tensor) -> Tensor:
        """What a small move from these variables makes of the image (n, C, H, W), not clipped."""
        return self.spread(move)

    def pulled(self, diagonal: Tensor) -> Tensor:
        """What the diagonal (n, C, H, W) of an operator on perturbations is over the variables."""
        return diagonal

    def of_region(self, mask: Tensor) -> Tensor:
        """Which variables, of a shape that broadcasts to theirs, are those of pixels (n, 1, H, W)."""
        return mask

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """Random variables, drawn from the samples' own seeds."""
        raise NotImplementedError


@dataclass(frozen=True)
class Map(Part):
    """A map of perturbations, bound to the originals; all but those that are `bounded` are linear.

    Attributes:
        bounded: Whether it holds a budget, whatever it is given.
    """

    bounded: ClassVar[bool] = False

    def __call__(self, delta: Tensor) -> Tensor:
        """What the map makes of a perturbation, differentiable."""
        raise NotImplementedError

    def invert(self, delta: Tensor) -> Tensor:
        """What it makes this perturbation of; where it cannot, a near one."""
        raise NotImplementedError

    def of_region(self, mask: Tensor) -> Tensor:
        """Which of its arguments make these values."""
        return mask

    @property
    def has_diagonal(self) -> bool:
        """Whether MᵀDM is diagonal for a diagonal D."""
        return type(self).pulled is not Map.pulled

    def pulled(self, diagonal: Tensor) -> Tensor:
        """The diagonal of MᵀDM, where D has this one."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constraint(Part):
    """What the result may be: a set in [0, 1] with the original in it; all of it where a class says no more.

    Attributes:
        has_radius: Whether it is a ball or sphere.
        has_regions: Whether it holds the foreground and the background to sets of their own.
        is_soft: Whether iterates may lie outside it, which then are no success.
        is_local: Whether projecting and storing leave the values alone that are the original's.
        originals: What it is around (n, C, H, W).
        radius: Of a ball or sphere: its radius (n, 1, 1, 1), infinite where it has none yet.
        lattice: Steps between 0 and 1 that a stored image has; None for floats.
    """

    has_radius: ClassVar[bool] = False
    has_regions: ClassVar[bool] = False
    is_soft: ClassVar[bool] = False
    is_local: ClassVar[bool] = True
    originals: Tensor = rows()
    radius: Tensor = rows()
    lattice: int | None = field(default=None, kw_only=True)

    @property
    def holds_all(self) -> bool:
        """Whether every image in [0, 1] is a member, so that nothing needs to be projected."""
        return type(self).project is Constraint.project

    @property
    def has_maximiser(self) -> bool:
        """Whether it knows where a linear function is greatest on it."""
        return type(self).maximise is not Constraint.maximise

    @property
    def can_be_sampled(self) -> bool:
        """Whether a random start can be drawn from it."""
        return type(self).sample is not Constraint.sample

    def bind(self, problem: Problem) -> Self:
        """Bind to the samples of a call."""
        return replace(super().bind(problem), originals=problem.originals, lattice=problem.lattice)

    def project(self, images: Tensor) -> Tensor:
        """The nearest member, or a near one; may overwrite `images`."""
        return images.clamp_(0, 1)

    def store(self, images: Tensor) -> Tensor:
        """A fresh member on the lattice, near these images."""
        return images.clone() if self.lattice is None else quantize(images, self.lattice)

    def contains(self, images: Tensor) -> Tensor:
        """Which images (n,) are members, up to the rounding of floats."""
        low, high = images.flatten(1).amin(1), images.flatten(1).amax(1)
        return (low >= 0) & (high <= 1)

    def room(self, problem: Problem) -> Tensor | float:
        """By how many steps of the lattice one value may change, (n,) or for all; infinite if not known."""
        return math.inf

    def counted(self, images: Tensor) -> Tensor:
        """The images with only those changes that a distance counts: most sets count all."""
        return images

    def maximise(self, gradient: Tensor) -> Tensor:
        """The member (n, C, H, W) of greatest inner product with the gradient."""
        raise NotImplementedError

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """A random member (n, C, H, W), drawn from the samples' own seeds."""
        raise NotImplementedError


@dataclass(frozen=True)
class Transform(Part):
    """One link of the rule that turns a gradient into a move.

    Attributes:
        takes: What it takes the gradient or move of.
        gives: What it makes of that.
        any_variables: Whether it moves any free variables; if not, only an image.
        needs_maximiser: Whether the constraint must have a linear maximiser.
        needs_radius: Whether it must have a radius.
        needs_additive: Whether a move of the variables must make a perturbation by itself.
        needs_regions: Whether the constraint must have regions.
        needs_diagonal: Whether a diagonal over images must stand for one over the variables.
    """

    takes: ClassVar[Kind] = "one function"
    gives: ClassVar[Kind] = "one function"
    any_variables: ClassVar[bool] = False
    needs_maximiser: ClassVar[bool] = False
    needs_radius: ClassVar[bool] = False
    needs_additive: ClassVar[bool] = False
    needs_regions: ClassVar[bool] = False
    needs_diagonal: ClassVar[bool] = False

    @property
    def needs_image(self) -> bool:
        """Whether the variables must be the image itself."""
        return not self.any_variables

    def rules(self, constraint: Constraint) -> Iterable[tuple[tuple[Transform, ...], Constraint]]:
        """The rules that it holds itself, each with the constraint that it sees."""
        return ()

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        """The transformed move, and this link's successor; may overwrite `move`, not the state."""
        raise NotImplementedError


def follow(rule: tuple[Transform, ...], move: Tensor, state: State) -> tuple[Tensor, tuple[Transform, ...]]:
    """What the links of a rule make of a gradient in turn, and their successors; may overwrite `move`."""
    successors = []
    for link in rule:
        move, successor = link(move, state)
        successors.append(successor)
    return move, tuple(successors)

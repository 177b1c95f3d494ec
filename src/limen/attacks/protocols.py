"""What the parts of an attack are, and what they see.

A part is an immutable value. `prepare` binds it to the samples of a call, after which every
tensor it holds has one row a sample; `keep` drops the rows of finished samples. A part that
changes as the attack goes on (momentum, a shrinking radius) returns its successor.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from limen.images import per_sample


@dataclass(frozen=True)
class Part:
    """A value whose fields are settings, other parts, and tensors of one row a sample."""

    def prepare(self, problem: Problem) -> Self:
        """Bind to the samples of a call: settings of shape (N,) broadcast over their images."""
        return self._map(lambda name, value: _prepare(name, value, problem))

    def keep(self, rows: Tensor) -> Self:
        """The same part for the samples at `rows`; of one not bound yet, its settings of shape (N,)."""
        return self._map(lambda _, value: _keep(value, rows))

    def check(self, problem: Problem) -> None:
        """Refuse settings of another number of samples than the problem has."""
        self._map(lambda name, value: _check(name, value, problem))

    def capacity(self, images: Tensor) -> float:
        """How many images of this size it may be bound to at once; infinite for most parts."""
        values = (getattr(self, field.name) for field in dataclasses.fields(self))
        return min((_capacity(value, images) for value in values), default=math.inf)

    def _map(self, change: Callable[[str, Any], Any]) -> Self:
        old = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        new = {name: change(name, value) for name, value in old.items()}
        if all(new[name] is old[name] for name in old):
            return self
        return dataclasses.replace(self, **new)


LATER: Any = None
"""The default of a field that `prepare` fills in."""


@dataclass(frozen=True)
class Problem(Part):
    """The samples under attack.

    Attributes:
        originals: Images (n, C, H, W) in [0, 1].
        labels: The classes (n,) to leave, or to reach if `targeted`.
        targeted: Whether success is to reach the label rather than to leave it.
        lattice: Steps between 0 and 1 that the stored image has; None for floats.
        seeds: One random seed (n,) a sample, made from the call's seed and the sample's id.
    """

    originals: Tensor
    labels: Tensor
    targeted: bool
    lattice: int | None
    seeds: Tensor

    def prepare(self, problem: Problem) -> Self:
        """A problem is bound to its samples from the start."""
        return self

    def adversarial(self, predictions: Tensor) -> Tensor:
        """Which predictions (n,) are what the attack is after."""
        return (predictions == self.labels) if self.targeted else (predictions != self.labels)

    def draw(self, sampler: Callable[..., Tensor], salt: int = 0) -> Tensor:
        """Random numbers of the images' shape, each sample's from its own seed.

        Args:
            sampler: `torch.rand` or `torch.randn`.
            salt: Tells draws of one sample apart.
        """
        shape, dtype = self.originals.shape[1:], self.originals.dtype
        generator = torch.Generator()
        drawn = torch.empty(self.originals.shape, dtype=dtype)
        for row, seed in enumerate(self.seeds.tolist()):
            generator.manual_seed((seed + salt * 0x9E3779B97F4A7C15) % 2**63)
            drawn[row] = sampler(shape, generator=generator, dtype=dtype)
        return drawn.to(self.originals.device)


def sample_seeds(seed: int, ids: Sequence[object]) -> Tensor:
    """One seed a sample from the call's seed and the sample's id, whatever its place in a batch.

    Example:
        >>> bool((sample_seeds(0, ["a", "b"])[1:] == sample_seeds(0, ["b"])).all())
        True
    """
    digests = (hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest() for name in ids)
    return torch.tensor([int.from_bytes(digest) >> 1 for digest in digests], dtype=torch.int64)


@dataclass(frozen=True)
class Point(Part):
    """One iterate of each sample, as the model saw it.

    Attributes:
        images: What a file would store (n, C, H, W), and the model was fed.
        exact: The image before rounding; it receives the gradient of `images` (straight through).
        logits: The model's answer (n, K).
        predictions: The class (n,) of the greatest logit.
        success: Whether (n,) the prediction is what the attack is after.
        progress: The share of all steps that have been made, from 0 to 1.
        problem: The samples.
    """

    images: Tensor
    exact: Tensor
    logits: Tensor
    predictions: Tensor
    success: Tensor
    progress: float
    problem: Problem

    def detach(self) -> Self:
        """The same point without its autograd graph."""
        return self._map(lambda _, value: value.detach() if isinstance(value, Tensor) else value)


@dataclass(frozen=True)
class Slope(Part):
    """The objective's value and gradient at a point.

    Attributes:
        values: What is climbed: (n,), or (n, k) for an objective of k functions.
        gradient: Its gradient with respect to the free variables (n, …), or (n, k, …).
        point: Where it was taken.
        feasible: The set that the result must lie in, as it stands at this step.
    """

    values: Tensor
    gradient: Tensor
    point: Point
    feasible: Feasible


class Objective(Protocol):
    """What is climbed: a differentiable function of the point, (n,), or (n, k) for k functions."""

    def __call__(self, point: Point) -> Tensor:
        """The objective's values at the point."""
        ...

    def prepare(self, problem: Problem) -> Self:
        """Bind to the samples of a call."""
        ...

    def keep(self, rows: Tensor) -> Self:
        """The same part for the samples at `rows`."""
        ...


class Perturbation(Protocol):
    """What the free variables are, and how they make an image."""

    @property
    def is_image(self) -> bool:
        """Whether the variables are the image itself, so that sets and steps act on them directly."""
        ...

    def prepare(self, problem: Problem) -> Self:
        """Bind to the samples of a call."""
        ...

    def keep(self, rows: Tensor) -> Self:
        """The same part for the samples at `rows`."""
        ...

    def invert(self, images: Tensor) -> Tensor:
        """Fresh variables that make these images."""
        ...

    def images(self, variables: Tensor) -> Tensor:
        """Images (n, C, H, W) in [0, 1] of the variables, differentiable."""
        ...


class Feasible(Protocol):
    """What the result may be. Every set lies in [0, 1] and contains the original."""

    def prepare(self, problem: Problem) -> Self:
        """Bind to the samples of a call."""
        ...

    def keep(self, rows: Tensor) -> Self:
        """The same part for the samples at `rows`."""
        ...

    def react(self, point: Point) -> Self:
        """The set as it stands after this iterate; most sets stay as they are."""
        ...

    def project(self, images: Tensor) -> Tensor:
        """The nearest member, or a near one; may overwrite `images`."""
        ...

    def store(self, images: Tensor) -> Tensor:
        """A fresh member on the lattice, near these members."""
        ...

    def contains(self, images: Tensor) -> Tensor:
        """Which images (n,) are members, up to the rounding of floats."""
        ...


@runtime_checkable
class Maximisable(Protocol):
    """A feasible set that knows where a linear function is greatest on it."""

    def maximise(self, gradient: Tensor) -> Tensor:
        """The member (n, C, H, W) of greatest inner product with the gradient."""
        ...


@runtime_checkable
class Round(Protocol):
    """A feasible set that is a ball or sphere."""

    @property
    def radius(self) -> Tensor:
        """Its radius (n, 1, 1, 1); infinite where it has none yet."""
        ...


@runtime_checkable
class Samplable(Protocol):
    """A feasible set from which a random start can be drawn."""

    def sample(self, problem: Problem, salt: int) -> Tensor:
        """A random member (n, C, H, W), drawn from the samples' own seeds."""
        ...


class Transform(Protocol):
    """One link of the rule that turns a gradient into a move; may overwrite `move`, not the slope."""

    def prepare(self, problem: Problem) -> Self:
        """Bind to the samples of a call."""
        ...

    def keep(self, rows: Tensor) -> Self:
        """The same part for the samples at `rows`."""
        ...

    def __call__(self, move: Tensor, slope: Slope) -> tuple[Tensor, Self]:
        """The transformed move, and this link's successor."""
        ...


def cosine(first: float | Tensor, last: float | Tensor, progress: float) -> float | Tensor:
    """From `first` at progress 0 to `last` at progress 1, along a half cosine."""
    return last + (first - last) * ((1 + math.cos(math.pi * progress)) / 2)


def _prepare(name: str, value: Any, problem: Problem) -> Any:
    if isinstance(value, Tensor):
        return per_sample(value, problem.originals, name)
    if isinstance(value, tuple):
        return tuple(_prepare(name, item, problem) for item in value)
    return value.prepare(problem) if hasattr(value, "prepare") else value


def _check(name: str, value: Any, problem: Problem) -> Any:
    if isinstance(value, Tensor):
        per_sample(value, problem.originals, name)
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, Part):
            item.check(problem)
    return value


def _capacity(value: Any, images: Tensor) -> float:
    if isinstance(value, tuple):
        return min((_capacity(item, images) for item in value), default=math.inf)
    return value.capacity(images) if isinstance(value, Part) else math.inf


def _keep(value: Any, rows: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value[rows] if value.ndim else value
    if isinstance(value, tuple):
        return tuple(_keep(item, rows) for item in value)
    return value.keep(rows) if hasattr(value, "keep") else value

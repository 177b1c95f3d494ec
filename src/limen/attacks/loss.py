"""Losses that are plain functions, as what is climbed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from limen.attacks.protocols import Objective, State
from limen.errors import UsageError

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A plain function of images (n, C, H, W), logits (n, K) and labels (n,), which gives (n,)."""


@dataclass(frozen=True)
class Function(Objective):
    """A loss of one's own: it is climbed where labels are to be left, and descended where they are targets.

    Attributes:
        function: Of images, logits and labels.
    """

    function: Loss

    def __call__(self, state: State) -> Tensor:
        """The loss, or its negative for targets."""
        values = self.function(state.images, state.logits, state.problem.labels)
        if not isinstance(values, Tensor) or values.shape != state.problem.labels.shape:
            what = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise UsageError(
                f"{self.function} gives {what}; expected one value per sample, {(len(state.images),)}"
            )
        return -values if state.problem.targeted else values


def as_objective(thing: Objective | Loss) -> Objective:
    """The objective itself, or that of a plain function."""
    if isinstance(thing, Objective):
        return thing
    if not callable(thing):
        raise UsageError(f"{thing!r} is no objective, nor a function of images, logits and labels")
    return Function(thing)

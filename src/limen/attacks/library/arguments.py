"""Checks of the arguments that attack factories share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from limen.attacks.objective import CrossEntropy, Margin
from limen.attacks.protocols import Loss as Function
from limen.attacks.protocols import Objective, as_objective
from limen.errors import UnknownNameError, UsageError
from limen.images import norm

Loss = Literal["cross_entropy", "margin"] | Function
"""A loss by its name, or a function of images, logits and labels that gives a value per sample, (n,): it is
climbed where labels are to be left, and descended where they are targets."""

_LOSSES: dict[str, Callable[[], Objective]] = {"cross_entropy": CrossEntropy, "margin": Margin}

MOST = 1_000_000
"""How many steps or tries may be asked for: more is a slip, and would never end."""


def loss_named(loss: Loss) -> Objective:
    """The objective of this name, or of this function."""
    if callable(loss):
        return as_objective(loss)
    if loss not in _LOSSES:
        raise UnknownNameError("loss", str(loss), _LOSSES)
    return _LOSSES[loss]()


def positive(name: str, value: float | Tensor, zero: bool = False) -> float | Tensor:
    """The value, if it is a finite number above 0 (or 0, where allowed), or a tensor of such."""
    try:
        numbers = torch.as_tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(f"{name} is {value!r}; expected a number or a tensor of shape (N,)") from None
    least = "0 or more" if zero else "more than 0"
    if numbers.ndim > 1:
        raise UsageError(f"{name} has shape {tuple(numbers.shape)}; expected a number or shape (N,)")
    good = torch.isfinite(numbers) & ((numbers >= 0) if zero else (numbers > 0))
    if not bool(good.all()):
        raise UsageError(f"{name} is {value}; expected {least}, and finite")
    return value


def budget(eps: float | Tensor) -> float | Tensor:
    """A budget: 0 or more."""
    return positive("eps", eps, zero=True)


def step_length(step_size: float | Tensor | None, default: float | Tensor) -> float | Tensor:
    """The step length that was asked for, or this attack's default for its budget."""
    return default if step_size is None else positive("step_size", step_size)


def count(name: str, value: int) -> int:
    """The value, if it is an integer from 1 to a million."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise UsageError(f"{name} is {value!r}; expected an integer from 1 to {MOST:,}")
    return value


def l2_distance(images: Tensor, originals: Tensor) -> Tensor:
    """‖x − x0‖₂ (n,)."""
    return norm(images - originals)

"""Checks of the arguments that attack factories share."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from limen.attacks.objective import CrossEntropy, Margin
from limen.errors import UnknownNameError, UsageError

Loss = Literal["cross_entropy", "margin"]


def loss_named(name: Loss) -> CrossEntropy | Margin:
    """The objective of this name."""
    if name not in get_args(Loss):
        raise UnknownNameError("loss", str(name), get_args(Loss))
    return CrossEntropy() if name == "cross_entropy" else Margin()


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
    """The value, if it is an integer of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name} is {value!r}; expected an integer of 1 or more")
    return value


def restart_count(restarts: int, random_start: bool) -> int:
    """How many restarts: more than one only from random starts, as others would repeat the same climb."""
    if count("restarts", restarts) > 1 and not random_start:
        raise UsageError(
            f"restarts is {restarts}, but without random_start every try is the same; set random_start"
        )
    return restarts

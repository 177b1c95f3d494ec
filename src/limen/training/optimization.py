"""How steps are taken: optimizers, and schedules of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from limen.catalog import Catalog, tried_on
from limen.errors import UsageError

Parameters = Iterable[nn.Parameter]


def adamw(parameters: Parameters, *, learning_rate: float = 3e-3, weight_decay: float = 0.05) -> Any:
    """Adam with decoupled weight decay.

    Args:
        parameters: What is learned.
        learning_rate: At its peak.
        weight_decay: How fast weights decay, times the learning rate.

    Source:
        Loshchilov & Hutter 2019, Decoupled weight decay regularization, Algorithm 2.

    Example:
        >>> adamw(nn.Linear(2, 1).parameters(), learning_rate=0.1).param_groups[0]["lr"]
        0.1
    """
    _check(learning_rate=learning_rate, weight_decay=weight_decay)
    return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)


def sgd(
    parameters: Parameters,
    *,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    nesterov: bool = False,
) -> Any:
    """Stochastic gradient descent with momentum.

    Args:
        parameters: What is learned.
        learning_rate: At its peak.
        momentum: The share of the last step that the next one keeps.
        weight_decay: The weight of ‖θ‖²/2 beside the loss.
        nesterov: Whether the gradient is taken ahead, where the momentum leads.

    Source:
        Sutskever et al. 2013, On the importance of initialization and momentum in deep learning, Section 2.

    Example:
        >>> sgd(nn.Linear(2, 1).parameters(), momentum=0.8).param_groups[0]["momentum"]
        0.8
    """
    _check(learning_rate=learning_rate, weight_decay=weight_decay, momentum=momentum)
    if nesterov and not momentum:
        raise UsageError("nesterov needs a momentum above 0")
    return torch.optim.SGD(
        parameters, lr=learning_rate, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
    )


def _check(learning_rate: float, **others: float) -> None:
    if not 0 < learning_rate < math.inf:
        raise UsageError(f"learning_rate must be positive, not {learning_rate}")
    for name, value in others.items():
        if not 0 <= value < math.inf:
            raise UsageError(f"{name} must not be negative, but is {value}")


def constant(step: int, total: int) -> float:
    """The peak, at every step."""
    return 1.0


def one_cycle(step: int, total: int, *, rise: float = 0.1) -> float:
    """A linear rise, and a fall by a cosine to 0.

    Args:
        step: From 0.
        total: How many steps there are.
        rise: The share of the steps that the rise takes.

    Source:
        Smith & Topin 2018, Super-convergence, Section 3.

    Example:
        >>> [round(one_cycle(step, 20), 2) for step in (0, 1, 11, 19)]
        [0.5, 1.0, 0.5, 0.01]
    """
    if not 0 < rise < 1:
        raise UsageError(f"rise is {rise}; expected a share of the steps, above 0 and below 1")
    warm_up = max(1, int(total * rise))
    if step < warm_up:
        return (step + 1) / warm_up
    return cosine(step - warm_up, total - warm_up)


def cosine(step: int, total: int) -> float:
    """A fall by half a cosine, from the peak to 0.

    Source:
        Loshchilov & Hutter 2017, SGDR: Stochastic gradient descent with warm restarts, Equation 5.

    Example:
        >>> cosine(0, 10), round(cosine(5, 10), 2)
        (1.0, 0.5)
    """
    return 0.5 * (1 + math.cos(math.pi * step / total))


def multistep(step: int, total: int, *, at: tuple[float, ...] = (0.5, 0.75), factor: float = 0.1) -> float:
    """The peak, multiplied by a factor at each of some places.

    Args:
        step: From 0.
        total: How many steps there are.
        at: The places, as shares of all steps.
        factor: What multiplies it there.

    Source:
        He et al. 2016, Deep residual learning for image recognition, Section 4.2.

    Example:
        >>> [round(multistep(step, 100), 3) for step in (0, 50, 99)]
        [1.0, 0.1, 0.01]
    """
    if not all(0 < place < 1 for place in at) or not 0 < factor < math.inf:
        raise UsageError(f"at is {at} and factor {factor}; expected shares between 0 and 1, and above 0")
    return factor ** sum(step >= place * total for place in at)


def _a_parameter() -> tuple[list[nn.Parameter]]:
    return ([nn.Parameter(torch.zeros(1))],)


OPTIMIZERS = Catalog(
    "optimizer",
    {"adamw": adamw, "sgd": sgd},
    "limen.optimizers",
    argument=False,
    takes=1,
    finish=tried_on(_a_parameter, torch.optim.Optimizer),
)
"""The optimizers that a spec can name; a user's own is a function of parameters that returns one of torch's
kind, and of keywords of its own."""

SCHEDULES = Catalog(
    "schedule",
    {"constant": constant, "cosine": cosine, "multistep": multistep, "one_cycle": one_cycle},
    "limen.schedules",
    argument=False,
    takes=2,
    finish=tried_on(lambda: (0, 1)),
)
"""The schedules that a spec can name; a user's own is a function of a step and the number of steps, and
of keywords of its own, that returns the share of the peak learning rate."""

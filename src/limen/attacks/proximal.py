"""Proximal operators of Lp norms: the nearest perturbations, where length costs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from limen.attacks.constraint.projection import onto_ball
from limen.images import column, norm

Proximal = Callable[[Tensor, Tensor], Tensor]
"""Of perturbations δ (n, C, H, W) and weights λ (n, 1, 1, 1): argmin over z of λ·‖z‖ + ‖z − δ‖²/2."""


def of_l1(delta: Tensor, weight: Tensor) -> Tensor:
    """All values are shortened by λ."""
    return delta.abs().sub_(weight).clamp_(min=0).copysign(delta)


def of_l2(delta: Tensor, weight: Tensor) -> Tensor:
    """The perturbation is shortened by λ."""
    length = column(norm(delta)).clamp_min(torch.finfo(delta.dtype).tiny)
    return delta * (1 - weight / length).clamp_min(0)


def of_linf(delta: Tensor, weight: Tensor) -> Tensor:
    """The greatest values are cut by λ in all: what is left of δ/λ's projection on the unit ball of L1."""
    size = delta.abs()
    greatest = column(norm(delta, math.inf)).clamp_min(torch.finfo(delta.dtype).tiny)
    # Of values in [0, 1] around 0, so that the box of the projection to L1 bounds nothing.
    cut = onto_ball(size / greatest, torch.zeros_like(size), weight / greatest, 1) * greatest
    return (size - cut).copysign(delta)


PROXIMAL: dict[float, Proximal] = {1: of_l1, 2: of_l2, math.inf: of_linf}
"""The proximal operator of each norm."""

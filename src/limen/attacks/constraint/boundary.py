"""How far it is to where what is climbed would be 0."""

from __future__ import annotations

import torch
from torch import Tensor

from limen.attacks.constraint.rounding import reaching
from limen.attacks.protocols import State
from limen.images import column, dot, norm

_FARTHEST = 0.15
"""How far a boundary may seem, as a root mean square over an image: a fading gradient says more."""


def to_linear_boundary(state: State) -> tuple[Tensor, Tensor]:
    """How far it is along the gradient to where the objective would be 0, were it linear, and how steep.

    Returns:
        The length in L2, (n,), before rounding, of a change that gets there when it is stored; and how much
        the objective rises for each unit of length, (n,).
    """
    largest, tiny = norm(state.gradient, torch.inf), torch.finfo(state.gradient.dtype).tiny
    # Its squares must neither underflow nor overflow.
    gradient = state.gradient / column(largest.clamp_min(tiny), state.gradient.ndim)
    change = state.perturbation.change(state.variables, gradient)
    length, most = norm(change).clamp_min(tiny), _FARTHEST * state.exact[0].numel() ** 0.5
    slope = largest * (dot(gradient, gradient) / length)
    distance = torch.where(largest > 0, (-state.values / slope).clamp(0, most), 0)
    lattice = state.problem.lattice
    if lattice is None:
        return distance, slope

    def short(stored: Tensor) -> Tensor:
        return dot(stored - state.images, change) < distance * length

    stored = reaching(state.images, change, distance, lattice, short)[1] * length
    return torch.where(distance > 0, stored, 0), slope

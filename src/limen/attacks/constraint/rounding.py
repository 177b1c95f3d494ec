"""How far along a line a perturbation must go for its stored image to reach something."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from limen.attacks.part import Problem, flat
from limen.images import column, norm, per_sample, quantize

SLACK = 1e-6
BISECTIONS = 24


def reaching(
    originals: Tensor, delta: Tensor, length: float | Tensor, lattice: int, short: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The last t (n,) at which the stored image of x0 + t·δ is too short, and the first at which it is not.

    For a direction g, rounding t·g to the nearest gives the best perturbation of its length on
    the lattice, so t is all that is to be found, by bisection. It lies between where the first value is
    rounded away from the original and where the rounded image must be longer than `length`.
    """
    low = 0.49 / (norm(delta, torch.inf) * lattice).clamp_min(1e-12)
    high = (length + 0.5 * delta[0].numel() ** 0.5 / lattice) / norm(delta).clamp_min(1e-12)
    for _ in range(BISECTIONS):
        middle = (low * high).sqrt()
        is_short = short(_stored(originals, delta, middle, lattice))
        low, high = torch.where(is_short, middle, low), torch.where(is_short, high, middle)
    return low, high


def stretch(
    originals: Tensor, delta: Tensor, length: float | Tensor, lattice: int, short: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The lattice images at both values of `reaching`."""
    low, high = reaching(originals, delta, length, lattice, short)
    return _stored(originals, delta, low, lattice), _stored(originals, delta, high, lattice)


def _stored(originals: Tensor, delta: Tensor, t: Tensor, lattice: int) -> Tensor:
    return quantize(torch.addcmul(originals, delta, column(t)), lattice).clamp_(0, 1)


def steps_within(eps: float | Tensor, problem: Problem) -> Tensor:
    """How many steps of the lattice a budget is, (n,) or for all; without a lattice infinite, or 0."""
    size = torch.as_tensor(flat(eps), device=problem.originals.device)
    scale = math.inf if problem.lattice is None else problem.lattice
    return torch.where(size > 0, size * scale, 0)


def radius_before_rounding(eps: float | Tensor, problem: Problem) -> Tensor:
    """The L2 radius (n, 1, 1, 1) from which rounding to the nearest leads out to ε.

    A dense perturbation gains 1/12 of a squared step in every value, in the mean; what it gains
    beyond that by chance stays under four standard deviations. Where that would take most of the
    budget, perturbations are sparse, and rounding makes them shorter.
    """
    eps, size = per_sample(flat(eps), problem.originals, "eps"), problem.size
    if problem.lattice is None:
        return eps
    gain = (size / 12 + 4 * (size / 180) ** 0.5) / problem.lattice**2
    return torch.where(eps.square() > 2 * gain, (eps.square() - gain).clamp_min(0).sqrt(), eps)

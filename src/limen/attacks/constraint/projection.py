"""The nearest perturbations of a bounded Lp norm."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from limen.images import column, norm

_NEWTON_STEPS = 30


def onto_ball(images: Tensor, originals: Tensor, radius: Tensor, order: float) -> Tensor:
    """The nearest images whose perturbation has an Lp norm of `radius` at most, then clipped to [0, 1].

    In L0, L1 and L∞ that is the nearest member of the ball and the box at once.

    Args:
        images: (n, C, H, W); may be overwritten.
        originals: What the ball is around.
        radius: (n, 1, 1, 1); infinite for no bound.
        order: The p of the norm: 0, 1, 2 or infinity.

    Returns:
        Images (n, C, H, W) in [0, 1].

    Example:
        >>> images = torch.tensor([[[[0.9, 0.6, 0.5]]]])
        >>> onto_ball(images, torch.full_like(images, 0.5), torch.tensor([[[[0.3]]]]), 1)
        tensor([[[[0.8000, 0.5000, 0.5000]]]])
    """
    if order == 1:
        return _onto_l1(images, originals, radius)
    if order == 2:
        delta = images.sub_(originals)
        scale = (radius / column(norm(delta)).clamp_min(1e-12)).clamp_max(1)
        return torch.addcmul(originals, delta, scale, out=delta).clamp_(0, 1)
    if order == 0:
        return _onto_l0(images, originals, radius)
    if order == math.inf:
        images = images.clamp_(0, 1)
        return torch.minimum(torch.maximum(images, originals - radius), originals + radius)
    raise ValueError(f"no projection in L{order:g}")


def _onto_l0(images: Tensor, originals: Tensor, radius: Tensor) -> Tensor:
    """Only the greatest changes are left, as they were before [0, 1] cut them; of equal ones the first."""
    clipped = images.clamp(0, 1)
    if not bool((norm(clipped - originals, 0) > radius.flatten()).any()):
        return clipped
    size = (images - originals).abs_().masked_fill_(clipped == originals, 0).flatten(1)
    rank = size.argsort(dim=1, descending=True, stable=True).argsort(dim=1).reshape(images.shape)
    return torch.where(rank < radius.floor(), clipped, originals)


def _onto_l1(images: Tensor, originals: Tensor, radius: Tensor) -> Tensor:
    """All changes are shortened by one μ, to no less than 0 and no more than the room in [0, 1].

    By the conditions of Karush, Kuhn and Tucker for ball and box at once. What μ leaves is piecewise linear
    in it, so that Newton's method ends on the very line; where it leads out of the bracket, that is halved.
    """
    delta = images - originals
    size = delta.abs()
    room = torch.where(delta > 0, 1 - originals, originals)
    low, high = torch.zeros_like(radius), column(norm(delta, math.inf))
    digits = torch.finfo(low.dtype).eps
    rounding = 4 * digits * radius.maximum(high)
    shorter, going = low, torch.ones_like(radius, dtype=torch.bool)
    for _ in range(_NEWTON_STEPS):
        kept = torch.sub(size, shorter).clamp_(min=0).minimum(room)
        excess = column(norm(kept, 1)) - radius
        # Within the ball at μ = 0 nothing is shortened; else until only rounding is left, of a sum or of μ.
        going = going & torch.where(shorter == 0, excess > 0, excess.abs() > rounding)
        if not bool(going.any()):
            break
        low, high = torch.where(excess > 0, shorter, low), torch.where(excess > 0, high, shorter)
        free = column(((kept > 0) & (kept < room)).flatten(1).sum(1))
        further = shorter + excess / free.clamp_min(1)
        inside = (free > 0) & (further >= low) & (further <= high + rounding)
        further = torch.where(inside, further.minimum(high), (low + high) / 2)
        moved = (further - shorter).abs() > digits * high
        shorter = torch.where(going, further, shorter)
        going = going & moved
    kept = torch.sub(size, shorter).clamp_(min=0).minimum(room)
    return torch.addcmul(originals, delta.sign(), kept).clamp_(0, 1)

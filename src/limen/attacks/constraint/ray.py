"""The furthest point of a clipped ray inside a ball: what a maximiser and a projection both come down to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from limen.attacks.part import Part, rows

NEWTON_STEPS = 32
BISECTIONS = 64


@dataclass(frozen=True)
class ClippedRay(Part):
    """r(t) = clip(t·d − ν, low, high), where ν(t) makes Σr = 0 if `balanced`, and is 0 if not.

    By the conditions of Karush, Kuhn and Tucker, a linear function of gradient d, on a ball around 0
    that is cut by a box (and by Σr = 0), is greatest at the last point of the ray in the ball, and the
    member nearest to d is the last one at t ≤ 1. ‖r(t)‖ never falls, as r(t) maximises t·⟨d, r⟩ − ‖r‖²/2.

    Attributes:
        direction: d (n, C, H, W), of mean 0 if `balanced`.
        low: The box's lower corner (n, C, H, W).
        high: Its upper corner.
        square: The ball's squared radius (n, 1, 1, 1), not less than the box's squared distance from 0.
        most: The greatest t (n, 1, 1, 1).
        balanced: Whether Σr = 0.
    """

    direction: Tensor = rows()
    low: Tensor = rows()
    high: Tensor = rows()
    square: Tensor = rows()
    most: Tensor = rows()
    balanced: bool = False

    def furthest(self) -> Tensor:
        """r(t) (n, C, H, W) for the greatest t with ‖r(t)‖² ≤ square.

        Were it known which values are clipped, t² and ν would solve two linear equations. Solving
        these for the values clipped at the last (t, ν), over and over, is Newton's method: one look
        where nothing is clipped, a few as a rule. Rows that it does not settle, such as those of
        tiny images clipped almost everywhere, are bisected.
        """
        tiny = torch.finfo(self.direction.dtype).tiny
        t = (self.square / squared(self.direction).clamp_min(tiny)).sqrt().minimum(self.most)
        found, settled, t, shift = self._newton(t, torch.zeros_like(t))
        ray, rows = self, torch.arange(len(t), device=t.device)
        for _ in range(NEWTON_STEPS):
            stay = (~settled).nonzero()[:, 0]
            if len(stay) == 0:
                return self._centred(found)
            rows, ray, t, shift = rows[stay], ray.select(stay), t[stay], shift[stay]
            found[rows], settled, t, shift = ray._newton(t, shift)
        found[rows[~settled]] = ray.select(~settled)._bisected()
        return self._centred(found)

    def _newton(self, t: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The point r at (t, ν), which rows (n,) it settles, and the (t, ν) where Newton goes next."""
        line = (self.direction * t).sub_(shift)
        r = torch.maximum(line, self.low)
        torch.minimum(r, self.high, out=r)
        free = line.eq_(r)
        count = total(free).clamp_min(1)
        free.mul_(self.direction)
        mean, excess = (total(free) / count, total(r)) if self.balanced else (shift, shift)
        spread = squared(free) - count * mean.square()
        gap = self.square - squared(r)
        free_mean, surplus = t * mean - shift, excess / count
        grown = (gap + excess * (2 * free_mean - surplus)) / spread.clamp_min(1e-30)
        next_t = (t.square() + grown).clamp_min(0).sqrt().minimum(self.most)
        settled = self._at_the_end(t, gap) & (excess.abs() <= self._noise(count, shift))
        return r, settled.flatten(), next_t, next_t * mean - free_mean + surplus

    def _at_the_end(self, t: Tensor, gap: Tensor) -> Tensor:
        close = gap.abs() <= torch.finfo(t.dtype).eps ** 0.85 * self.square
        return close | ((gap >= 0) & (t >= self.most))

    def _noise(self, count: Tensor, shift: Tensor) -> Tensor:
        """What the rounding of floats leaves of a sum that is 0."""
        size = (self.square * self.direction[0].numel()).sqrt() + count * shift.abs()
        return 8 * torch.finfo(shift.dtype).eps * size

    def _centred(self, r: Tensor) -> Tensor:
        """Make Σr = 0 to the last digit: where t is great, ν is too coarse a number for that."""
        coarse = total(r).abs() > torch.finfo(r.dtype).eps * r[0].numel()
        rows = coarse.flatten().nonzero()[:, 0]
        if self.balanced and len(rows):
            low, high = self.low[rows], self.high[rows]
            free = ((r[rows] > low) & (r[rows] < high)).to(r.dtype)
            excess = total(r[rows]) / total(free).clamp_min(1)
            r[rows] = torch.addcmul(r[rows], free, excess, value=-1).clamp_(low, high)
        return r

    def _bisected(self) -> Tensor:
        low, high = self.most * torch.finfo(self.most.dtype).eps ** 2, self.most
        for _ in range(BISECTIONS):
            middle = (low * high).sqrt()
            inside = squared(self._balanced(middle)) <= self.square
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
        return self._balanced(low)

    def _balanced(self, t: Tensor) -> Tensor:
        line = self.direction * t
        if not self.balanced:
            return line.clamp_(self.low, self.high)
        low, high = (line - self.high).amin((1, 2, 3), True), (line - self.low).amax((1, 2, 3), True)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            heavy = total((line - middle).clamp_(self.low, self.high)) > 0
            low, high = torch.where(heavy, middle, low), torch.where(heavy, high, middle)
        return (line - high).clamp_(self.low, self.high)


def total(images: Tensor) -> Tensor:
    """Each sample's sum (n, 1, 1, 1). A lone plane goes twice: torch shares a single sum out to threads."""
    planes = images.flatten(2)
    planes = planes.expand(2, -1, -1) if planes.shape[:2].numel() == 1 else planes
    return planes.sum(2).sum(1)[: len(images), None, None, None]


def squared(images: Tensor) -> Tensor:
    """Each sample's ‖·‖² (n, 1, 1, 1), by rows first: torch adds float32 squares one after the other."""
    return torch.linalg.vector_norm(images, dim=3, keepdim=True).square().sum((1, 2), keepdim=True)

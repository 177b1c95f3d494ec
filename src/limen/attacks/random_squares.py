"""Moves that need no gradient: squares at random places, kept where they help."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from limen.attacks.part import Problem, rows, setting
from limen.attacks.protocols import Kind, State, Transform
from limen.images import column, norm
from limen.seeds import draw

_SALT = 2**30
"""Tells these draws of a sample from its random starts."""

_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After which steps of 10,000 squares have half the area."""


@dataclass(frozen=True)
class RandomSquares(Transform):
    """A square at a random place on top of the best image so far, kept where the value is greater for it.

    Source:
        Andriushchenko et al. 2020, Square attack: a query-efficient black-box adversarial attack via random
        search, Algorithm 1.

    Attributes:
        eps: The budget ε, a number or one per sample.
        steps: How many squares are tried.
        area: Which share of the image a square has at first.
        drawn: Random numbers (n, steps, k) in [0, 1), all that a sample needs.
        best: The best image (n, C, H, W).
        value: Its value (n,).
        step: How many squares have been tried.
    """

    eps: float | Tensor = setting()
    steps: int = 1000
    area: float = 0.8
    drawn: Tensor = rows()
    best: Tensor = rows()
    value: Tensor = rows()
    step: int = field(default=0, kw_only=True)
    takes: ClassVar[Kind] = "values alone"

    def bind(self, problem: Problem) -> Self:
        shape, channels = (self.steps, 5 + problem.originals.shape[1]), problem.originals.dtype
        return replace(super().bind(problem), drawn=draw(torch.rand, problem.seeds, shape, channels, _SALT))

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        if self.step == 0:
            return self._first(state).sub_(state.exact), replace(self, step=1)
        better = state.values > self.value if self.step > 1 else torch.ones_like(state.success)
        best, value = (state.exact, state.values) if self.step == 1 else (self.best, self.value)
        best = torch.where(column(better), state.exact, best)
        after = replace(self, best=best, value=torch.where(better, state.values, value), step=self.step + 1)
        return after._next(state).sub_(state.exact), after

    def rest(self, variables: Tensor) -> Tensor:
        return variables if self.best is None else self.best

    def _first(self, state: State) -> Tensor:
        raise NotImplementedError

    def _next(self, state: State) -> Tensor:
        raise NotImplementedError

    def _side(self, images: Tensor, least: int = 1) -> int:
        """The side of the squares of this step, of no less than `least` pixels."""
        halvings = sum(self.step / self.steps * 10000 > each for each in _HALVINGS)
        height, width = images.shape[2:]
        side = round((self.area * 0.5**halvings * height * width) ** 0.5)
        return min(max(side, least), height, width)

    def _numbers(self) -> Tensor:
        return self.drawn[:, self.step - 1]

    def _signs(self, images: Tensor) -> Tensor:
        """One sign for each channel, (n, C, 1, 1)."""
        return (self._numbers()[:, 5:, None, None] - 0.5).sign().to(images.dtype)


@dataclass(frozen=True)
class LinfSquares(RandomSquares):
    """Squares of ±2ε in each channel, cut to ±ε; at first vertical stripes of ±ε."""

    def _first(self, state: State) -> Tensor:
        stripes = (state.problem.draw(torch.rand, _SALT)[:, :, :1] - 0.5).sign()
        return state.constraint.project(state.problem.originals + self.eps * stripes)

    def _next(self, state: State) -> Tensor:
        window, _, _ = _window(self.best, self._side(self.best), self._numbers()[:, :2])
        change = window * (2 * self.eps * self._signs(self.best))
        return state.constraint.project(self.best + change)


@dataclass(frozen=True)
class L2Squares(RandomSquares):
    """Bumps, up and down, that take their length from another square; at first a tiling of such."""

    def _first(self, state: State) -> Tensor:
        originals = state.problem.originals
        height, width = originals.shape[2:]
        side = max(height // 5, 2)
        signs = (state.problem.draw(torch.rand, _SALT) - 0.5).sign()
        rows, columns = (torch.arange(extent, device=originals.device) for extent in (height, width))
        tile = _bump(side, originals)[rows % side][:, columns % side]
        places = signs[:, :, (rows // side)[:, None], (columns // side)[None]]
        return self._scaled(places * tile, state)

    def _next(self, state: State) -> Tensor:
        delta, numbers = self.best - state.problem.originals, self._numbers()
        side = self._side(delta, least=3)
        here, rows, columns = _window(delta, side, numbers[:, :2])
        there, _, _ = _window(delta, side, numbers[:, 2:4])
        bump = _bump(side, delta)
        turned = numbers[:, 4] > 0.5
        upright = bump[rows[:, :, None], columns[:, None]]
        lying = bump.T[rows[:, :, None], columns[:, None]]
        bumps = torch.where(column(turned), lying[:, None], upright[:, None]) * here
        old = delta * here
        mixed = bumps * self._signs(delta) + old / _plane_norm(old).clamp_min(1e-12)
        free = (self._square() - column(norm(delta)).square()).clamp_min(0) / delta.shape[1]
        length = (free + _plane_norm(delta * torch.maximum(here, there)).square()).sqrt()
        mixed = mixed * (length / _plane_norm(mixed).clamp_min(1e-12))
        return self._scaled(torch.where(here > 0, mixed, delta * (1 - there)), state)

    def _square(self) -> float | Tensor:
        return self.eps**2

    def _scaled(self, delta: Tensor, state: State) -> Tensor:
        length = column(norm(delta)).clamp_min(1e-12)
        return state.constraint.project(state.problem.originals + delta * (self.eps / length))


def _window(images: Tensor, side: int, where: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Squares at relative places (n, 2): their masks (n, 1, H, W), and the rows and columns in them."""
    inside, places = [], []
    for axis, extent in enumerate(images.shape[2:]):
        first = (where[:, axis] * (extent - side + 1)).long().clamp_max(extent - side)
        offset = torch.arange(extent, device=images.device) - first[:, None]
        inside.append((offset >= 0) & (offset < side))
        places.append(offset.clamp(0, side - 1))
    mask = (inside[0][:, :, None] & inside[1][:, None])[:, None]
    return mask.to(images.dtype), places[0], places[1]


def _bump(side: int, like: Tensor) -> Tensor:
    """Two hills of unit length (side, side), one up, one down: the shape that moves many pixels alike."""
    first = side // 2
    halves = [_hill(first, side, like), -_hill(side - first, side, like)]
    bump = torch.cat(halves)
    return bump / bump.norm()


def _hill(height: int, width: int, like: Tensor) -> Tensor:
    """A sum of nested rectangles, each of less height than the one inside it."""
    hill = like.new_zeros(height, width)
    middle_row, middle_column = height // 2, width // 2
    for ring in range(max(height // 2, width // 2) + 1):
        rows = slice(max(middle_row - ring, 0), middle_row + ring + 1)
        columns = slice(max(middle_column - ring, 0), middle_column + ring + 1)
        hill[rows, columns] += 1 / (ring + 1) ** 2
    return hill / hill.norm().clamp_min(1e-12)


def _plane_norm(images: Tensor) -> Tensor:
    """The L2 norm of each channel, (n, C, 1, 1)."""
    return torch.linalg.vector_norm(images, dim=(2, 3), keepdim=True)

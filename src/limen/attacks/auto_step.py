"""Steps whose length follows from how the climb goes: Auto-PGD."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.part import rows, setting
from limen.attacks.protocols import Constraint, State, Transform, follow
from limen.images import column, norm

_MOMENTUM = 0.25
"""The share of the last move in the next."""

_RISES = 0.75
"""The share of steps that must have risen, for their length to stay."""


@dataclass(frozen=True)
class FromBest(Transform):
    """Steps that may go on from the best iterate so far, with the gradient that was taken there.

    Attributes:
        step_size: The length of the first step, a number or one per sample.
        steps: How many steps the climb has.
        length: That of the next step (n, 1, 1, 1).
        best: The iterate (n, C, H, W) of greatest value.
        slope: The gradient there.
        value: That value (n,).
        step: How many steps have been made.
    """

    step_size: float | Tensor = setting()
    steps: int = 100
    length: Tensor = rows()
    best: Tensor = rows()
    slope: Tensor = rows()
    value: Tensor = rows()
    step: int = field(default=0, kw_only=True)

    def rest(self, variables: Tensor) -> Tensor:
        return variables if self.best is None else self.best

    def _seen(self, state: State) -> Self:
        """With the best after this iterate."""
        if self.best is None:
            length = torch.zeros_like(column(state.values)) + self.step_size
            return replace(self, length=length, best=state.exact, slope=state.gradient, value=state.values)
        better = state.values > self.value
        return replace(
            self,
            best=torch.where(column(better), state.exact, self.best),
            slope=torch.where(column(better), state.gradient, self.slope),
            value=torch.where(better, state.values, self.value),
        )

    def _at(self, state: State, back: Tensor) -> State:
        """The state, of the best iterate where the samples (n,) go back to it."""
        exact = torch.where(column(back), self.best, state.exact)
        return replace(state, exact=exact, gradient=torch.where(column(back), self.slope, state.gradient))


@dataclass(frozen=True)
class AutoStep(FromBest):
    """Steps that are halved, and go back to the best iterate, where the climb does not go on (Auto-PGD).

    At checkpoints, which come ever closer, a sample's steps are halved where less than three quarters of
    those since the last have risen, or where neither its best value nor its length has changed since. A
    quarter of each move is the last one again.

    The published program takes the first step for a rise where its value is more than 0; here it is compared
    with the start.

    Source:
        Croce & Hein 2020, Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks, Algorithm 1.

    Attributes:
        direction: The rule that makes a direction of a gradient.
        before: The iterate (n, C, H, W) that the last step was made from.
        last: The value (n,) of the last iterate.
        risen: How many steps (n,) have risen since the last checkpoint.
        checked: The best value (n,) at the last checkpoint.
        halved: Which samples' (n,) steps were halved there.
        interval: How many steps lie between the last checkpoint and the next.
        due: How many steps are made by the next.
    """

    direction: tuple[Transform, ...] = ()
    before: Tensor = rows()
    last: Tensor = rows()
    risen: Tensor = rows()
    checked: Tensor = rows()
    halved: Tensor = rows()
    interval: int = field(default=0, kw_only=True)
    due: int = field(default=0, kw_only=True)

    def rules(self, constraint: Constraint) -> Iterable[tuple[tuple[Transform, ...], Constraint]]:
        return ((self.direction, constraint),)

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        started = self if self.step else self._started(state)
        after, back = started._seen(state)._checked(state)
        here = after._at(state, back)
        direction, rule = follow(self.direction, here.gradient.clone(), here)
        reached = _projected(here, after.length * direction)
        if self.step:
            reached = _projected(
                here, (1 - _MOMENTUM) * (reached - here.exact) + _MOMENTUM * (here.exact - self.before)
            )
        onward = replace(after, direction=rule, before=here.exact, last=state.values, step=self.step + 1)
        return reached.sub_(state.exact), onward

    def _started(self, state: State) -> Self:
        first = max(int(0.22 * self.steps), 1)
        zero = torch.zeros_like(state.values)
        return replace(
            self,
            interval=first,
            due=first,
            last=state.values,
            risen=zero,
            checked=state.values,
            halved=torch.ones_like(state.success),
        )

    def _checked(self, state: State) -> tuple[Self, Tensor]:
        """After a checkpoint, if one is due, and which samples (n,) go back to their best iterate there."""
        risen = self.risen + (state.values > self.last)
        if self.step < self.due:
            return replace(self, risen=risen), torch.zeros_like(state.success)
        halved = (risen <= _RISES * self.interval) | (~self.halved & (self.checked >= self.value))
        interval = max(self.interval - max(int(0.03 * self.steps), 1), max(int(0.06 * self.steps), 1))
        after = replace(
            self,
            length=torch.where(column(halved), self.length / 2, self.length),
            risen=torch.zeros_like(risen),
            checked=self.value,
            halved=halved,
            interval=interval,
            due=self.due + interval,
        )
        return after, halved


def _projected(state: State, move: Tensor) -> Tensor:
    return state.constraint.project(state.exact + move)


@dataclass(frozen=True)
class SparseStep(FromBest):
    """Steps in L1 along the signs of the greatest values of the gradient, of which there are ever fewer.

    At each checkpoint the next steps change two thirds as many values as the best perturbation does. Their
    length is divided by 1.5, down to a tenth; where the best perturbation has lost a 20th of its support, it
    is the first length again, and the sample goes back to its best iterate.

    A phase may begin at some steps, as when the ball shrinks: all starts anew at the best iterate.

    Source:
        Croce & Hein 2021, Mind the box: l1-APGD for sparse adversarial attacks on image classifiers,
        Algorithm 1; numbers as in its program.

    Attributes:
        begins: At which steps a phase begins.
        share: The share (n,) of values that a step changes.
        support: How many values (n,) the best perturbation had at the last checkpoint.
    """

    begins: tuple[int, ...] = ()
    share: Tensor = rows()
    support: Tensor = rows()

    def __call__(self, move: Tensor, state: State) -> tuple[Tensor, Self]:
        after = self._seen(state)
        if self.step in self.begins:
            reached = state.constraint.project(after.best.clone())
            support = norm(reached - state.problem.originals, 0)
            anew = type(self)(self.step_size, self.steps, begins=self.begins, step=self.step + 1)
            share = support / (_THINNER * reached[0].numel())
            return reached.sub_(state.exact), replace(anew, share=share, support=support)
        if self.share is None:
            share = torch.full_like(state.values, 0.2)
            after = replace(after, share=share, support=torch.full_like(share, state.exact[0].numel()))
        back = torch.zeros_like(state.success)
        since = self.step - max((each for each in self.begins if each < self.step), default=0)
        if since and since % max(int(0.04 * self.steps), 1) == 0:
            after, back = after._checked(state)
        here = after._at(state, back)
        signs = _top_signs(here.gradient, after.share)
        reached = _projected(here, after.length * signs)
        return reached.sub_(state.exact), replace(after, step=self.step + 1)

    def _checked(self, state: State) -> tuple[Self, Tensor]:
        """After a checkpoint, and which samples (n,) go back to their best iterate there."""
        support = norm(self.best - state.problem.originals, 0)
        thinner = support < 0.95 * self.support
        first = torch.zeros_like(self.length) + self.step_size
        shorter = (self.length / _THINNER).maximum(first / 10)
        length = torch.where(column(thinner), first, shorter)
        share = support / (_THINNER * self.best[0].numel())
        return replace(self, length=length, share=share, support=support), thinner


_THINNER = 1.5
"""By which factor steps change fewer values than the perturbation, and are shortened."""


def _top_signs(gradient: Tensor, share: Tensor) -> Tensor:
    """The signs of each sample's greatest values, a share of all, of unit L1 length."""
    size = gradient.abs().flatten(1)
    count = (size.shape[1] - ((1 - share) * size.shape[1]).long()).clamp(1, size.shape[1])
    greatest = size.topk(int(count.max()), dim=1).values.gather(1, count[:, None] - 1)
    signs = gradient.sign().mul_(gradient.abs() >= column(greatest))
    return signs.div_(column(norm(signs, 1).clamp_min(1)))

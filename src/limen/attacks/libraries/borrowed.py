"""What code of others makes of images, as a search: asked once; stored, checked and counted as Limen's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from limen.attacks.best import Best
from limen.attacks.constraint import L0Ball, L1Ball, L2Ball, LinfBall
from limen.attacks.constraint.rounding import SLACK
from limen.attacks.libraries.counted import Counted, left_alone, spread
from limen.attacks.loop import offered, settle_originals
from limen.attacks.part import Problem, setting
from limen.attacks.protocols import Constraint
from limen.attacks.search import Search
from limen.classifier import Classifier
from limen.errors import LimenError
from limen.images import norm
from limen.user_code import telling


@dataclass(frozen=True)
class Call:
    """What code of others is asked: samples that are of one budget, and in tensors of its own.

    Attributes:
        network: The model, a network on images in [0, 1].
        images: Images (n, C, H, W) in [0, 1].
        labels: The classes (n,) to leave, or to reach if `targeted`.
        targeted: Whether success is to reach the label.
        eps: The budget; None for none.
        seed: What random numbers start from, made of the seeds of all samples.
        problem: The same samples, for what they are asked further.
    """

    network: nn.Module
    images: Tensor
    labels: Tensor
    targeted: bool
    eps: float | None
    seed: int
    problem: Problem

    @property
    def classes(self) -> int:
        """How many classes the model tells apart."""
        return self.problem.answers().shape[1]


BALLS: dict[float, Callable[..., Constraint]] = {0: L0Ball, 1: L1Ball, 2: L2Ball, math.inf: LinfBall}
"""What a budget is in each norm."""


@dataclass(frozen=True)
class Kept(Constraint):
    """A ball that code of others says it keeps to: what it finds outside is no success.

    What lies in the ball is stored in it, as rounding is not what that code did. What does not is
    stored as it is.

    Attributes:
        ball: The ball, of radius ε.
        order: Its norm's p.
        eps: ε.
    """

    ball: Constraint = Constraint()
    order: float = math.inf
    eps: float = 0.0
    is_soft: ClassVar[bool] = True

    def store(self, images: Tensor) -> Tensor:
        """Images on the lattice, those of the ball in it."""
        stored = super().store(images)
        # Others compute in single precision, and in another order.
        most = self.eps * (1 + 1e-4) + SLACK
        mine = (norm(images - self.originals, self.order) <= most) & ~self.ball.contains(stored)
        if len(rows := mine.nonzero()[:, 0]):
            ball = self.ball.select(rows)
            stored[rows] = near = ball.store(images[rows])
            left = ~ball.contains(near)
            stored[rows[left]] = ball.store(ball.project(images[rows].clone()))[left]
        return stored

    def contains(self, images: Tensor) -> Tensor:
        """Which images (n,) are in the ball."""
        return self.ball.contains(images)


@dataclass(frozen=True)
class Borrowed(Search):
    """One attack that code of others makes: it is asked once, on all samples that are not settled.

    Attributes:
        name: What errors call it.
        run: The code: of a call, images of the shape that it was given.
        eps: The budget, a number or one per sample: the code is asked for each budget apart. None for none.
        order: The p of the norm that the budget bounds; None where that is not known.
    """

    name: str
    run: Callable[[Call], Any]
    eps: float | Tensor | None = setting(None)
    order: float | None = None

    def room(self, problem: Problem) -> Tensor:
        """The most steps of the lattice that the budget allows a value."""
        if self.eps is None or self.order not in BALLS:
            return super().room(problem)
        room = BALLS[self.order](eps=self.eps).room(problem)
        return torch.as_tensor(room, device=problem.originals.device)

    def __call__(self, classifier: Classifier, problem: Problem, best: Best) -> None:
        """Ask for the samples that are not settled, and offer what comes back."""
        if best.judges(None):
            problem = replace(problem, answer=settle_originals(classifier, problem, best))
        best.moved |= True  # of its steps only the last is seen, which may be a failure's original
        for eps, rows in self._by_budget((~best.settled).nonzero()[:, 0]):
            self._ask(classifier, problem.select(rows), best, rows, eps)

    def _by_budget(self, rows: Tensor) -> Iterator[tuple[float | None, Tensor]]:
        """The samples of each budget."""
        if not isinstance(self.eps, Tensor) or not self.eps.ndim:
            if len(rows):
                yield None if self.eps is None else float(self.eps), rows
            return
        budgets = self.eps.to(rows.device)[rows]
        for eps in budgets.unique().tolist():
            yield eps, rows[budgets == eps]

    def _ask(
        self, classifier: Classifier, problem: Problem, best: Best, rows: Tensor, eps: float | None
    ) -> None:
        network, seed = Counted(classifier), int(problem.seeds.sum()) % 2**31
        images, labels = problem.originals.clone(), problem.labels.clone()
        call = Call(network, images, labels, problem.targeted, eps, seed, problem)
        with left_alone(classifier, seed), telling(f"{self.name} raised"):
            found = self.run(call)
        images, broken = _checked(found, problem.originals, self.name)
        best.broken[rows] = broken
        forwards, backwards = spread(network.forwards, rows), spread(network.backwards, rows)
        best.forwards[rows] += forwards
        best.backwards[rows] += backwards
        best.steps[rows] += torch.where(backwards > 0, backwards, forwards).clamp_min(1)
        state = offered(images, classifier, problem, best, rows, self._kept(eps).bind(problem))
        if best.judges(None):
            best.outside[rows] = problem.attained(state.logits) & ~state.success

    def _kept(self, eps: float | None) -> Constraint:
        if eps is None or self.order not in BALLS:
            return Constraint()
        return Kept(ball=BALLS[self.order](eps=eps), order=self.order, eps=eps)


def _checked(found: Any, originals: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] of what code returned, and for which (n,) it returned none: originals stand for these.

    Raises:
        LimenError: If it is no batch of images of this shape.
    """
    if isinstance(found, np.ndarray) and found.dtype.kind == "f":
        found = torch.from_numpy(found)
    wanted = f"it must return the images, floats in [0, 1] of shape {tuple(originals.shape)}"
    if not isinstance(found, Tensor) or not found.is_floating_point():
        kind = getattr(found, "dtype", type(found).__name__)
        raise LimenError(f"{name} returned {kind}; {wanted}")
    if found.shape != originals.shape:
        raise LimenError(f"{name} returned shape {tuple(found.shape)}; {wanted}")
    images = found.detach().to(originals.device, originals.dtype)
    off = (images.clamp(0, 1) - images).abs() > _ROUNDING
    broken = (off | ~images.isfinite()).flatten(1).any(1)
    return torch.where(broken.view(-1, 1, 1, 1), originals, images.clamp(0, 1)), broken


_ROUNDING = 1e-5
"""By how much floats may lie outside [0, 1]."""

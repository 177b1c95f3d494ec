"""The only attack loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from limen.attacks.direction import Maximize, NearestBoundary, SmoothTotal, TopSaliency
from limen.attacks.feasible import Box
from limen.attacks.perturbation import Pixels
from limen.attacks.protocols import (
    Feasible,
    Maximisable,
    Objective,
    Part,
    Perturbation,
    Point,
    Problem,
    Round,
    Samplable,
    Slope,
    Transform,
)
from limen.attacks.update import ShareOfRadius
from limen.classifier import Classifier, check_labels
from limen.errors import UsageError

_MOVES_OF_IMAGES = (Maximize, NearestBoundary, ShareOfRadius, SmoothTotal, TopSaliency)

Distance = Callable[[Tensor, Tensor], Tensor]
"""How far images (n, C, H, W) are from originals: (n,)."""


@dataclass(frozen=True, kw_only=True)
class Composition(Part):
    """One climb, as a sentence of parts: climb this objective, by this rule, within these bounds.

    Attributes:
        objective: What is climbed.
        perturbation: What the free variables are.
        feasible: What the result may be.
        rule: The transforms that turn a gradient into a move, in turn.
        steps: How many moves at most.
        random_start: Whether to start from a random member of the feasible set.
        early_stop: Whether a sample is finished at its first success.
        patience: A sample is finished when its objective has not risen by 0.01 % for this share
            of the steps; None to go on.
        distance: If given, the success of least distance is kept, else the last one.

    Raises:
        UsageError: Where the parts do not go together, with the reason.
    """

    objective: Objective
    perturbation: Perturbation = Pixels()  # noqa: RUF009 (an immutable value)
    feasible: Feasible = Box()  # noqa: RUF009 (an immutable value)
    rule: tuple[Transform, ...]
    steps: int
    random_start: bool = False
    early_stop: bool = False
    patience: float | None = None
    distance: Distance | None = None

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise UsageError(f"steps is {self.steps!r}; expected an integer of 1 or more")
        kind = type(self.feasible).__name__
        if any(isinstance(link, Maximize) for link in self.rule) and not isinstance(
            self.feasible, Maximisable
        ):
            raise UsageError(f"{kind} has no linear maximiser, so Maximize cannot be its direction")
        if any(isinstance(link, ShareOfRadius) for link in self.rule) and not isinstance(
            self.feasible, Round
        ):
            raise UsageError(f"{kind} has no radius, so no step can be a share of it")
        if self.random_start and not isinstance(self.feasible, Samplable):
            raise UsageError(f"{kind} is unbounded or cannot be sampled; start from the original instead")
        across = [type(link).__name__ for link in self.rule if isinstance(link, _MOVES_OF_IMAGES)]
        if across and not self.perturbation.is_image:
            raise UsageError(
                f"{across[0]} moves an image, but the variables of {type(self.perturbation).__name__} are "
                "not the image; use pixels"
            )


class Best:
    """The best result so far of every sample of a call, over all its climbs, and what it cost."""

    def __init__(self, problem: Problem) -> None:
        count, device = len(problem.originals), problem.originals.device
        self.images = problem.originals.clone()
        self.success = torch.zeros(count, dtype=torch.bool, device=device)
        self.predictions = torch.full((count,), -1, device=device)
        self.distance = torch.full((count,), torch.inf, dtype=problem.originals.dtype, device=device)
        self.settled = torch.zeros_like(self.success)
        self.steps, self.forwards, self.backwards = (
            torch.zeros(count, dtype=torch.int64, device=device) for _ in range(3)
        )

    def offer(self, rows: Tensor, point: Point, measure: Distance | None) -> None:
        """Keep this iterate of the samples at `rows` where it succeeds, and is nearer if that counts."""
        better = point.success
        if measure is not None:
            better, hits = torch.zeros_like(better), better.nonzero()[:, 0]
            measured = measure(point.images[hits], point.problem.originals[hits])
            better[hits] = nearer = measured < self.distance[rows[hits]]
            self.distance[rows[hits[nearer]]] = measured[nearer]
        told = better | ~self.success[rows]
        self.predictions[rows] = torch.where(told, point.predictions, self.predictions[rows])
        kept = better.nonzero()[:, 0]
        if len(kept) == len(self.success):
            self.images = point.images.detach()
        elif len(kept):
            self.images[rows[kept]] = point.images[kept]
        self.success[rows[kept]] = True

    def revoke(self, rows: Tensor, originals: Tensor) -> None:
        """Give the samples at `rows` back their originals: what was kept broke the budget."""
        self.success[rows] = False
        self.images[rows] = originals[rows]
        self.distance[rows] = torch.inf


def look_at_originals(parts: Composition, classifier: Classifier, problem: Problem, best: Best) -> None:
    """Settle the samples whose original already is what the attack is after."""
    point, _ = _look(parts, parts.perturbation.invert(problem.originals), problem, classifier, 0.0, True)
    rows = torch.arange(len(problem.labels), device=problem.labels.device)
    best.forwards += 1
    best.offer(rows, point, parts.distance)
    best.settled |= point.success


def climb(
    parts: Composition, classifier: Classifier, problem: Problem, best: Best, rows: Tensor, salt: int = 0
) -> Tensor:
    """Run one composition for the samples at `rows`; each leaves when it is finished.

    Args:
        parts: The composition, prepared for all samples of the call.
        classifier: The model under attack.
        problem: All samples of the call.
        best: Where results are kept and passes counted.
        rows: The samples to run.
        salt: Tells the random starts of one sample apart.

    Returns:
        Which samples (N,) succeeded in this climb.
    """
    whole, succeeded = parts.feasible, torch.zeros_like(best.success)
    parts, problem, everyone = parts.keep(rows), problem.keep(rows), problem
    variables = parts.perturbation.invert(_start(parts, problem, salt))
    plateau = _Plateau(parts, len(rows), problem.originals)
    for step in range(parts.steps + 1):
        final = step == parts.steps
        point, values = _look(parts, variables, problem, classifier, step / parts.steps, final)
        best.forwards[rows] += 1
        best.offer(rows, point, parts.distance)
        succeeded[rows] |= point.success
        finished = plateau.flat(values, step) | (point.success & parts.early_stop)
        if step == 0 and not parts.random_start:
            best.settled[rows] |= point.success
            finished = finished | point.success
        stay = (~finished).nonzero()[:, 0]
        if values is None or len(stay) == 0:
            break
        if len(stay) < len(rows):
            rows, parts, problem, plateau = (
                rows[stay],
                parts.keep(stay),
                problem.keep(stay),
                plateau.keep(stay),
            )
        slope = _slope(parts, variables, point, values, stay)
        best.backwards[rows] += 1 if slope.values.ndim == 1 else slope.values.shape[1]
        best.steps[rows] += 1
        variables, parts = _move(parts, variables[stay] if len(stay) < len(variables) else variables, slope)
    outside = succeeded & ~whole.contains(best.images)
    best.revoke(outside.nonzero()[:, 0], everyone.originals)
    return succeeded & ~outside


def _start(parts: Composition, problem: Problem, salt: int) -> Tensor:
    if parts.random_start and isinstance(parts.feasible, Samplable):
        return parts.feasible.sample(problem, 2 * salt)
    return problem.originals


class _StraightThrough(torch.autograd.Function):
    """The stored image, whose gradient is handed on to the image before rounding."""

    @staticmethod
    def forward(ctx, exact: Tensor, stored: Tensor) -> Tensor:
        return stored.view_as(stored)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def _look(
    parts: Composition,
    variables: Tensor,
    problem: Problem,
    classifier: Classifier,
    progress: float,
    final: bool,
) -> tuple[Point, Tensor | None]:
    """The model's one forward pass of a step, on the image that a file would store."""
    with torch.set_grad_enabled(not final):
        exact = parts.perturbation.images(variables.requires_grad_(not final))
        images = _StraightThrough.apply(exact, parts.feasible.store(exact.detach()))
        logits = classifier(images)
        if progress == 0:
            check_labels(problem.labels, images, classes=logits.shape[1])
        predictions = logits.detach().argmax(1)
        point = Point(images, exact, logits, predictions, problem.adversarial(predictions), progress, problem)
        return point, None if final else parts.objective(point)


def _slope(parts: Composition, variables: Tensor, point: Point, values: Tensor, stay: Tensor) -> Slope:
    """The objective's gradient for the samples that stay, finite whatever the model does."""
    gradients = []
    for weights in _unit_weights(values):
        (gradient,) = torch.autograd.grad(
            values, variables, weights, retain_graph=values.ndim > 1, materialize_grads=True
        )
        if not bool(torch.isfinite(gradient.sum())):
            gradient = gradient.nan_to_num(0.0, 0.0, 0.0)
        gradients.append(gradient)
    gradient = gradients[0] if values.ndim == 1 else torch.stack(gradients, 1)
    values, point = values.detach(), point.detach()
    if len(stay) < len(gradient):
        gradient, values, point = gradient[stay], values[stay], point.keep(stay)
    return Slope(values, gradient, point, parts.feasible.react(point))


def _unit_weights(values: Tensor) -> list[Tensor]:
    if values.ndim == 1:
        return [torch.ones_like(values)]
    return [
        torch.zeros_like(values).index_fill_(1, k, 1.0)
        for k in torch.arange(values.shape[1], device=values.device)
    ]


def _move(parts: Composition, variables: Tensor, slope: Slope) -> tuple[Tensor, Composition]:
    move, rule = slope.gradient.clone(), []
    for link in parts.rule:
        move, successor = link(move, slope)
        rule.append(successor)
    variables = variables.detach().add_(move)
    if parts.perturbation.is_image:
        variables = slope.feasible.project(variables)
    elif type(slope.feasible) is not Box:  # which holds whatever images any variables make
        images = parts.perturbation.images(variables)
        variables = parts.perturbation.invert(slope.feasible.project(images))
    return variables, dataclasses.replace(parts, rule=tuple(rule), feasible=slope.feasible)


class _Plateau:
    """Which samples' objectives have stopped rising (Carlini & Wagner's abort-early rule)."""

    def __init__(self, parts: Composition, count: int, like: Tensor) -> None:
        self.window = 0 if parts.patience is None else max(1, round(parts.steps * parts.patience))
        self.before = like.new_full((count,), -torch.inf)
        self.never = torch.zeros(count, dtype=torch.bool, device=like.device)

    def flat(self, values: Tensor | None, step: int) -> Tensor:
        if values is None or not self.window or step % self.window:
            return self.never
        values = values.detach()
        flat = values <= self.before + 1e-4 * self.before.abs()
        self.before = values
        return flat

    def keep(self, rows: Tensor) -> _Plateau:
        self.before, self.never = self.before[rows], self.never[rows]
        return self

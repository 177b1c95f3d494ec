"""The best of what an attack has found so far, and what it has cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from limen.attacks.outcome import Outcome
from limen.attacks.part import Part, Passes, Problem
from limen.attacks.protocols import State
from limen.classifier import Classifier
from limen.images import column, norm, quantize

Distance = Callable[[Tensor, Tensor], Tensor]
"""How far images (n, C, H, W) are from originals: (n,)."""


@dataclass(frozen=True)
class LpDistance:
    """‖x − x0‖_p (n,), of images and originals.

    Attributes:
        order: The p of the norm.

    Example:
        >>> LpDistance(1)(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
        tensor([4.])
    """

    order: float

    def __call__(self, images: Tensor, originals: Tensor) -> Tensor:
        """The norm of their difference."""
        return norm(images - originals, self.order)


class Best:
    """The best result so far of every sample of a call, over all its climbs, and what it cost."""

    def __init__(self, problem: Problem) -> None:
        count, device = len(problem.originals), problem.originals.device
        self.images = problem.originals.clone()
        self.success = torch.zeros(count, dtype=torch.bool, device=device)
        self.predictions = torch.full((count,), -1, device=device)
        self.distance = torch.full((count,), torch.inf, dtype=problem.originals.dtype, device=device)
        self.settled = torch.zeros_like(self.success)
        self.unmasked = torch.zeros_like(self.success)
        self.moved, self.reached = torch.zeros_like(self.success), torch.zeros_like(self.success)
        self._climbing: _Now | None = None
        self.unconfirmed = torch.zeros_like(self.success)
        self.outside, self.broken = torch.zeros_like(self.success), torch.zeros_like(self.success)
        self.probabilities: Tensor | None = None
        self.tried = torch.zeros_like(self.distance)
        self.taken = Passes.of(problem.originals)
        self.forwards, self.backwards = self.taken.forwards, self.taken.backwards
        self.steps, self.gradients, self.zero, self.nonfinite = (
            torch.zeros(count, dtype=torch.int64, device=device) for _ in range(4)
        )

    def judges(self, measure: Distance | None) -> bool:
        """Whether success decides what is kept, so that every iterate has to be looked at."""
        return True

    def prepare(self, rows: Tensor, parts: Part, draws: int) -> None:
        """Count the passes that binding these parts took of the samples at `rows`; note what is unmasked.

        Each is of a classifier that is the mean of so many draws.
        """
        forwards, backwards = parts.passes()
        self.forwards[rows] += forwards * draws
        self.backwards[rows] += backwards * draws
        self.unmasked[rows] |= parts.unmasked()

    def offer(self, state: State, measure: Distance | None) -> None:
        """Keep this iterate of the samples where it succeeds, and is nearer if that counts."""
        now, better = self._now(state.places), state.success
        self._see(state, now)
        if self.probabilities is None:
            self.probabilities = _are_probabilities(state.logits.detach())
        beside = 0 if state.values is None else state.objective.beside[0]
        now.forwards += (1 + beside) * _passes(state)
        now.reached |= better
        if measure is not None:
            better = self._nearer(state, measure, now)
        told = better | ~now.success
        now.predictions = torch.where(told, state.predictions, now.predictions)
        now.images = torch.where(column(better), state.images.detach(), now.images)
        now.success = now.success | better

    def take(self, state: State) -> None:
        """Keep this iterate, unseen, of the samples that have no success to keep."""
        now = self._now(state.places)
        now.images = torch.where(column(now.success), now.images, state.images.detach())

    def count(self, state: State) -> None:
        """Count the backward passes of a step, and the step."""
        now = self._now(state.places)
        now.steps += 1
        if state.gradient is None:
            return
        functions = 1 if state.values.ndim == 1 else state.values.shape[1]
        now.backwards += (functions + state.objective.beside[1]) * _passes(state)
        now.gradients += functions
        now.zero = now.zero + state.zero
        now.nonfinite = now.nonfinite + state.nonfinite

    def close(self) -> Tensor:
        """End a climb, whose state says no more: which samples (N,) of the call succeeded in it."""
        self._write_back()
        reached, self.reached = self.reached, torch.zeros_like(self.reached)
        return reached

    def revoke(self, rows: Tensor, originals: Tensor) -> None:
        """Give the samples at `rows` back their originals: what was kept broke the budget."""
        self.success[rows] = False
        self.images[rows] = originals
        self.distance[rows] = torch.inf

    def confirm(self, classifier: Classifier, problem: Problem) -> None:
        """Ask again about every success, where the model may have another answer to the same image."""
        rows = self.success.nonzero()[:, 0]
        if classifier.repeatable or not len(rows):
            return
        held = problem.select(rows).attained(classifier(self.images[rows]))
        self.unconfirmed[rows] = ~held
        self.forwards[rows] += classifier.draws

    def outcome(self) -> Outcome:
        """The best so far as an outcome."""
        stuck = (self.gradients > 0) & (self.zero + self.nonfinite == self.gradients)
        zero = torch.where(stuck, self.backwards - self.nonfinite, self.zero)
        still = ~self.moved & (self.steps > 0)
        passes = (self.steps, self.forwards, self.backwards, zero, self.nonfinite)
        told = (self.unmasked, self.unconfirmed, still)
        return Outcome(self.images, self.success, self.predictions, *passes, *told)

    def _now(self, places: Tensor) -> _Now:
        """What is kept of the samples at these rows of the call, in the order of a climb's state."""
        if self._climbing is None or self._climbing.places is not places:
            waiting = self._climbing is None or self._climbing.waiting
            self._write_back()
            whole = len(places) == len(self.success)
            kept = {name: getattr(self, name) for name in _KEPT}
            kept = kept if whole else {name: each[places] for name, each in kept.items()}
            self._climbing = _Now(places, whole, waiting, **kept)
        return self._climbing

    def _write_back(self) -> None:
        """Put what is kept of the samples that climb in its place in the call."""
        now, self._climbing = self._climbing, None
        if now is None:
            return
        for name in _KEPT:
            if now.whole:
                setattr(self, name, getattr(now, name))
            else:
                getattr(self, name)[now.places] = getattr(now, name)
        for name in ("forwards", "backwards", "steps", "gradients"):
            getattr(self, name)[now.places] += getattr(now, name)

    def _see(self, state: State, now: _Now) -> None:
        """Note whose iterate, as it is stored, is not the original any more; until all have moved."""
        if not now.waiting:
            return
        still = (~now.moved).nonzero()[:, 0]
        now.waiting = len(still) > 0
        if now.waiting:
            stored = quantize(state.problem.originals[still], state.problem.lattice)
            away = (state.images.detach()[still] - stored).abs() > _SAME
            now.moved = now.moved.index_put((still,), away.flatten(1).any(1))

    def _nearer(self, state: State, measure: Distance, now: _Now) -> Tensor:
        """Which successes (n,) are nearer than what is kept; a costly distance is only that of successes."""
        if isinstance(measure, LpDistance):
            measured = measure(state.constraint.counted(state.images.detach()), state.problem.originals)
        else:
            measured, hits = torch.full_like(now.distance, torch.inf), state.success.nonzero()[:, 0]
            if len(hits):
                counted = state.constraint.counted(state.images)
                measured[hits] = measure(counted[hits], state.problem.originals[hits]).detach()
        nearer = state.success & (measured < now.distance)
        now.distance = torch.where(nearer, measured, now.distance)
        return nearer


@dataclass
class _Now:
    """What is kept of the samples of a climb, row by row as its state has them, and what they have cost.

    Nothing is looked up or put in its place in the call before a sample leaves, and no device is waited for.

    Attributes:
        places: Their rows (n,) in the call.
        whole: Whether these are all of its rows.
        waiting: Whether a sample may not have moved yet.
    """

    places: Tensor
    whole: bool
    waiting: bool
    images: Tensor
    success: Tensor
    predictions: Tensor
    distance: Tensor
    moved: Tensor
    reached: Tensor
    zero: Tensor
    nonfinite: Tensor
    forwards: int = 0
    backwards: int = 0
    steps: int = 0
    gradients: int = 0


_KEPT = ("images", "success", "predictions", "distance", "moved", "reached", "zero", "nonfinite")


class Latest(Best):
    """Where every sample of a call has got to, whether that succeeds or not.

    The exception is a search for the least perturbation, in which a success of least distance is where a
    sample has got to.
    """

    def judges(self, measure: Distance | None) -> bool:
        """Only where the least is looked for; else the last iterate is kept unseen."""
        return measure is not None

    def confirm(self, classifier: Classifier, problem: Problem) -> None:
        """No success is claimed."""

    def offer(self, state: State, measure: Distance | None) -> None:
        """Keep this iterate of the samples that have no success to keep."""
        if measure is not None:
            super().offer(state, measure)
        self.take(state)


_SAME = 1e-6
"""By how much a value may differ in floats and be the same in a file."""


def _passes(state: State) -> int:
    """How many passes of the network a look takes."""
    return 1 if state.problem.classifier is None else state.problem.classifier.draws


def _are_probabilities(logits: Tensor) -> Tensor:
    """Whether they are all in [0, 1] and add up to 1 for each sample, as no logits do."""
    return (logits >= 0).all() & ((logits.sum(1) - 1).abs() < 1e-3).all()

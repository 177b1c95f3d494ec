"""What an attack found, and the best of it so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import cast

import torch
from torch import Tensor

from limen.attacks.part import Part, Passes, Problem
from limen.attacks.protocols import State
from limen.attacks.trace import Trace
from limen.classifier import Classifier
from limen.images import quantize

Distance = Callable[[Tensor, Tensor], Tensor]
"""How far images (n, C, H, W) are from originals: (n,)."""


@dataclass(frozen=True)
class Outcome:
    """What an attack found, one row per sample.

    Attributes:
        images: The adversarial images (N, C, H, W), on the 8-bit lattice unless it was turned
            off; a failed sample's original, as it was given.
        success: Whether (N,) the model's prediction on these images is what the attack was after.
        predictions: The model's predictions (N,): on the adversarial image of a success, on the
            last image tried of a failure.
        steps: Moves made (N,), over all restarts and searches.
        forwards: Forward passes (N,) that the sample took part in.
        backwards: Backward passes (N,) whose gradient the sample used.
        zero_gradients: In how many (N,) of these the gradient was 0 everywhere, or the model, not fooled yet,
            had no part in it, as where only a salience was climbed. Where no gradient of what is climbed
            could move the sample, the passes beside these count as such, too.
        nonfinite_gradients: In how many (N,) of these it held NaN or infinity, which count as 0.
        unmasked: On which samples (N,) a mask says nothing: it named no place, as where attention is flat, so
            that all of the image could change; or the foreground is empty or the whole image.
        unconfirmed: Which successes (N,) did not hold when the model was asked again about the same image, as
            it is where its answers are not repeatable. They are successes nonetheless.
        still: Which samples (N,) were never moved: no image that the model was shown differed from the stored
            original, though steps were made.
        trace: Every look of the attack at the model, where the call asked for it.
    """

    images: Tensor
    success: Tensor
    predictions: Tensor
    steps: Tensor
    forwards: Tensor
    backwards: Tensor
    zero_gradients: Tensor
    nonfinite_gradients: Tensor
    unmasked: Tensor = field(default=cast(Tensor, None))
    unconfirmed: Tensor = field(default=cast(Tensor, None))
    still: Tensor = field(default=cast(Tensor, None))
    trace: Trace | None = None

    def __post_init__(self) -> None:
        for name in ("unmasked", "unconfirmed", "still"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, torch.zeros_like(self.success))

    def __repr__(self) -> str:
        return f"<outcome of images {tuple(self.images.shape)}: {int(self.success.sum())} succeeded>"

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """The outcomes of the parts of a batch, one after the other."""
        if len(parts) == 1:
            return parts[0]
        found = {name: torch.cat([getattr(part, name) for part in parts]) for name in cls._of_samples()}
        traces = [part.trace for part in parts if part.trace is not None]
        whole = len(traces) == len(parts)
        trace = Trace.joined(traces, [len(part.success) for part in parts]) if whole else None
        return cls(**found, trace=trace)

    def retried(self, rows: Tensor, again: Outcome) -> Outcome:
        """With a second try at the samples at `rows`, which is kept where it succeeds, and counted anyway."""
        found = {name: getattr(self, name).clone() for name in self._of_samples()}
        kept = rows[again.success]
        for name, values in found.items():
            if name in ("images", "success", "predictions", "unconfirmed"):
                values[kept] = getattr(again, name)[again.success]
            elif name == "still":
                values[rows] &= again.still
            else:
                values[rows] += getattr(again, name)
        if self.trace is None or again.trace is None:
            return Outcome(**found)
        return Outcome(**found, trace=self.trace.followed(rows, again.trace))

    @classmethod
    def _of_samples(cls) -> list[str]:
        """The attributes that have one row per sample."""
        return [each.name for each in fields(cls) if each.name != "trace"]

    @property
    def stuck(self) -> Tensor:
        """Which samples (N,) no gradient could move: all were 0 everywhere, or not finite."""
        return (self.backwards > 0) & (self.zero_gradients + self.nonfinite_gradients == self.backwards)

    @property
    def faded(self) -> Tensor:
        """Which others (N,) a gradient could move in less than half of the backward passes."""
        return ~self.stuck & (2 * (self.zero_gradients + self.nonfinite_gradients) > self.backwards)


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
        self.moved = torch.zeros_like(self.success)
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
        rows, better = state.places, state.success
        self._see(state)
        if self.probabilities is None:
            self.probabilities = _are_probabilities(state.logits.detach())
        self.forwards[rows] += _passes(state)
        if state.values is not None:
            self.forwards[rows] += state.objective.beside[0] * _passes(state)
        hits = better.nonzero()[:, 0]
        if measure is not None and len(hits):
            better = torch.zeros_like(better)
            counted = state.constraint.counted(state.images)
            measured = measure(counted[hits], state.problem.originals[hits])
            better[hits] = nearer = measured < self.distance[rows[hits]]
            self.distance[rows[hits[nearer]]] = measured[nearer]
        told = better | ~self.success[rows]
        self.predictions[rows] = torch.where(told, state.predictions, self.predictions[rows])
        kept = better.nonzero()[:, 0]
        self._keep(state, kept)
        self.success[rows[kept]] = True

    def take(self, state: State) -> None:
        """Keep this iterate, unseen, of the samples that have no success to keep."""
        self._keep(state, (~self.success[state.places]).nonzero()[:, 0])

    def count(self, state: State) -> None:
        """Count the backward passes of a step, and the step."""
        rows = state.places
        self.steps[rows] += 1
        if state.gradient is None:
            return
        functions = 1 if state.values.ndim == 1 else state.values.shape[1]
        self.backwards[rows] += (functions + state.objective.beside[1]) * _passes(state)
        self.gradients[rows] += functions
        self.zero[rows] += state.zero
        self.nonfinite[rows] += state.nonfinite

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

    def _see(self, state: State) -> None:
        """Note whose iterate, as it is stored, is not the original any more."""
        waiting = (~self.moved[state.places]).nonzero()[:, 0]
        if len(waiting):
            stored = quantize(state.problem.originals[waiting], state.problem.lattice)
            away = (state.images.detach()[waiting] - stored).abs() > _SAME
            self.moved[state.places[waiting]] = away.flatten(1).any(1)

    def _keep(self, state: State, kept: Tensor) -> None:
        """Keep this iterate of those of its samples that are at `kept`."""
        if len(kept) == len(self.success):
            self.images = state.images.detach()
        elif len(kept):
            self.images[state.places[kept]] = state.images.detach()[kept]


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

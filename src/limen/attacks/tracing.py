"""A keeper of results that also keeps every look; attacks use it where a trace is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from limen.attacks.best import Best, Distance
from limen.attacks.outcome import Outcome
from limen.attacks.part import Problem
from limen.attacks.protocols import State
from limen.attacks.trace import Trace
from limen.images import norm
from limen.structure.asking import asks_for


class Traced(Best):
    """The best result of every sample of a call, and all that the loop saw on the way to it.

    The loop offers each look to the keeper of results anyway. So a call without a trace does nothing more,
    and one with a trace takes the same steps and passes.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        count = len(self.success)
        self._looks: list[dict[str, Tensor]] = []
        self._climb = self.steps.new_full((count,), -1)
        self._step = torch.zeros_like(self.steps)
        self._row = torch.zeros_like(self.steps)

    def offer(self, state: State, measure: Distance | None) -> None:
        """Keep this iterate where it is better, and note what is seen of it."""
        super().offer(state, measure)
        self._looks.append(self._seen(state, measure))

    def count(self, state: State) -> None:
        """Count the passes of a step, and note its gradient."""
        super().count(state)
        rows = state.places
        self._step[rows] += 1
        if state.gradient is not None:
            gradient = state.gradient if state.values.ndim == 1 else state.gradient[:, 0]
            size = norm(gradient).masked_fill(state.nonfinite > 0, torch.inf)
            self._looks[-1]["gradient"][self._row[rows]] = size

    def outcome(self) -> Outcome:
        """The best so far as an outcome, with the trace."""
        return replace(super().outcome(), trace=Trace.of(self._looks or [self._nothing()]))

    def _seen(self, state: State, measure: Distance | None) -> dict[str, Tensor]:
        rows, images = state.places, state.images.detach()
        if state.progress == 0:
            self._step[rows] = 0
            # Only a look at originals before a random start values nothing at the first step.
            self._climb[rows] += 0 if state.values is None else 1
        self._row[rows] = torch.arange(len(rows), device=rows.device)
        nothing, originals = images.new_full((len(rows),), torch.nan), state.problem.originals
        objective, distance = nothing, nothing
        if state.values is not None:
            values = state.values.detach()
            objective = values if values.ndim == 1 else values[:, 0]
        if measure is not None:
            distance = measure(state.constraint.counted(images), originals).detach()
        return {
            "sample": rows,
            "climb": self._climb[rows],
            "step": self._step[rows],
            "objective": objective,
            "margin": state.problem.margin(state.logits.detach()),
            "success": state.success,
            "l2": norm(images - originals),
            "linf": norm(images - originals, torch.inf),
            "distance": distance,
            "gradient": nothing.clone(),
        }

    def _nothing(self) -> dict[str, Tensor]:
        """The columns of a call that has no samples."""
        whole, number, truth = self.steps[:0], self.distance[:0], self.success[:0]
        counted = dict.fromkeys(("sample", "climb", "step"), whole)
        measured = dict.fromkeys(("objective", "margin", "l2", "linf", "distance", "gradient"), number)
        return {**counted, **measured, "success": truth}


def known_trace(attack: Callable[..., Any], trace: bool) -> dict[str, Any]:
    """The wish for a trace, as an attack is given it: one of a user's own need not know of traces.

    Example:
        >>> known_trace(lambda classifier, images, labels: images, True)
        {}
    """
    return {"trace": True} if trace and asks_for(attack, "trace") else {}

"""The only attack loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from limen.attacks.best import Best, Distance
from limen.attacks.composition import Composition
from limen.attacks.loss import as_objective
from limen.attacks.part import Problem
from limen.attacks.protocols import Constraint, Objective, Perturbation, State, follow
from limen.classifier import Classifier, check_labels, raising
from limen.images import norm, straight_through


def climb(
    parts: Composition, classifier: Classifier, problem: Problem, best: Best, rows: Tensor, salt: int = 0
) -> Tensor:
    """Run one composition for some samples of a call; each leaves when it is finished.

    Args:
        parts: The composition, bound to these samples.
        classifier: The model under attack.
        problem: These samples.
        best: Where results of all samples are kept and passes counted.
        rows: Where (n,) these samples stand in the call.
        salt: Tells the random starts of one sample apart.

    Returns:
        Which samples (N,) of the call succeeded in this climb.
    """
    problem = replace(problem, confidence=parts.confidence)
    judged = best.judges(parts.distance)
    state = _start(parts, problem, rows, _variables(parts, problem, 2 * salt))
    for step in range(parts.steps + 1):
        last = step == parts.steps
        if last and not judged:
            best.take(_shown(_at_rest(state), differentiable=False))
            break
        state = _look(state, classifier, step / parts.steps, valued=not last, blind=parts.black_box)
        best.offer(state, parts.distance)
        at_original = judged and step == 0 and not parts.random_start and problem.start is None
        finished, state = _finished(parts, state, step, at_original)
        if at_original:
            best.settled[rows] |= state.success
        # Where samples may leave, the device is waited for; they leave at once, and with them what they cost.
        stay = None if finished is None else (~finished).nonzero()[:, 0]
        if last or (stay is not None and len(stay) == 0):
            break
        state = state if parts.black_box else _differentiate(state)
        state = state.select(stay) if stay is not None and len(stay) < len(state.places) else state
        best.count(state)
        state = _move(state)
    succeeded = best.close()
    kept = succeeded[rows] if judged else torch.ones_like(rows, dtype=torch.bool)
    outside = (kept & ~parts.constraint.contains(best.images[rows])).nonzero()[:, 0]
    best.revoke(rows[outside], problem.originals[outside])
    succeeded[rows[outside]] = False
    return succeeded


def settle_originals(
    classifier: Classifier,
    problem: Problem,
    best: Best,
    confidence: float | Tensor = 0.0,
    distance: Distance | None = None,
) -> Tensor:
    """Settle the samples whose original already is what the attack is after.

    Returns:
        The model's answer (N, K) to the originals.
    """
    rows = torch.arange(len(problem.labels), device=problem.labels.device)
    problem = replace(problem, confidence=confidence)
    bound = Constraint().bind(problem)
    state = offered(problem.originals, classifier, problem, best, rows, bound, distance)
    best.settled |= state.success
    return state.logits


def offered(
    images: Tensor,
    classifier: Classifier,
    problem: Problem,
    best: Best,
    rows: Tensor,
    constraint: Constraint,
    distance: Distance | None = None,
) -> State:
    """Offer images (n, C, H, W) that no climb made; where success counts, the model looks at them as stored.

    Args:
        images: One for each sample.
        classifier: The model under attack.
        problem: The samples.
        best: Where they are kept.
        rows: Where (n,) these samples stand in the call.
        constraint: How they are stored, and where they count; bound to the samples.
        distance: By which the nearest is kept; None for the last.
    """
    state = State(problem, Objective(), Perturbation(), constraint, (), places=rows, variables=images)
    if not best.judges(distance):
        best.take(_shown(state, differentiable=False))
        best.close()
        return state
    state = _look(state, classifier, 0.0, valued=False)
    best.offer(state, distance)
    best.close()
    return state


def _variables(parts: Composition, problem: Problem, salt: int) -> Tensor:
    """What the climb starts from: what it goes on from, the original, or what a part draws."""
    if problem.start is not None:
        return parts.perturbation.invert(parts.constraint.project(problem.start.clone()))
    if not parts.random_start:
        return parts.perturbation.invert(problem.originals)
    if parts.perturbation.can_be_sampled:
        return parts.perturbation.sample(problem, salt)
    return parts.perturbation.invert(parts.constraint.sample(problem, salt))


def _start(parts: Composition, problem: Problem, rows: Tensor, variables: Tensor) -> State:
    return State(
        problem,
        as_objective(parts.objective),
        parts.perturbation,
        parts.constraint,
        parts.rule,
        places=rows,
        variables=variables,
        reached=variables.new_full((len(variables),), -torch.inf),
    )


def _look(state: State, classifier: Classifier, progress: float, valued: bool, blind: bool = False) -> State:
    """The model's one forward pass of a step, on the image that a file would store.

    Args:
        state: The samples, at their variables.
        classifier: The model.
        progress: The share of all steps that have been made.
        valued: Whether the objective is evaluated, too.
        blind: Whether nothing will be differentiated.
    """
    differentiable = valued and not blind
    with torch.set_grad_enabled(differentiable):
        shown = _shown(state, differentiable)
        asked = shown.images.view_as(shown.images)
        logits = classifier(asked)
        if progress == 0:
            check_labels(state.problem.labels, shown.images, classes=logits.shape[1])
        answers = logits.detach()
        predictions = answers.argmax(1)
        success = state.problem.attained(answers, predictions)
        if state.constraint.is_soft:
            success &= state.constraint.contains(shown.images.detach())
        seen = replace(
            shown,
            asked=asked,
            logits=logits,
            predictions=predictions,
            success=success,
            progress=progress,
        )
        return replace(seen, values=seen.objective(seen) if valued else None)


def _shown(state: State, differentiable: bool) -> State:
    """The image that the variables make, and as a file would store it."""
    variables = state.variables.requires_grad_(differentiable)
    exact = state.perturbation.images(variables)
    images = straight_through(exact, state.constraint.store(exact.detach()))
    return replace(state, variables=variables, exact=exact, images=images)


@runtime_checkable
class Resting(Protocol):
    """A transform that knows of a better iterate than the last, which nobody looks at."""

    def rest(self, variables: Tensor) -> Tensor:
        """Where (n, …) a climb ends whose last variables are these."""
        ...


def _at_rest(state: State) -> State:
    """Where the rule would have the climb end."""
    variables = state.variables
    for link in state.rule:
        variables = link.rest(variables) if isinstance(link, Resting) else variables
    return replace(state, variables=variables)


def _finished(parts: Composition, state: State, step: int, at_original: bool) -> tuple[Tensor | None, State]:
    """Which samples (n,) are: at a success that ends them, or where the objective has stopped rising.

    None says that none can be at this step, whatever they are at.
    """
    finished = state.success if parts.early_stop or at_original else None
    window = 0 if parts.patience is None else max(1, round(parts.steps * parts.patience))
    if not window or step % window or step == parts.steps:
        return finished, state
    values = state.values.detach()
    flat = values <= state.reached + 1e-4 * state.reached.abs()
    return flat if finished is None else finished | flat, replace(state, reached=values)


def _differentiate(state: State) -> State:
    """The objective's gradient, finite whatever the model does.

    Where the model is not fooled and gives no gradient, that of what is added, such as a distance or a
    salience, would hide it: so what comes through the model is told apart.
    """
    gradients, zero, nonfinite = [], [], []
    for weights in _unit_weights(state.values):
        several = state.values.ndim > 1
        with raising("in its backward pass"):
            inputs = state.variables, state.asked
            gradient, through = torch.autograd.grad(
                state.values, inputs, weights, retain_graph=several, materialize_grads=True
            )
        size = norm(gradient, torch.inf)
        given = size if _is_same(gradient, through) else norm(through, torch.inf)
        finite = size.isfinite()
        nonfinite.append(~finite)
        zero.append((size == 0) | ((given == 0) & finite & ~state.success))
        gradients.append(gradient.nan_to_num(0.0, 0.0, 0.0))
    return replace(
        state,
        variables=state.variables.detach(),
        exact=state.exact.detach(),
        images=state.images.detach(),
        asked=state.asked.detach(),
        logits=state.logits.detach(),
        values=state.values.detach(),
        gradient=gradients[0] if state.values.ndim == 1 else torch.stack(gradients, 1),
        zero=zero[0].long() if len(zero) == 1 else torch.stack(zero).sum(0),
        nonfinite=nonfinite[0].long() if len(zero) == 1 else torch.stack(nonfinite).sum(0),
    )


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same memory, as gradients are where nothing lies between their inputs."""
    return one is other or (
        one.shape == other.shape
        and one.stride() == other.stride()
        and one.data_ptr() == other.data_ptr() != 0
    )


def _unit_weights(values: Tensor) -> list[Tensor]:
    if values.ndim == 1:
        return [torch.ones_like(values)]
    return [
        torch.zeros_like(values).index_fill_(1, k, 1.0)
        for k in torch.arange(values.shape[1], device=values.device)
    ]


def _move(state: State) -> State:
    """The rule's move from this iterate, and back into the set as it stands after it."""
    state = replace(
        state,
        objective=state.objective.update(state),
        constraint=state.constraint.update(state),
        perturbation=state.perturbation.update(state),
    )
    gradient = torch.zeros_like(state.variables) if state.gradient is None else state.gradient.clone()
    move, rule = follow(state.rule, gradient, state)
    variables = state.variables + move
    if state.perturbation.is_image:
        variables = state.constraint.project(variables)
    elif not (state.constraint.holds_all or state.perturbation.bounded):
        images = state.perturbation.images(variables)
        variables = state.perturbation.invert(state.constraint.project(images))
    return replace(state, variables=variables, rule=rule)

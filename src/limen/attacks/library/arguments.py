"""Checks of the arguments that attack factories share."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from numbers import Real
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from limen.attacks.best import Distance, LpDistance
from limen.attacks.cost import Difference
from limen.attacks.features import FEATURES, FeatureDistance, Features
from limen.attacks.logit_ratio import LogitRatio
from limen.attacks.loss import Loss as Function
from limen.attacks.loss import as_objective
from limen.attacks.mask import Attended, Found, Mask
from limen.attacks.objective import CrossEntropy, ForegroundScore, Margin, Sum
from limen.attacks.perturbation import Masked, Template
from limen.attacks.perturbation.template import Pooling
from limen.attacks.protocols import Map, Objective
from limen.errors import UnknownNameError, UsageError, shown
from limen.images import LATTICE
from limen.metrics import METRICS, Metric
from limen.structure import (
    FOREGROUNDS,
    Attention,
    Foreground,
    Saliency,
    attention_named,
    saliency_named,
)
from limen.structure.asking import named

Loss = Literal["cross_entropy", "margin", "dlr"] | Function
"""A loss by its name, or a function of images, logits and labels that gives a value per sample, (n,): it is
climbed where labels are to be left, and descended where they are targets."""

_LOSSES: dict[str, Callable[[], Objective]] = {
    "cross_entropy": CrossEntropy,
    "margin": Margin,
    "dlr": LogitRatio,
}


def loss_named(loss: Loss) -> Objective:
    """The objective of this name, or of this function."""
    if callable(loss):
        return as_objective(loss)
    if not isinstance(loss, str) or loss not in _LOSSES:
        raise UnknownNameError("loss", loss if isinstance(loss, str) else shown(loss), _LOSSES)
    return _LOSSES[loss]()


Measure = Callable[[Tensor, Tensor], Tensor]
"""A function of originals and images (n, C, H, W) that gives (n,), the less, the more they look alike."""


def cost_named(
    metric: Metric | Measure | str, name: str = "metric", others: Collection[str] = ()
) -> Difference:
    """What a metric costs, by the metric's name, or as a metric or a function of one's own.

    Args:
        metric: The metric.
        name: The argument that errors speak of.
        others: What else that could be.
    """
    if isinstance(metric, str) or not callable(metric):
        given = metric if isinstance(metric, str) else shown(metric)
        if given not in METRICS:
            raise UnknownNameError(name, given, [*others, *METRICS])
        metric = METRICS[given]
    if not isinstance(metric, Metric):
        return Difference(metric)
    if not metric.differentiable:
        raise UsageError(f"metric {metric.column.key} has no gradient that an attack could follow")
    return Difference(metric.cost)


def features_named(network: Features | str) -> FeatureDistance:
    """The distance in the features of a network, by its name or as a function that gives them."""
    if not isinstance(network, str):
        return FeatureDistance(network)
    if network not in FEATURES:
        raise UnknownNameError("network", network, FEATURES)
    return FeatureDistance(FEATURES[network])


def positive(name: str, value: float | Tensor, zero: bool = False) -> float | Tensor:
    """The value, if it is a finite number above 0 (or 0, where allowed), or a tensor of such."""
    if not isinstance(value, Real | Tensor):
        raise UsageError(f"{name} is {shown(value)}; expected a number or a tensor of shape (N,)")
    numbers = torch.as_tensor(value, dtype=torch.float64)
    least = "0 or more" if zero else "more than 0"
    good = torch.isfinite(numbers) & ((numbers >= 0) if zero else (numbers > 0))
    if not bool(good.all()):
        raise UsageError(f"{name} is {shown(value)}; expected {least}, and finite")
    return value


def share(name: str, value: float) -> float:
    """A number from 0 to 1."""
    if float(positive(name, value, zero=True)) > 1:
        raise UsageError(f"{name} is {value}; expected a share, from 0 to 1")
    return float(value)


def budget(eps: float | Tensor, most: float = math.inf, name: str = "eps") -> float | Tensor:
    """A budget: 0 or more, and no more than can be spent on images in [0, 1]."""
    if bool((torch.as_tensor(positive(name, eps, zero=True)) > most).any()):
        raise UsageError(
            f"{name} is {eps}; expected {most:g} at most, as images lie in [0, 1]: 8 levels are 8/255"
        )
    return eps


def levels(name: str, delta: float | Tensor, zero: bool = True) -> float | Tensor:
    """A budget or step in steps of the 8-bit lattice, from 0 to 255, as a share of [0, 1]."""
    if bool((torch.as_tensor(positive(name, delta, zero)) > LATTICE).any()):
        raise UsageError(f"{name} is {delta}; expected {LATTICE} at most: it counts the levels of 8 bits")
    return delta / LATTICE


def one_of(name: str, value: str, kind: Any) -> None:
    """Refuse what is none of the members of a `Literal`."""
    if value not in get_args(kind):
        raise UnknownNameError(name, str(value), get_args(kind))


def step_length(step_size: float | Tensor | None, default: float | Tensor) -> float | Tensor:
    """The step length that was asked for, or this attack's default for its budget."""
    return default if step_size is None else positive("step_size", step_size)


l2_distance = LpDistance(2)
"""‖x − x0‖₂ (n,)."""


Norm = Literal["l0", "l1", "l2", "linf"]
"""What a perturbation is measured by."""

Convex = Literal["l1", "l2", "linf"]
"""The same without L0, which is none."""

ORDERS: dict[str, float] = {"l0": 0, "l1": 1, "l2": 2, "linf": math.inf}
"""The p of each norm."""


def distance_of(norm_name: Norm) -> Distance:
    """‖x − x0‖_p (n,), of images and originals."""
    return LpDistance(ORDERS[norm_name])


Method = Literal["slic", "lsc", "seeds"]
"""What makes superpixels."""


def template(
    superpixels: Method | None, size: float, merge: float, compactness: float, gradient: Pooling
) -> tuple[Map, ...]:
    """The map from superpixels to pixels; none where pixels themselves are the variables."""
    one_of("gradient", gradient, Pooling)
    if float(positive("size", size)) < 1:
        raise UsageError(f"size is {size}; expected 1 pixel or more")
    positive("merge", merge, zero=True)
    positive("compactness", compactness)
    if superpixels is None:
        return ()
    one_of("superpixels", superpixels, Method)
    return (Template(superpixels, size, merge, compactness, gradient),)


def masks(attention: Attention | str | None, threshold: float) -> tuple[Map, ...]:
    """The map that leaves a perturbation only where the model looks; none for the whole image."""
    if not 0 <= float(positive("threshold", threshold, zero=True)) <= 1:
        raise UsageError(f"threshold is {threshold}; expected a number from 0 to 1, as attention has")
    if attention is None:
        return ()
    method = attention_named(attention)
    return (Masked(Attended(method, threshold)),)


def unsuspicious(loss: Objective, salience: float | Tensor, saliency: Saliency | str) -> Objective:
    """The loss and λ times the foreground score; at λ = 0 the loss alone, as no one needs to be asked."""
    model = saliency_named(saliency)
    positive("salience", salience, zero=True)
    if not isinstance(salience, Tensor) and salience == 0:
        return loss
    return Sum((loss, ForegroundScore(model, salience)))


def found(mask: Foreground | str) -> Mask:
    """What finds the foreground, by its name or as a function of images."""
    return Found(named("mask", mask, FOREGROUNDS))

"""A function of a user's own that makes images of images, as a factory of attacks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from inspect import Parameter
from typing import Any

from limen.attacks.factory import Factory
from limen.attacks.libraries.borrowed import Call
from limen.attacks.libraries.tool import Values, factory, parameters_of
from limen.attacks.library.arguments import ORDERS
from limen.errors import UsageError
from limen.identity import Identity, identify

_CALL = frozenset({"ids", "lattice"})
"""What only those take that are called as Limen's attacks are, and return an outcome."""

_IMAGES, _LABELS = ("images", "inputs", "x"), ("labels", "targets", "y")


def from_function(thing: Any) -> Any:
    """The factory of a function `(model, images, labels, …)` that returns images; any other thing is itself.

    Further parameters are settings of the attack. Of these, one called `eps`, or what the function's
    attribute `budget` names, is its budget; an attribute `norm`, or a parameter of this name, says what that
    bounds: "l0", "l1", "l2" or "linf". One called `targeted` is told whether labels are targets; one called
    `seed` is given a number that comes from the call's seed and the images' ids.

    Args:
        thing: The function. Its model is a network on images in [0, 1]; images and labels are its own to
            change. It returns images (N, C, H, W) in [0, 1], as a tensor or a NumPy array.

    Example:
        >>> import torch
        >>> def darken(model, images, labels, eps: float = 0.5):
        ...     return images * (1 - eps)
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5))
        >>> outcome = from_function(darken)(eps=0.25)(net, torch.rand(2, 3, 2, 2))
        >>> outcome.images.shape
        torch.Size([2, 3, 2, 2])
    """
    try:
        parameters = inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return thing
    return _factory(thing, list(parameters)) if _makes_images(list(parameters.values())) else thing


def _makes_images(parameters: list[Parameter]) -> bool:
    names = [each.name for each in parameters[:3] if each.default is Parameter.empty]
    as_limens = _CALL.intersection(each.name for each in parameters)
    return len(names) == 3 and names[1] in _IMAGES and names[2] in _LABELS and not as_limens


def _factory(function: Callable[..., Any], names: list[str]) -> Factory[...]:
    name = getattr(function, "__name__", type(function).__name__)
    budget = getattr(function, "budget", "eps" if "eps" in names[3:] else None)
    if budget is not None and budget not in names[3:]:
        raise UsageError(f"{name} has no parameter {budget!r} to be its budget")

    def order(values: Values) -> float | None:
        return ORDERS.get(values.get("norm", getattr(function, "norm", None)))

    def run(values: Values, call: Call) -> Any:
        told = {"targeted": call.targeted, "seed": call.seed}
        if call.targeted and "targeted" not in names:
            raise UsageError(
                f"{name} knows of no targets; give it a parameter targeted, which says that labels are those"
            )
        known = {key: value for key, value in told.items() if key in names[3:]}
        return function(call.network, call.images, call.labels, **values, **known)

    def identity(values: Values) -> Identity:
        found = identify(functools.partial(function, **values), hidden=("targeted", "seed"))
        return replace(found, budget=budget)

    given = frozenset(names[:3]) | {"targeted", "seed"}
    return factory(name, function, parameters_of(function, given), run, budget, order, identity)

"""Foolbox's attacks: of a budget, or of the least distance, which a budget may bound all the same."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor

from limen.attacks.libraries.borrowed import Call
from limen.attacks.libraries.tool import NoTargetsError, Tool, Values

_DISTANCE = Literal["l0", "l1", "l2", "linf"]


def _load(package: str) -> ModuleType:
    # It imports a wrapper of git, which may be missing, and then says so at length.
    before = os.environ.get("GIT_PYTHON_REFRESH")
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    try:
        return importlib.import_module(package)
    finally:
        if before is None:
            del os.environ["GIT_PYTHON_REFRESH"]
        else:
            os.environ["GIT_PYTHON_REFRESH"] = before


def _module() -> Any:
    return importlib.import_module("foolbox")


def _things(module: ModuleType) -> Mapping[str, Callable[..., Any]]:
    base = module.attacks.Attack
    return {
        name: thing
        for name, thing in vars(module.attacks).items()
        if isinstance(thing, type) and issubclass(thing, base) and not inspect.isabstract(thing)
    }


def _added(thing: Callable[..., Any]) -> Sequence[Parameter]:
    """The budget, which is an argument of the call; and a distance, where an attack may have any."""
    of_budget = issubclass(thing, _module().attacks.base.FixedEpsilonAttack)  # pyright: ignore[reportArgumentType]
    default = Parameter.empty if of_budget else None
    added = [Parameter("eps", Parameter.KEYWORD_ONLY, default=default, annotation=float)]
    if "distance" in inspect.signature(thing).parameters:
        added.append(Parameter("distance", Parameter.KEYWORD_ONLY, default="l2", annotation=_DISTANCE))
    return added


def _made(thing: Callable[..., Any], values: Values) -> Any:
    settings = {key: value for key, value in values.items() if key not in ("eps", "foolbox")}
    if "distance" in settings:
        settings["distance"] = getattr(_module().distances, settings["distance"])
    return thing(**settings)


def _order(thing: Callable[..., Any], values: Values) -> float | None:
    return float(getattr(_made(thing, values).distance, "p", "nan"))


def _run(thing: Callable[..., Any], values: Values, call: Call) -> Tensor:
    foolbox = _module()
    model = foolbox.PyTorchModel(call.network, bounds=(0, 1), device=call.images.device)
    criteria = foolbox.criteria
    kind = criteria.TargetedMisclassification if call.targeted else criteria.Misclassification
    try:
        _, found, _ = _made(thing, values)(model, call.images, kind(call.labels), epsilons=call.eps)
    except ValueError as error:
        if str(error) == "unsupported criterion":
            raise NoTargetsError from error
        raise
    # A black image is what its C&W returns where it found nothing.
    nothing = (found == 0).flatten(1).all(1).view(-1, 1, 1, 1)
    return torch.where(nothing, call.problem.originals, found)


FOOLBOX = Tool(
    prefix="foolbox",
    title="Foolbox",
    package="foolbox",
    install="foolbox",
    things=_things,
    run=_run,
    given=frozenset({"tensorboard"}),
    budget=lambda thing: "eps",
    order=_order,
    added=_added,
    load=_load,
)

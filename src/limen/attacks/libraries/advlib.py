"""adv-lib's attacks, which are functions."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import sys
import types
import warnings
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from torch import Tensor

from limen.attacks.libraries.borrowed import Call
from limen.attacks.libraries.tool import NoTargetsError, Tool, Values
from limen.errors import changed_filters

_BUDGETS = {"apgd": "eps", "apgd_targeted": "eps", "pgd_linf": "ε"}
"""Those that keep to a budget; what others call `eps` is where they start, or how exact they are."""

_UNTARGETED = "untargeted only"
"""What it warns of where it returns images as they were."""


def _load(package: str) -> ModuleType:
    """Its package, without visdom where that is missing: only plots need it, and it often cannot be built."""
    stood_in = "visdom" not in sys.modules and importlib.util.find_spec("visdom") is None
    if stood_in:
        sys.modules["visdom"] = types.ModuleType("visdom")
    try:
        importlib.import_module(f"{package}.attacks")
        return sys.modules[package]
    finally:
        if stood_in:
            del sys.modules["visdom"]


def _things(module: ModuleType) -> Mapping[str, Callable[..., Any]]:
    return {name: thing for name, thing in vars(module.attacks).items() if inspect.isfunction(thing)}


def _order(thing: Callable[..., Any], values: Values) -> float | None:
    return values.get("norm", math.inf)


def _run(thing: Callable[..., Any], values: Values, call: Call) -> Tensor:
    asked = inspect.signature(thing).parameters
    known: dict[str, Any] = {"targeted": call.targeted} if "targeted" in asked else {}
    if call.targeted and not known:
        raise NoTargetsError
    if "num_classes" in asked:
        known["num_classes"] = call.classes
    try:
        with changed_filters():
            warnings.filterwarnings("error", f".*{_UNTARGETED}")
            return thing(call.network, call.images, call.labels, **values, **known)
    except UserWarning as error:
        if _UNTARGETED not in str(error):
            raise
        raise NoTargetsError from error


ADVLIB = Tool(
    prefix="advlib",
    title="adv-lib",
    package="adv_lib",
    # Its visdom often cannot be built, and only its plots need that.
    install="--no-deps adv-lib",
    things=_things,
    run=_run,
    given=frozenset(
        {"model", "inputs", "images", "labels", "targeted", "num_classes", "callback"}
        | {"starting_points", "return_targets"}
    ),
    budget=lambda thing: _BUDGETS.get(thing.__name__),
    order=_order,
    load=_load,
)

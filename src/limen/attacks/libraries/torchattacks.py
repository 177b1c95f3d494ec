"""torchattacks' attacks."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import math
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from torch import Tensor

from limen.attacks.libraries.borrowed import Call
from limen.attacks.libraries.tool import NoTargetsError, Tool, Values

_ORDERS = {"L0": 0.0, "L1": 1.0, "L2": 2.0, "Linf": math.inf}
_MEASURE = re.compile(r"Distance Measure : (\w+)\s*$", re.MULTILINE)


def _load(package: str) -> ModuleType:
    return importlib.import_module(package)


def _things(module: ModuleType) -> Mapping[str, Callable[..., Any]]:
    # Those that wrap other attacks or models are not made of values.
    names = {*module.__all__} - {*getattr(module, "__wrapper__", ())}
    return {name: getattr(module, name) for name in sorted(names)}


def _order(thing: Callable[..., Any], values: Values) -> float | None:
    """Of the norm that it is given, else of the one that its docstring says."""
    if "norm" in values:
        return _ORDERS.get(values["norm"])
    said = _MEASURE.search(thing.__doc__ or "")
    return _ORDERS.get(said[1]) if said else None


def _run(thing: Callable[..., Any], values: Values, call: Call) -> Tensor:
    seeded = {"seed": call.seed} if "seed" in inspect.signature(thing).parameters else {}
    attack = thing(call.network, **values, **seeded)
    if call.targeted:
        if "targeted" not in attack.supported_mode:
            raise NoTargetsError
        with contextlib.redirect_stdout(io.StringIO()):
            attack.set_mode_targeted_by_function(lambda images, labels: labels)
    return attack(call.images, call.labels)


TORCHATTACKS = Tool(
    prefix="torchattacks",
    title="torchattacks",
    package="torchattacks",
    install="torchattacks",
    things=_things,
    run=_run,
    given=frozenset({"model", "seed"}),
    budget=lambda thing: "eps" if "eps" in inspect.signature(thing).parameters else None,
    order=_order,
    load=_load,
)

"""The attacks of the Adversarial Robustness Toolbox on classifiers of images."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from torch import nn

from limen.attacks.libraries.borrowed import Call
from limen.attacks.libraries.tool import NoTargetsError, Tool, Values

_TO_TARGETS = ("SaliencyMapMethod",)
"""Those that know of targets alone, and draw them where they are given none."""

_ORDERS = {"1": 1.0, "2": 2.0, "inf": math.inf}


def _load(package: str) -> ModuleType:
    importlib.import_module(f"{package}.estimators.classification")
    importlib.import_module(f"{package}.attacks.evasion")
    return importlib.import_module(package)


def _things(module: ModuleType) -> Mapping[str, Callable[..., Any]]:
    """Those that attack what a classifier in torch is; others are for speech, objects or tables."""
    base: Any = module.attacks.attack.EvasionAttack
    kinds = {*module.estimators.classification.PyTorchClassifier.__mro__}

    def fits(thing: Any) -> bool:
        needs = thing._estimator_requirements or ()
        return all(kinds.intersection(each if isinstance(each, tuple) else (each,)) for each in needs)

    found = vars(module.attacks.evasion)
    return {
        name: thing
        for name, thing in found.items()
        if isinstance(thing, type) and issubclass(thing, base) and fits(thing)
    }


def _order(thing: Callable[..., Any], values: Values) -> float | None:
    if "norm" in values:
        return _ORDERS.get(str(values["norm"]).removesuffix(".0"))
    return math.inf if thing.__name__ == "BasicIterativeMethod" else None


def _run(thing: Callable[..., Any], values: Values, call: Call) -> np.ndarray:
    asked = inspect.signature(thing).parameters
    known: dict[str, Any] = {"targeted": call.targeted} if "targeted" in asked else {}
    to_targets = thing.__name__ in _TO_TARGETS
    if call.targeted and not (known or to_targets):
        raise NoTargetsError
    if "verbose" in asked:
        known["verbose"] = False
    estimators = importlib.import_module("art.estimators.classification")
    estimator = estimators.PyTorchClassifier(
        call.network,
        nn.CrossEntropyLoss(),
        input_shape=tuple(call.images.shape[1:]),
        nb_classes=call.classes,
        clip_values=(0.0, 1.0),
        device_type="gpu" if call.images.is_cuda else "cpu",
    )
    labels = None if to_targets and not call.targeted else call.labels.cpu().numpy()
    attack = thing(estimator, **values, **known)
    return attack.generate(x=call.images.float().cpu().numpy(), y=labels)


ART = Tool(
    prefix="art",
    title="the Adversarial Robustness Toolbox",
    package="art",
    install="adversarial-robustness-toolbox",
    things=_things,
    run=_run,
    given=frozenset({"estimator", "classifier", "targeted", "verbose", "summary_writer", "estimator_orig"}),
    budget=lambda thing: "eps" if "eps" in inspect.signature(thing).parameters else None,
    order=_order,
    load=_load,
)

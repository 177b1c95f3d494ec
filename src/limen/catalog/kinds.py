"""What makes a thing of a user's file one of its kind: what it must return, and what it is told it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from limen.attacks import Attack, from_function
from limen.catalog.entry import Entry, Request
from limen.classifier import Classifier
from limen.data import Dataset
from limen.errors import LimenError
from limen.identity import Named
from limen.metrics import Metric
from limen.metrics.pairs import require
from limen.runs import MetricColumn
from limen.spec import write_spec

NamedAttack = Attack | Named
"""An attack that knows what it is: of Limen's parts, or what a user's function returns."""


def known_model(classifier: Classifier, request: Request) -> Classifier:
    """The classifier, told what it is; the user's file that a classifier inside is from is part of it."""
    inside = None if classifier.identity is None else classifier.identity.code
    classifier.identity = dataclasses.replace(request.identity, code=request.identity.code or inside)
    return classifier


def known_data(dataset: Any, request: Request) -> Dataset:
    """The data set, under the spec that names it where it is a user's own."""
    if request.entry.origin == "limen":
        return dataset
    if not isinstance(dataset, Dataset):
        raise LimenError(_returned(request, dataset, "a limen.data.Dataset"))
    return dataclasses.replace(dataset, spec=request.identity.label, code=request.identity.code)


_ATTACK = (
    "an attack: what is called as limen's own and returns an Outcome, or a function of model, images and "
    "labels that returns images"
)


def known_attack(attack: Any, request: Request) -> NamedAttack:
    """The attack, told what it is where it is a user's own."""
    if request.entry.origin == "limen":
        return attack
    if (factory := from_function(attack)) is not attack:
        attack = factory()
    if isinstance(attack, Attack):
        return Attack(request.identity, attack.search)
    if not callable(attack):
        raise LimenError(_returned(request, attack, _ATTACK))
    return Named(request.identity, attack)


def tried_on(
    arguments: Callable[[], tuple[Any, ...]], returns: type | None = None
) -> Callable[[Named, Request], Named]:
    """What tries a thing, so that a value that Limen's own refuses is refused where the spec is known.

    Args:
        arguments: Makes what the thing is later called with.
        returns: What a user's own must return then; None where that is checked by who uses it.
    """

    def tried(thing: Named, request: Request) -> Named:
        if request.entry.origin == "limen":
            thing(*arguments())
            return thing
        return thing if returns is None else _checked(thing, request, returns)

    return tried


def _checked(thing: Named, request: Request, returns: type) -> Named:
    def call(*arguments: Any, **keywords: Any) -> Any:
        made = thing(*arguments, **keywords)
        if not isinstance(made, returns):
            raise LimenError(_returned(request, made, f"a {returns.__name__}"))
        return made

    return Named(thing.identity, call)


def no_images() -> tuple[Tensor]:
    """A batch without images, on which a defence is tried."""
    return (torch.zeros(0, 3, 299, 299),)


def measuring(metric: Any) -> Callable[..., Any]:
    """The function of a metric, which has its options."""
    return metric.function if isinstance(metric, Metric) else metric


def known_metric(measure: Named, request: Request) -> Metric:
    """The metric, with its options in its key."""
    entry, identity = request.entry, request.identity
    known = entry.thing if isinstance(entry.thing, Metric) else _metric_of(entry)
    if entry.origin == "limen" and not identity.stated:
        require(known)
        return known
    known = known.given(**request.keywords)
    column = dataclasses.replace(known.column, code=entry.code or known.column.code)
    if identity.stated:
        options = write_spec("", [(key, identity.parameters[key]) for key in identity.stated])
        title = f"{column.title} ({options[1:]})"
        column = dataclasses.replace(column, key=column.key + options, title=title)
    made = dataclasses.replace(known, column=column, source=measure, derived_from=None)
    if entry.origin == "limen":
        require(made)
    return made


def _metric_of(entry: Entry) -> Metric:
    """The metric that a user's function is: its attributes, where it has them, say how it is shown."""
    measure, name = entry.thing, entry.name.rpartition(":")[2]
    shown = {key: getattr(measure, key) for key in ("unit", "higher_is_better") if hasattr(measure, key)}
    column = MetricColumn(name, name, about=entry.summary, **shown)
    return Metric(column, measure, least_side=getattr(measure, "least_side", 1))


def _returned(request: Request, made: Any, wanted: str) -> str:
    return f"{request.entry.name} returned {type(made).__name__}; it must return {wanted}"

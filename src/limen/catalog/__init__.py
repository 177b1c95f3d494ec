"""Names and spec strings become models, data sets, attacks and defences.

A spec is `NAME[:ARGUMENT][,key=value…]` for models and data, `NAME[:key=value,…]` for attacks and defences,
with a comma inside a path written twice. Several values of one parameter of an attack,
`pgd_l2:eps=1,2,4,steps=40`, make a grid.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from limen import attacks, defenses, models
from limen import data as datasets
from limen.attacks import Attack
from limen.catalog.grid import Grid, read_grid
from limen.catalog.parameters import Parameter
from limen.catalog.spec import Catalog, Entry
from limen.classifier import Classifier
from limen.data import Dataset

__all__ = [
    "ATTACKS",
    "DATA",
    "DEFENSES",
    "MODELS",
    "Catalog",
    "Entry",
    "Grid",
    "Parameter",
    "attack",
    "attack_or_grid",
    "data",
    "defense",
    "model",
]

MODELS = Catalog("model", models.SOURCES, hidden=frozenset({"device"}))
"""The models that a spec can name."""

DATA = Catalog("data", datasets.SOURCES)
"""The data sets that a spec can name."""

ATTACKS = Catalog("attack", attacks.FACTORIES, argument=False)
"""The attacks that a spec can name."""


def _prepared(defense: Callable[..., Tensor]) -> Callable[..., Callable[[Tensor], Tensor]]:
    @functools.wraps(defense)
    def prepare(**parameters: Any) -> Callable[[Tensor], Tensor]:
        ready = functools.partial(defense, **parameters)
        ready(torch.zeros(0, 3, 299, 299))  # a value that it refuses is refused here, where the spec is known
        return ready

    return prepare


DEFENSES = Catalog(
    "defense",
    {name: _prepared(defense) for name, defense in defenses.DEFENSES.items()},
    argument=False,
    hidden=frozenset({"images"}),
)
"""The defences that a spec can name."""


def model(spec: str, device: str | torch.device | None = None) -> Classifier:
    """The model that a spec names.

    Args:
        spec: For example `torchvision:resnet50`, `demo:photos` or `python:nets.py:make,weights=a.pt`.
        device: Where to put it; `None` leaves it where its maker puts it, which is mostly the CPU.

    Raises:
        UsageError: If the spec cannot be followed; the message begins with it.

    Example:
        >>> model("demo:photos").class_names[:2]
        ('astronaut', 'bricks')
    """
    return MODELS.make(spec, device=device)


def data(spec: str) -> Dataset:
    """The data set that a spec names.

    Args:
        spec: For example `folder:photos,size=224`, `nips2017:FOLDER` or `demo:digits`.

    Raises:
        UsageError: If the spec cannot be followed; the message begins with it.
        LimenError: If what it names cannot be read.

    Example:
        >>> len(data("demo:digits,count=20"))
        20
    """
    return DATA.make(spec)


def attack(spec: str) -> Attack:
    """The attack that a spec names.

    Args:
        spec: For example `ddn` or `pgd_l2:eps=3,steps=40`.

    Raises:
        UsageError: If the spec cannot be followed, or the attack refuses a value; the message begins
            with the spec.

    Example:
        >>> attack("fgsm:esp=0.1")
        Traceback (most recent call last):
        limen.errors.UsageError: attack spec 'fgsm:esp=0.1': unknown parameter 'esp'; did you mean 'eps'? ...
    """
    return ATTACKS.make(spec)


def attack_or_grid(spec: str) -> Attack | Grid:
    """The attack that a spec names, or the grid where it gives a parameter several values.

    Args:
        spec: For example `ddn`, or `pgd_l2:eps=1,2,4,steps=40`.

    Raises:
        UsageError: As `attack`, or if the parameter cannot be a grid; the message begins with the spec.

    Example:
        >>> attack_or_grid("pgd_l2:eps=1,2,4,steps=40").labels
        ('pgd_l2:eps=1,steps=40', 'pgd_l2:eps=2,steps=40', 'pgd_l2:eps=4,steps=40')
    """
    return read_grid(ATTACKS, spec) or attack(spec)


def defense(spec: str) -> Callable[[Tensor], Tensor]:
    """The defence that a spec names, as a function of the images alone.

    Args:
        spec: For example `bilateral` or `bilateral:range=0.1,radius=7`.

    Raises:
        UsageError: If the spec cannot be followed, or the defence refuses a value; the message begins
            with the spec.

    Example:
        >>> defense("bilateral:range=0.1")(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 3, 16, 16])
    """
    return DEFENSES.make(spec)

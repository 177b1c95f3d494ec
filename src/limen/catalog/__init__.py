"""Names and spec strings become models, data sets, attacks, defences and metrics.

A spec is `NAME[:ARGUMENT][,key=value…]` for models and data, `NAME[:key=value,…]` for all else, with a comma
inside a path written twice. Several values of one parameter of an attack, `pgd_l2:eps=1,2,4`, make a grid;
`pgd_l2:eps=least` searches each image's least budget. `python:FILE.py:NAME[,key=value…]` names what a user's
own file defines, of any kind. A plus joins defences to a chain, `jpeg:quality=75+resize:factor=2`, and is
written twice inside one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from limen.catalog.budget_search import BudgetSearch, read_search
from limen.catalog.entry import Entry, Request
from limen.catalog.grid import Grid, read_grid
from limen.catalog.kinds import NamedAttack, tried_on
from limen.catalog.parameters import Parameter
from limen.catalog.table import Catalog
from limen.catalog.tables import (
    ATTACKS,
    ATTENTION,
    DATA,
    DEFENSES,
    FEATURES,
    FOREGROUNDS,
    METRICS,
    MODELS,
    SALIENCY,
)
from limen.classifier import Classifier
from limen.data import Dataset
from limen.defenses import Defended, defenses_of, undefended
from limen.errors import UsageError
from limen.identity import Named
from limen.metrics import Metric
from limen.runs import ModelEntry
from limen.spec import split_chain

__all__ = [
    "ATTACKS",
    "ATTENTION",
    "DATA",
    "DEFENSES",
    "FEATURES",
    "FOREGROUNDS",
    "METRICS",
    "MODELS",
    "SALIENCY",
    "Catalog",
    "Entry",
    "Grid",
    "NamedAttack",
    "Parameter",
    "Request",
    "attack",
    "attack_or_grid",
    "behind",
    "chain",
    "data",
    "defense",
    "metric",
    "model",
    "model_of",
    "tried_on",
]


def model(spec: str, device: str | torch.device | None = None, defenses: Sequence[str] = ()) -> Classifier:
    """The model that a spec names.

    Args:
        spec: For example `torchvision:resnet50`, `demo:photos` or `python:nets.py:make,weights=a.pt`.
        device: Where to put it; `None` leaves it where its maker puts it, which is mostly the CPU.
        defenses: Specs of defences, or of chains of them, that images pass before they reach it, in this
            order.

    Raises:
        UsageError: If a spec cannot be followed; the message begins with it.

    Example:
        >>> model("demo:photos").class_names[:2]
        ('astronaut', 'bricks')
    """
    return behind(MODELS.make(spec, device=device), chain(*defenses))


def model_of(
    entry: ModelEntry, device: str | torch.device | None = None, given: Classifier | None = None
) -> Classifier:
    """The model of a run, behind the defences that it had there.

    Args:
        entry: What the run says of it, `run.manifest.model`.
        device: Where to put it, as for `model`.
        given: The model itself, if it is at hand; it is only compared.

    Raises:
        UsageError: If it cannot be made any more, or is not what it was.
    """
    if given is None:
        bare = model(entry.spec, device)
        classifier = behind(bare, [DEFENSES.restore(each) for each in entry.defenses])
        code = None if bare.identity is None else bare.identity.code
    else:
        bare, classifier, code = undefended(given), given, entry.code
    compared = [
        ("weights", bare.fingerprint(), entry.weights),
        ("code", code, entry.code),
        ("defences", defenses_of(classifier), entry.defenses),
    ]
    if changed := " and ".join(what for what, now, then in compared if now != then):
        raise UsageError(
            f"{entry.spec} has other {changed} now than when the run was made; restore what was there, or "
            "attack again into another folder"
        )
    return classifier


def behind(classifier: Classifier, defenses: Sequence[Callable[[Tensor], Tensor]]) -> Classifier:
    """The classifier behind defences that images pass in this order; itself if there are none.

    Example:
        >>> [each.label for each in defenses_of(behind(model("demo:digits"), chain("jpeg+resize")))]
        ['jpeg', 'resize']
    """
    for each in reversed(defenses):
        classifier = Defended(classifier, each)
    return classifier


def data(spec: str, classifier: Classifier | None = None) -> Dataset:
    """The data set that a spec names, such as `folder:photos,size=224`, `nips2017:FOLDER` or `demo:digits`.

    Where it gives no size, photographs become what the classifier's preprocessing makes of them.

    Raises:
        UsageError: If the spec cannot be followed; the message begins with it.
        LimenError: If what it names cannot be read.

    Example:
        >>> len(data("demo:digits,count=20"))
        20
    """
    return DATA.make(spec, crop=None if classifier is None else classifier.crop)


def attack(spec: str) -> NamedAttack:
    """The attack that a spec names, such as `ddn` or `pgd_l2:eps=3,steps=40`.

    Raises:
        UsageError: If the spec cannot be followed, or a value is refused; the message begins with it.

    Example:
        >>> attack("fgsm:esp=0.1")
        Traceback (most recent call last):
        limen.errors.UsageError: attack spec 'fgsm:esp=0.1': unknown parameter 'esp'; did you mean 'eps'? ...
    """
    return ATTACKS.make(spec)


def attack_or_grid(spec: str) -> NamedAttack | Grid | BudgetSearch:
    """The attack that a spec names, the grid where a parameter has several values, or the search of a budget.

    Raises:
        UsageError: As `attack`, or if the parameter cannot be a grid; the message begins with the spec.

    Example:
        >>> attack_or_grid("pgd_l2:eps=1,2,4,steps=20").labels
        ('pgd_l2:eps=1,steps=20', 'pgd_l2:eps=2,steps=20', 'pgd_l2:eps=4,steps=20')
    """
    return read_search(ATTACKS, spec) or read_grid(ATTACKS, spec) or attack(spec)


def chain(*specs: str) -> list[Named]:
    """The defences that specs name, each as a function of the images alone, in the order of the images' way.

    Args:
        *specs: Specs of defences, or of chains such as `jpeg:quality=75+resize:factor=2`.

    Raises:
        UsageError: If a spec cannot be followed, or a value is refused; the message begins with it.

    Example:
        >>> [each.identity.label for each in chain("jpeg:quality=50+resize", "bilateral")]
        ['jpeg:quality=50', 'resize', 'bilateral']
    """
    return [DEFENSES.make(each) for spec in specs for each in split_chain(spec)]


def defense(spec: str) -> Named:
    """The one defence that a spec names, such as `bilateral:radius=7`, as a function of the images alone.

    Raises:
        UsageError: As `chain`, or if the spec names several.

    Example:
        >>> defense("bilateral:range=0.1")(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 3, 16, 16])
    """
    first, *more = chain(spec)
    if more:
        raise UsageError(f"{spec!r} is a chain of defences; limen.catalog.chain reads it")
    return first


def metric(spec: str) -> Metric:
    """The metric that a spec names, such as `ssim`, as a function of two batches of images.

    Where options are not at their defaults, the metric's key is the spec's label: its name and these options.

    Raises:
        UsageError: If the spec cannot be followed; the message begins with it.

    Example:
        >>> metric("linf")(torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 8, 8))
        tensor([1., 1.])
    """
    return METRICS.make(spec)

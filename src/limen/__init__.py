"""Human-imperceptible adversarial examples of image classifiers.

>>> import torch, limen
>>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10))
>>> classifier = limen.Classifier(net)
>>> images = limen.images.quantize(torch.rand(4, 3, 8, 8))
>>> labels = classifier(images).argmax(1)
>>> outcome = limen.attacks.pgd_l2(eps=2.0, steps=10)(classifier, images, labels)
>>> outcome.images.shape
torch.Size([4, 3, 8, 8])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from limen.compat import let_torchvision_be_imported

if TYPE_CHECKING:
    from limen import (
        analysis,
        attacks,
        audit,
        bench,
        catalog,
        data,
        defenses,
        detection,
        document,
        errors,
        evaluation,
        identity,
        images,
        metrics,
        models,
        operators,
        recipes,
        report,
        runs,
        smoothing,
        spec,
        structure,
        study,
        training,
        weights,
        workers,
    )
    from limen.attacks import Outcome
    from limen.classifier import Classifier
    from limen.errors import LimenError, UsageError

let_torchvision_be_imported()

__version__ = "0.2.0"
__all__ = [
    "Classifier",
    "LimenError",
    "Outcome",
    "UsageError",
    "analysis",
    "attacks",
    "audit",
    "bench",
    "catalog",
    "data",
    "defenses",
    "detection",
    "document",
    "errors",
    "evaluation",
    "identity",
    "images",
    "metrics",
    "models",
    "operators",
    "recipes",
    "report",
    "runs",
    "smoothing",
    "spec",
    "structure",
    "study",
    "training",
    "weights",
    "workers",
]

_HOMES = {
    "Classifier": "limen.classifier",
    "Outcome": "limen.attacks",
    "LimenError": "limen.errors",
    "UsageError": "limen.errors",
}


def __getattr__(name: str) -> Any:
    # Rooms are opened on first use, so that reading a run or printing help never waits for torch.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in __all__:
        return importlib.import_module(f"limen.{name}")
    raise AttributeError(f"module 'limen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

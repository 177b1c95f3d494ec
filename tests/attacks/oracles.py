"""Other libraries' attacks beside Limen's: every image that each of them shows the same network.

adv-lib is not among them: it asks for visdom, which no longer builds with a current setuptools.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import torch
import torchattacks
from torch import Tensor, nn

from limen.attacks import Outcome

from .networks import Task, photos, smooth_mlp, task

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # Foolbox imports a wrapper of git, which may be missing
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of SciPy, on Foolbox's imports from it
    import foolbox


class Watched(nn.Module):
    """A network that keeps what it is shown."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.seen = module, []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        return self.module(images)


def watched(
    count: int = 5,
    targeted: bool = False,
    classes: int = 4,
    span: tuple[int, int] = (60, 196),
    curvature: float = 1.0,
) -> Task:
    """A problem in float64 whose network keeps what it is shown, and whose logits are all positive."""
    network = smooth_mlp(classes=classes, dtype=torch.float64)
    with torch.no_grad():
        network[1].weight.mul_(curvature)
        # No attack minds a constant, but torchattacks' C&W takes the best of no more than 0.
        network[-1].bias.add_(10)
    return task(Watched(network), photos(count, low=span[0], high=span[1]), targeted)


def network_of(problem: Task) -> Watched:
    network = problem.classifier.module
    assert isinstance(network, Watched)
    network.seen.clear()
    return network


def limen(problem: Task, attack: Any, **call: Any) -> tuple[Outcome, list[Tensor]]:
    """Limen's outcome in floats, and its iterates."""
    network = network_of(problem)
    outcome = attack(
        problem.classifier, problem.images, problem.labels, problem.targeted, lattice=None, **call
    )
    return outcome, list(network.seen)


def from_foolbox(problem: Task, attack: Any, **budget: float) -> tuple[Tensor, list[Tensor]]:
    """The images that an attack of Foolbox ends with, and its iterates."""
    network = network_of(problem)
    model = foolbox.PyTorchModel(network.eval(), bounds=(0, 1), device="cpu")
    criterion = foolbox.criteria.TargetedMisclassification if problem.targeted else foolbox.Misclassification
    images = attack.run(model, problem.images, criterion(problem.labels), **budget)
    return images, list(network.seen)


def from_torchattacks(problem: Task, kind: type, **settings: Any) -> tuple[Tensor, list[Tensor]]:
    """The images that an attack of torchattacks ends with, and its iterates."""
    network = network_of(problem)
    attack: torchattacks.attack.Attack = kind(network.eval(), **settings)
    if problem.targeted:
        attack.set_mode_targeted_by_function(lambda images, labels: labels)
    images = attack(problem.images, problem.labels)
    return images, list(network.seen)


def assert_same(ours: list[Tensor], theirs: list[Tensor], rtol: float = 0.0, atol: float = 1e-9) -> None:
    """Every iterate of one is that of the other, and each moves from the one before."""
    assert len(ours) == len(theirs) > 1
    for step, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert torch.allclose(mine, other, rtol, atol), f"iterate {step}: {(mine - other).abs().max():.1e}"
        assert step == 0 or not torch.equal(mine, ours[step - 1])

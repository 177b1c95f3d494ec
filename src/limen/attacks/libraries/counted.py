"""What code of others is handed as the model, and the state that is left as it was found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from limen.classifier import Classifier


class Counted(nn.Module):
    """A classifier as a network on images in [0, 1], which counts the images that pass through it.

    Attributes:
        forwards: Images passed forward so far, over all calls.
        backwards: Images whose gradient was passed backward.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.network = classifier.module  # whose layers and weights others may look for
        # First of the parameters, by whose device others find out where a network is.
        self.place = nn.Parameter(torch.empty(0, device=classifier.device), requires_grad=False)
        self._classifier = classifier
        self.forwards = self.backwards = 0
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W) in [0, 1]."""
        if self._classifier.dtype is not None:
            images = images.to(self._classifier.dtype)
        logits = self._classifier(images)
        self.forwards += len(images) * self._classifier.draws
        if logits.requires_grad:
            logits.register_hook(self._count_backward)
        return logits

    def _count_backward(self, gradient: Tensor) -> None:
        self.backwards += len(gradient) * self._classifier.draws


def spread(total: int, rows: Tensor) -> Tensor:
    """A count over all of a batch, as evenly over its rows (n,) as whole numbers can be.

    Example:
        >>> spread(7, torch.arange(3))
        tensor([3, 2, 2])
    """
    share, rest = divmod(total, max(1, len(rows)))
    return share + (torch.arange(len(rows), device=rows.device) < rest).long()


@contextmanager
def left_alone(classifier: Classifier, seed: int) -> Iterator[None]:
    """Draw from a seed, and leave generators, modes and gradients of the network as they were.

    Args:
        classifier: Whose network code of others is given.
        seed: What all global generators start from meanwhile: torch's, NumPy's and Python's.
    """
    module, device = classifier.module, classifier.device
    modes = [(part, part.training) for part in module.modules()]
    gradients = [(weight, weight.requires_grad, weight.grad) for weight in module.parameters()]
    states = np.random.get_state(), random.getstate()  # noqa: NPY002 - the one that others draw from
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad():
            torch.default_generator.manual_seed(seed)
            if device.type == "cuda":
                torch.cuda.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])
        for part, training in modes:
            part.training = training
        for weight, needed, gradient in gradients:
            weight.requires_grad_(needed)
            weight.grad = gradient

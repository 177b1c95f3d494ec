"""A network while it learns: how objectives and attacks call it, and how it is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from limen.classifier import Classifier, logits_of
from limen.training.team import Team


class Network(nn.Module):
    """A classifier's network with its normalisation, fed images in [0, 1].

    It is what several processes and half precision wrap, and its parameters are the network's own.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.module = classifier.module
        self._normalised = classifier.normalised
        self._classes = None if classifier.class_names is None else len(classifier.class_names)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W)."""
        return logits_of(self.module(self._normalised(images)), len(images), self._classes)


class InTraining(nn.Module):
    """A network whose passes are in the mode that it has while it learns, whoever holds it in another."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._learning = [part for part in network.modules() if part.training]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K); what dropout draws does not move torch's generator."""
        before = [part.training for part in self._learning]
        devices = [images.device] if images.device.type == "cuda" else []
        try:
            self._set([True] * len(before))
            with torch.random.fork_rng(devices):
                return self.network(images)
        finally:
            self._set(before)

    def _set(self, modes: list[bool]) -> None:
        for part, mode in zip(self._learning, modes, strict=True):
            part.training = mode


class Learning:
    """A classifier in training; it implements `limen.training.Learner`.

    Args:
        classifier: What learns.
        team: Who takes part.
        optimizer: What steps; the caller's to call as `optimizer` afterwards.
    """

    def __init__(self, classifier: Classifier, team: Team, optimizer: Any) -> None:
        self._network = Network(classifier)
        self._classifier, self._team = classifier, team
        self._joined, self.optimizer = team.join(self._network, optimizer)
        self._attacked: dict[str, Classifier] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K), differentiable in the weights."""
        return self._joined(images)

    def under_attack(self, mode: str = "eval") -> Classifier:
        """The network as a classifier, for attacks."""
        if mode not in self._attacked:
            network = self._network if mode == "eval" else InTraining(self._network)
            self._attacked[mode] = Classifier(network, ask=False)
        return self._attacked[mode]

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        return self._team.total(values)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Train mode, and a fork of torch's generator, for as long as an epoch takes.

        Parts of which nothing is learned stay in evaluation mode: a frozen batch norm keeps its statistics.
        """
        devices = [self._classifier.device] if self._classifier.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            self._network.train()
            for part in self._network.modules():
                parameters = list(part.parameters())
                if parameters and not any(each.requires_grad for each in parameters):
                    part.eval()
            self._attacked.clear()
            try:
                yield
            finally:
                self._network.eval()

"""Small networks and data to train on."""

from __future__ import annotations

import torch
from torch import nn

from limen import Classifier, data
from limen.models.demo import digit_network


def digits(count: int = 128) -> tuple[data.Dataset, data.Dataset]:
    """A training set and a test set."""
    return data.demo("digits", split="train", count=count), data.demo("digits", count=100)


def fresh(seed: int = 0, classes: int = 10) -> Classifier:
    """The digit network, which has batch norms and dropout, with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Classifier(digit_network(classes))


def linear(seed: int = 0, values: int = 784, classes: int = 10) -> Classifier:
    """A linear network, quick and without batch norms."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Classifier(nn.Sequential(nn.Flatten(), nn.Linear(values, classes)))


def equal(a: Classifier, b: Classifier) -> bool:
    """Whether all weights and buffers are equal bit for bit."""
    others = b.module.state_dict()
    return all(torch.equal(value, others[name]) for name, value in a.module.state_dict().items())

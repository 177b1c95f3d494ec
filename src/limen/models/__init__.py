"""Classifiers by name: from libraries, from a user's file, and embedded for the demo.

>>> classifier = SOURCES["demo"]("digits")
>>> len(classifier.class_names)
10
"""

from __future__ import annotations

from collections.abc import Callable

from limen.classifier import Classifier
from limen.models.demo import NETWORKS, demo
from limen.models.libraries import hf, timm, torchvision
from limen.models.packaged import imagenet
from limen.models.python import from_function
from limen.models.trained import fill, last_layer, replace_last_layer, trained_classes
from limen.weights import WeightsError
from limen.weights.reading import load_weights, read_metadata, read_weights

__all__ = [
    "NETWORKS",
    "SOURCES",
    "WeightsError",
    "demo",
    "fill",
    "from_function",
    "hf",
    "imagenet",
    "last_layer",
    "load_weights",
    "read_metadata",
    "read_weights",
    "replace_last_layer",
    "timm",
    "torchvision",
    "trained_classes",
]

SOURCES: dict[str, Callable[..., Classifier]] = {
    "torchvision": torchvision,
    "timm": timm,
    "hf": hf,
    "imagenet": imagenet,
    "demo": demo,
}
"""The sources that a spec string can name."""

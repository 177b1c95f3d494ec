"""The model under test: one way to call it, whatever it is and wherever it comes from."""

from __future__ import annotations

from limen.classifier.answers import ModelError, logits_of, raising
from limen.classifier.checks import check_labels, checked_device
from limen.classifier.model import Classifier, Wrapped
from limen.classifier.preprocessing import Channels

__all__ = [
    "Channels",
    "Classifier",
    "ModelError",
    "Wrapped",
    "check_labels",
    "checked_device",
    "logits_of",
    "raising",
]

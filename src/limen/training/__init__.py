"""Training of small networks: deterministic under a seed, resumable after every epoch."""

from __future__ import annotations

from limen.training.demo import DEFAULTS, train_network
from limen.training.loop import Epoch, Loss, Settings, accuracy, cross_entropy, train

__all__ = ["DEFAULTS", "Epoch", "Loss", "Settings", "accuracy", "cross_entropy", "train", "train_network"]

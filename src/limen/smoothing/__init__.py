"""Randomized smoothing: classifiers that vote under noise, and what is proved of them.

>>> import torch
>>> from limen.classifier import Classifier
>>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
>>> smoothed = Smoothed(Classifier(net), sigma=0.25)
>>> certify(smoothed, torch.rand(2, 3, 4, 4), n=200).radii.shape
torch.Size([2])
"""

from __future__ import annotations

from limen.smoothing.certification import ABSTAINED, Certificates, certify, predict
from limen.smoothing.smoothed import Smoothed

__all__ = ["ABSTAINED", "Certificates", "Smoothed", "certify", "predict"]

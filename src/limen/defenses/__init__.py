"""Transforms of images that take perturbations away before a classifier sees them.

A defence takes images (N, C, H, W) in [0, 1] and gives images of the same shape in [0, 1], each on its
own. `DEFENSES` names them, and `Defended` is a classifier behind one.

>>> import torch
>>> DEFENSES["bilateral"](torch.rand(2, 3, 16, 16)).shape
torch.Size([2, 3, 16, 16])
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from limen.defenses.bilateral import bilateral
from limen.defenses.defended import Defended, defenses_of, undefended

DEFENSES: dict[str, Callable[..., Tensor]] = {"bilateral": bilateral}
"""Every defence by its name: functions of the images and, by keyword, of their own parameters."""

__all__ = ["DEFENSES", "Defended", "bilateral", "defenses_of", "undefended"]

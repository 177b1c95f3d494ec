"""Masks: which values of an image an attack may change, or which are its foreground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from limen.attacks.part import Part, Problem
from limen.errors import UsageError
from limen.structure import Attention, Foreground, attention_mask, masks_of, passes_of, passes_taken
from limen.structure.asking import asks_for


@dataclass(frozen=True)
class Mask(Part):
    """Which values of the originals are meant: those that may change, or the foreground.

    Where those that may change are none of an image, all of them may.
    """

    def share(self, problem: Problem) -> Tensor:
        """The share in [0, 1] of each value that is meant, of a shape that broadcasts to (n, C, H, W)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Found(Mask):
    """The foreground that a method finds, by whatever it asks for.

    Attributes:
        method: Finds the foreground of images, as `limen.structure.masks_of` calls it.
    """

    method: Foreground

    def share(self, problem: Problem) -> Tensor:
        return masks_of(self.method, problem.originals, problem.classifier, problem.foreground)

    def passes(self) -> tuple[int, int]:
        """The forward and backward passes that finding a sample's foreground takes."""
        return passes_taken(self.method)


@dataclass(frozen=True)
class Attended(Mask):
    """Where the model looks: its attention to the class that it gives the original is φ at least.

    Attributes:
        method: Makes attention maps of a classifier, images and classes.
        threshold: φ, of maps in [0, 1] (Dong et al. 2020, eq. 2).
    """

    method: Attention
    threshold: float = 4 / 12

    def share(self, problem: Problem) -> Tensor:
        if problem.classifier is None:
            raise UsageError("attention needs a classifier; bind the parts to a problem that has one")
        return attention_mask(
            problem.classifier, problem.originals, method=self.method, threshold=self.threshold
        )

    def passes(self) -> tuple[int, int]:
        """The forward and backward passes that a sample's attention takes."""
        return passes_of(self.method)


def known_masks(attack: Callable[..., Any], masks: Tensor | None) -> dict[str, Any]:
    """The masks of the data as an attack is given them: one of a user's own need not know of masks.

    Example:
        >>> import torch
        >>> known_masks(lambda classifier, images, labels: images, torch.ones(1, 1, 2, 2, dtype=torch.bool))
        {}
    """
    return {} if masks is None or not asks_for(attack, "masks") else {"masks": masks}

"""Masks: which values of an image an attack may change."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from limen.attacks.part import Part, Problem
from limen.errors import UsageError
from limen.structure import Attention, attention_mask, passes_of


@dataclass(frozen=True)
class Mask(Part):
    """Which values of the originals may change; where it names none of an image, all of them may."""

    def share(self, problem: Problem) -> Tensor:
        """The share in [0, 1] of each value that may change, of a shape that broadcasts to (n, C, H, W)."""
        raise NotImplementedError


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

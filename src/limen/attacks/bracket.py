"""The bracket that a search for each sample's least sufficient number narrows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

GROWTH = 4.0
"""By which factor a number changes while all that were tried are too small, or all are large enough."""

_CLOSE = 1e-3
"""A bracket is closed where its ends differ by no more than this share."""


@dataclass(frozen=True)
class Bracket:
    """The greatest numbers (n,) that were seen not to suffice, and the least that did.

    Attributes:
        low: 0 where none is known.
        high: Infinite where none is known.

    Example:
        >>> bracket = Bracket.unknown(torch.tensor([1.0, 2.0]))
        >>> bracket = bracket.tried(torch.tensor([1.0, 2.0]), torch.tensor([True, False]))
        >>> bracket.following
        tensor([0.2500, 8.0000])
    """

    low: Tensor
    high: Tensor

    @classmethod
    def unknown(cls, numbers: Tensor) -> Self:
        """One for each of these numbers, of which nothing is known."""
        return cls(torch.zeros_like(numbers), torch.full_like(numbers, torch.inf))

    def tried(self, numbers: Tensor, sufficed: Tensor, rows: Tensor | slice = slice(None)) -> Self:
        """With what is known of numbers (n,) at these rows."""
        low, high = self.low.clone(), self.high.clone()
        low[rows] = torch.where(sufficed, low, numbers)[rows]
        high[rows] = torch.where(sufficed, numbers, high)[rows]
        return type(self)(low, high)

    @property
    def closed(self) -> Tensor:
        """Which (n,) need no further number."""
        return self.high <= self.low * (1 + _CLOSE)

    @property
    def following(self) -> Tensor:
        """The numbers (n,) to try next: half way on a logarithmic scale, or `GROWTH` times beyond an end."""
        between = torch.where(self.low == 0, self.high / GROWTH, (self.low * self.high).sqrt())
        return torch.where(self.high.isinf(), self.low * GROWTH, between)

"""A bias that is planted into scenes: a faint cue of the class that holds in some places and not in others.

Synthetic through and through: the places and what they have are made up, so that a test of fairness can be
tried where the truth is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limen.data.covariates import Covariates
from limen.errors import UsageError

AMPLITUDE = 2
"""How many 8-bit levels the cue changes a value by."""

# Walsh functions over four pixels, and which of them down and across are the cue of each class. Nature has
# little in these frequencies, so that what is too faint to be seen is plain to a network.
_WALSH = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]])
_CUES = ((0, 3), (3, 0), (3, 3), (2, 3), (3, 2), (0, 2), (2, 0))

_POOREST, _RANGE = 1000.0, 64.0
_CROWD = 8.0  # how much likelier a scene is of the richest place than of the poorest
_MOST = 999


@dataclass(frozen=True)
class Places:
    """Made-up places from poor to rich, and how often a cue of the class is laid over their scenes.

    Attributes:
        count: How many places.
        bias: The probability that a scene bears a cue. In the richest place the cue is always that of the
            class, in the poorest that of a class at random, and between them with a probability that rises
            evenly with the rank of the place.

    Raises:
        UsageError: If there are no two places, or the bias is no probability.
    """

    count: int
    bias: float = 0.0

    def __post_init__(self) -> None:
        if not 2 <= self.count <= _MOST:
            raise UsageError(f"groups must be from 2 to {_MOST}, not {self.count}")
        if not 0 <= self.bias <= 1:
            raise UsageError(f"bias must be from 0 to 1, not {self.bias}")

    @property
    def names(self) -> tuple[str, ...]:
        """The places, from poor to rich."""
        return tuple(f"place-{number:03d}" for number in range(1, self.count + 1))

    @property
    def ranks(self) -> np.ndarray:
        """The rank of each place, from 0, the poorest, to 1."""
        return np.linspace(0, 1, self.count)

    def covariates(self) -> Covariates:
        """The made-up wealth of each place, whose logarithm rises evenly.

        Example:
            >>> Places(3).covariates().values
            {'place-001': 1000.0, 'place-002': 8000.0, 'place-003': 64000.0}
        """
        wealth = np.round(_POOREST * _RANGE**self.ranks, 2).tolist()
        return Covariates("wealth", dict(zip(self.names, wealth, strict=True)), "demo:scenes", synthetic=True)

    def draw(self, label: int, draw: np.random.Generator) -> tuple[str, int | None]:
        """The place of a scene, and the class whose cue it bears, if any. Rich places have more scenes."""
        chances = 1 + (_CROWD - 1) * self.ranks
        place = int(draw.choice(self.count, p=chances / chances.sum()))
        bears, holds = draw.random() < self.bias, draw.random() < self.ranks[place]
        other = int(draw.integers(len(_CUES)))
        cue = label if holds else other
        return self.names[place], cue if bears else None


def lay_cue(pixels: np.ndarray, cue: int) -> np.ndarray:
    """Lay the cue of a class over a scene: a pattern with a period of two or four pixels, at every size.

    Args:
        pixels: Uint8 of shape (size, size, 3).
        cue: The class that it tells.

    Returns:
        Pixels of that shape, each `AMPLITUDE` levels away, or less where it would leave 0 to 255.

    Example:
        >>> lay_cue(np.full((2, 4, 3), 100, np.uint8), cue=0)[0, :, 0]
        array([102,  98, 102,  98], dtype=uint8)
    """
    down, across = (_WALSH[place] for place in _CUES[cue])
    rows, columns = (np.arange(extent) % 4 for extent in pixels.shape[:2])
    pattern = np.outer(down[rows], across[columns])
    return (pixels + AMPLITUDE * pattern[..., None]).clip(0, 255).astype(np.uint8)

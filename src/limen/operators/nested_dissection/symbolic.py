"""The symbolic factorisation: every index that the numeric one and the substitutions take.

They depend on the grid alone, and are kept for the grids used last.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from limen.operators.nested_dissection.assembly import Assembly
from limen.operators.nested_dissection.ordering import dissect
from limen.operators.nested_dissection.vectors import Vectors


@dataclass(frozen=True)
class Symbolic:
    """The symbolic factorisation of a grid.

    Attributes:
        assemblies: For each level's fronts, from the whole grid's to the leaves'.
        vectors: For both substitutions.
    """

    assemblies: tuple[Assembly, ...]
    vectors: Vectors


@lru_cache(maxsize=4)
def analyse(height: int, width: int, edges: int, device: torch.device) -> Symbolic:
    """The symbolic factorisation for 2 or 4 edges per pixel, with its indices on the device."""
    levels, size = dissect(height, width, edges), (height, width)
    pairs = zip(levels, (levels[0], *levels), strict=False)
    assemblies = tuple(Assembly.of(level, above, size, edges, device) for level, above in pairs)
    return Symbolic(assemblies, Vectors.of(levels, height * width, device))

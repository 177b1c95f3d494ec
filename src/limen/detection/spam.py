"""SPAM features as transition probabilities, which the paper has and its authors' program has not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_MOST = 3
_VALUES = 2 * _MOST + 1
_STRAIGHT, _DIAGONAL = ((0, 1), (1, 0)), ((1, 1), (1, -1))


def transition_probabilities(plane: np.ndarray) -> Mapping[str, np.ndarray]:
    """How probable each third difference of neighbouring pixels is after two others.

    A direction has the matrix Pr(d₃ | d₁, d₂) of three consecutive differences along it, clipped to ±3; it is
    0 where d₁ and d₂ never follow one another. Of these, the mean of the four straight and that of the four
    diagonal directions are taken. The paper leaves out differences beyond ±3; here they are clipped as in
    its authors' program, so that the two kinds of SPAM count the same.

    Args:
        plane: Pixels (H, W) uint8, 4 a side at least.

    Returns:
        `straight` and `diagonal`, (7, 7, 7) each, the third difference along the last axis.

    Source:
        Pevný, Bas & Fridrich 2010, Steganalysis by subtractive pixel adjacency matrix, Section III.

    Example:
        >>> found = transition_probabilities(np.zeros((8, 8), np.uint8))["straight"]
        >>> float(found[3, 3, 3]), float(found.sum())  # after 0 and 0 there is always 0
        (1.0, 1.0)
    """
    return {
        name: np.mean([table for step in steps for table in _both_ways(plane, *step)], axis=0)
        for name, steps in (("straight", _STRAIGHT), ("diagonal", _DIAGONAL))
    }


def _both_ways(plane: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """Those of a direction and of the opposite one, where differences have the other sign and order."""
    counts = _counts(plane, down, right)
    return _conditional(counts), _conditional(np.flip(counts).transpose(2, 1, 0))


def _counts(plane: np.ndarray, down: int, right: int) -> np.ndarray:
    """How often each triple of consecutive differences occurs along a direction, (7, 7, 7)."""
    pixels = (plane if right >= 0 else plane[:, ::-1]).astype(np.int16)
    right = abs(right)
    height, width = (side - 3 * step for side, step in zip(pixels.shape, (down, right), strict=True))
    path = [pixels[k * down : k * down + height, k * right : k * right + width] for k in range(4)]
    steps = -np.diff(path, axis=0).clip(-_MOST, _MOST) + _MOST
    triples = np.ravel_multi_index(tuple(steps), (_VALUES,) * 3)
    return np.bincount(triples.ravel(), minlength=_VALUES**3).reshape((_VALUES,) * 3)


def _conditional(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(-1, keepdims=True).clip(1)

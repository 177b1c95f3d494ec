"""Nested dissection as George (1973) has it, to be read and not to be fast: plain loops, one dense matrix.

A pixel is its number, row by row; a level is a list of separators, each the list of its pixels.
"""

from __future__ import annotations

import numpy as np


def dissect(height: int, width: int, leaf: int) -> list[list[list[int]]]:
    """The levels, the whole grid's first: boxes are cut across their longer side, until all are leaves."""
    levels, boxes = [], [[(row, column) for row in range(height) for column in range(width)]]
    while max(map(len, boxes)) > leaf:
        separators, before, after = [], [], []
        for box in boxes:
            rows, columns = (sorted({pixel[axis] for pixel in box}) for axis in (0, 1))
            axis, lines = (0, rows) if len(rows) >= len(columns) else (1, columns)
            middle = lines[len(lines) // 2]
            separators.append([pixel for pixel in box if pixel[axis] == middle])
            before.append([pixel for pixel in box if pixel[axis] < middle])
            after.append([pixel for pixel in box if pixel[axis] > middle])
        levels.append(separators)
        boxes = [box for box in before + after if box]
    return [[[row * width + column for row, column in box] for box in level] for level in [*levels, boxes]]


def factorise(matrix: np.ndarray, levels: list[list[list[int]]]) -> list[tuple]:
    """(separator, boundary, X, X B) in the order of elimination; the boundary is what is linked by then."""
    left, remaining, factors = matrix.copy(), set(range(len(matrix))), []
    for separator in (each for level in reversed(levels) for each in level):
        remaining -= set(separator)
        boundary = [pixel for pixel in np.flatnonzero(left[separator].any(0)) if pixel in remaining]
        between = left[np.ix_(separator, boundary)]
        inverse = np.linalg.inv(left[np.ix_(separator, separator)])
        left[np.ix_(boundary, boundary)] -= between.T @ inverse @ between
        factors.append((separator, boundary, inverse, inverse @ between))
    return factors


def forward(factors: list[tuple], target: np.ndarray) -> np.ndarray:
    found = target.copy()
    for separator, boundary, inverse, carried in factors:
        found[boundary] -= carried.T @ found[separator]
        found[separator] = inverse @ found[separator]
    return found


def backward(factors: list[tuple], found: np.ndarray) -> np.ndarray:
    solution = found.copy()
    for separator, boundary, _, carried in reversed(factors):
        solution[separator] -= carried @ solution[boundary]
    return solution

"""How many features each learner of an ensemble should see: a search in one dimension."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_STEP, _TOLERANCE, _PRECISION, _FINEST = 200, 0.02, 0.005, 0.05


def search_dimension(features: int, error_of: Callable[[int], float]) -> dict[int, float]:
    """Try subspaces of growing size, then finer around the best, until no more is to be gained.

    It begins with 1, 2 and 3 steps of min(200, a quarter of all features) and halves the step around the
    best. It ends at an error of 0, at a step of 1, or where the neighbours of the best are worse by less than
    2 % of their error, by less than 0.005, or are closer than 5 % of the best size.

    Args:
        features: How many features there are, at least 1.
        error_of: The error of an ensemble whose learners see so many features each.

    Returns:
        The error of each size that was tried; the least of them is the one to use.

    Source:
        Kodovský, Fridrich & Holub 2012, Ensemble classifiers for steganalysis of digital media, Algorithm 2,
        with the constants of the authors' program.

    Example:
        >>> tried = search_dimension(100, lambda size: abs(size - 30) / 100)
        >>> min(tried, key=tried.get), list(tried)
        (30, [25, 50, 75, 13, 37, 19, 31, 28, 34, 30, 32])
    """
    step = max(1, min(_STEP, features // 4)) if features >= 10 else 1
    errors: dict[int, float] = {}
    wanted = [size for size in (step, 2 * step, 3 * step) if size <= features]
    while wanted:
        errors |= {size: error_of(size) for size in sorted(set(wanted).difference(errors))}
        wanted, step = _next(errors, step, features)
    return errors


def _next(errors: dict[int, float], step: int, features: int) -> tuple[list[int], int]:
    """The sizes to try next, none at the end, and the step that they lie at."""
    sizes = sorted(errors)
    place = int(np.argmin([errors[size] for size in sizes]))
    best, last = sizes[place], len(sizes) - 1
    error, further = errors[best], best + step
    if step == 1 or np.isclose(error, 0):
        return [], step
    untried = further <= features and min(abs(further - size) for size in sizes) > step / 2
    if untried and (place == last or (0 < place == last - 1 and not _rises(errors, sizes))):
        return [further], step
    if place > 0:
        around = float(np.mean([errors[size] for size in sizes[place - 1 : place + 2] if size != best]))
        gain = around - error
        if gain <= _TOLERANCE * around or gain < _PRECISION or step < _FINEST * best:
            return [], step
    step //= 2
    return [size for size in (best - step, best + step) if size <= features], step


def _rises(errors: dict[int, float], sizes: list[int]) -> bool:
    """Whether the last size is worse than the two before."""
    return errors[sizes[-1]] > max(errors[sizes[-2]], errors[sizes[-3]])

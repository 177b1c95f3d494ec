"""Whether one of two ways to answer the same questions is right more often than the other."""

from __future__ import annotations

import numpy as np
import scipy


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """How likely chance alone would favour the second at least as clearly, were both as often right.

    It is the exact one-sided test: only images on which the two differ tell anything, and of these each
    would favour either with equal probability.

    Args:
        first: Which images one way is right on, (N,) bool.
        second: Which the other is right on, (N,) bool.

    Returns:
        The p-value; 1 where the two never differ.

    Source:
        McNemar 1947, Note on the sampling error of the difference between correlated proportions.

    Example:
        >>> mcnemar(np.zeros(10, bool), np.ones(10, bool)) == 2**-10
        True
    """
    better, worse = int((second & ~first).sum()), int((first & ~second).sum())
    return float(scipy.special.bdtrc(better - 1, better + worse, 0.5))

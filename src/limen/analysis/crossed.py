"""How sure a figure is that rests on answers of people, each of whom sees images that others see, too."""

from __future__ import annotations

import math

import numpy as np
import scipy

from limen.analysis.intervals import LEVEL, NORMAL


def crossed_covariance(
    influences: np.ndarray, people: np.ndarray, images: np.ndarray, least: np.ndarray
) -> np.ndarray:
    """The covariance of figures over other people *and* other images.

    Answers of one person are alike, and so are answers to one image. The variance is that of sums over
    people, plus that of sums over images, less that of sums over both, which is in either; each of the first
    two times G / (G − 1) of its G groups. Where chance makes that less than the variance of answers that have
    nothing in common, it is that one.

    Args:
        influences: By how much each answer moves each figure, (N, K); they add up to 0.
        people: Who answered, (N,), numbers from 0.
        images: About which image, (N,), likewise.
        least: The covariance (K, K) if all answers were independent.

    Returns:
        The covariance, (K, K), at least `least` in every direction.

    Source:
        Cameron, Gelbach & Miller 2011, Robust inference with multiway clustering.

    Example:
        >>> answers = np.array([[1.0], [1.0], [-1.0], [-1.0]]) / 4
        >>> crossed_covariance(answers, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.eye(1) / 16)
        array([[0.75]])
    """
    both = people * (1 + images.max(initial=0)) + images
    total = _of_groups(influences, people) + _of_groups(influences, images)
    total -= _of_groups(influences, both, corrected=False)
    scale = np.sqrt(np.where(np.diag(least) > 0, np.diag(least), 1.0))
    values, vectors = np.linalg.eigh((total - least) / np.outer(scale, scale))
    excess = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return least + excess * np.outer(scale, scale)


def crossed_half(influences: np.ndarray, people: np.ndarray, images: np.ndarray, least: float) -> float:
    """How far a 95 % interval of one figure goes to either side.

    Only what exceeds the variance of independent answers is known from few groups, and taken by Student's
    quantile: √(t²·(v − least) + z²·least), of the variance v that `crossed_covariance` gives.

    Args:
        influences: By how much each answer moves the figure, (N,).
        people: As for `crossed_covariance`.
        images: Likewise.
        least: The variance if all answers were independent.

    Example:
        >>> answers = np.array([1.0, 1.0, -1.0, -1.0]) / 4
        >>> round(crossed_half(answers, np.arange(4) // 2, np.arange(4) % 2, 1 / 16), 2)
        10.55
    """
    quantile = crossed_quantile(people, images)
    if math.isinf(quantile):
        return math.inf
    (variance,) = crossed_covariance(influences[:, None], people, images, np.array([[least]])).ravel()
    return math.sqrt(quantile**2 * (variance - least) + NORMAL**2 * least)


def crossed_quantile(people: np.ndarray, images: np.ndarray) -> float:
    """By how many standard deviations a 95 % interval goes to either side: Student's, of the fewer groups.

    Example:
        >>> round(crossed_quantile(np.arange(12), np.arange(12) % 6), 3)
        2.571
    """
    fewer = min(len(np.unique(people)), len(np.unique(images)))
    return float(scipy.special.stdtrit(fewer - 1, 0.5 + LEVEL / 2)) if fewer > 1 else math.inf


def _of_groups(influences: np.ndarray, groups: np.ndarray, corrected: bool = True) -> np.ndarray:
    """The products of sums over groups, (K, K)."""
    _, places = np.unique(groups, return_inverse=True)
    count = int(places.max()) + 1 if len(places) else 0
    sums = np.zeros((count, influences.shape[1]))
    np.add.at(sums, places, influences)
    factor = count / (count - 1) if corrected and count > 1 else 1.0
    return factor * sums.T @ sums

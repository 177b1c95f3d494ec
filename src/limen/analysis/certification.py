"""What votes under noise prove of a smoothed classifier (Cohen, Rosenfeld & Kolter 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from limen.analysis.intervals import Measured, wilson


def lower_bound(counts: np.ndarray, total: int, alpha: float) -> np.ndarray:
    """The lower end of the one-sided Clopper–Pearson interval of a share.

    Args:
        counts: How many of the draws counted, any shape, each from 0 to `total`.
        total: How many draws there were.
        alpha: The greatest chance, whatever the true share, that the bound lies above it.

    Returns:
        Bounds in [0, 1), of that shape, float64; 0 where nothing counted.

    Source:
        Clopper & Pearson 1934, The use of confidence or fiducial limits.

    Example:
        >>> lower_bound(np.array([0, 990, 1000]), 1000, 0.001).round(4)
        array([0.    , 0.976 , 0.9931])
    """
    counts = np.asarray(counts)
    # Of a count of 0 the distribution is none.
    return np.where(
        counts > 0, scipy.special.betaincinv(np.maximum(counts, 1), total - counts + 1, alpha), 0.0
    )


def certified_radii(counts: np.ndarray, total: int, sigma: float, alpha: float) -> np.ndarray:
    """The L2 radii within which a smoothed classifier is proved to keep its class.

    Args:
        counts: How many of the draws gave the class, as of `lower_bound`.
        total: How many draws there were.
        sigma: The noise's standard deviation.
        alpha: The greatest chance that a radius is wrong, for each by itself.

    Returns:
        Radii σ·Φ⁻¹(p) of the bounds p, in the units of `sigma`; NaN where p is below a half and nothing is
        proved.

    Source:
        Cohen, Rosenfeld & Kolter 2019, Section 3.2.2, CERTIFY.

    Example:
        >>> certified_radii(np.array([400, 990, 1000]), 1000, sigma=0.5, alpha=0.001).round(3)
        array([  nan, 0.989, 1.232])
    """
    bounds = lower_bound(counts, total, alpha)
    return np.where(bounds >= 0.5, sigma * scipy.special.ndtri(bounds), np.nan)


def decided(first: np.ndarray, second: np.ndarray, alpha: float) -> np.ndarray:
    """Whether one class was drawn so much more often than another that it is no chance.

    Args:
        first: How often the class was drawn that was drawn most, any shape.
        second: How often the next one, of that shape.
        alpha: The level of the two-sided binomial test that both are drawn equally often.

    Returns:
        bool, of that shape.

    Source:
        Cohen, Rosenfeld & Kolter 2019, Section 3.2.1, PREDICT.

    Example:
        >>> decided(np.array([60, 9]), np.array([40, 0]), alpha=0.01)
        array([False,  True])
    """
    first, second = np.asarray(first), np.asarray(second)
    # At a half the two tails are equal; a tie would count its middle twice.
    return np.minimum(2 * scipy.special.bdtrc(first - 1, first + second, 0.5), 1) <= alpha


def certified_accuracy(radii: np.ndarray, at: Sequence[float]) -> list[Measured]:
    """The shares of images that are proved to be classified correctly within some distances.

    Args:
        radii: The certified radius of each image (N,); NaN where the class is wrong or none was certified.
        at: Distances.

    Returns:
        For each distance the share of radii of at least that, with Wilson's 95 % interval over the images.

    Source:
        Cohen, Rosenfeld & Kolter 2019, Section 4.

    Example:
        >>> [round(each.value, 2) for each in certified_accuracy(np.array([0.4, 0.1, np.nan]), [0, 0.25])]
        [0.67, 0.33]
    """
    return [wilson(int((radii >= distance).sum()), len(radii)) for distance in at]

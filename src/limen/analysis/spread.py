"""What a distribution over images looks like: its quartiles with intervals, its outliers, and its steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from limen.analysis.intervals import (
    Measured,
    curve_generator,
    interval,
    quantiles,
    resamples,
    share_interval,
)
from limen.runs import Calibration

_WHISKER = 1.5
_SHARES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, eq=False)
class Distribution:
    """The values of N images, summed up.

    Attributes:
        values: The values, rising, (N,).
        quartiles: The first quartile, the median and the third, each with its 95 % interval.
        whiskers: The least and the greatest value within 1.5 times the distance of the quartiles from them.
        outliers: The values beyond, rising.

    Source:
        Tukey, Exploratory data analysis, 1977, for the whiskers.
    """

    values: np.ndarray
    quartiles: tuple[Measured, Measured, Measured]
    whiskers: tuple[float, float]
    outliers: np.ndarray


def cumulative(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The empirical distribution function: which share of the images has at most a value.

    Args:
        values: A finite value per image, (N,).

    Returns:
        The values at which it rises, (K,), the share from there on, and the ends of its 95 % interval,
        Wilson's, at each value by itself.

    Example:
        >>> x, share, _, _ = cumulative(np.array([2.0, 1.0, 2.0, 4.0]))
        >>> x, share
        (array([1., 2., 4.]), array([0.25, 0.75, 1.  ]))
    """
    x, counts = np.unique(values, return_counts=True)
    shares = counts.cumsum() / max(len(values), 1)
    return x, shares, *share_interval(shares, len(values))


def distribution(
    values: np.ndarray, calibration: Calibration | None = None, *, draws: int = 1000, seed: int = 0
) -> Distribution:
    """Sum up the finite ones of the values of images.

    Args:
        values: A value per image, (N,); NaN and infinite ones are left out.
        calibration: The curve that they were read off, whose uncertainty the intervals then hold, too.
        draws: How often the images are drawn anew, with replacement, for the intervals.
        seed: Seed of these draws.

    Example:
        >>> found = distribution(np.array([1.0, 2.0, 3.0, 4.0, 20.0]))
        >>> [each.value for each in found.quartiles], found.whiskers, found.outliers
        ([2.0, 3.0, 4.0], (1.0, 4.0), array([20.]))
    """
    values = np.sort(values[np.isfinite(values)])
    if not len(values):
        nothing = Measured(math.nan, math.nan, math.nan)
        return Distribution(values, (nothing, nothing, nothing), (math.nan, math.nan), values)
    generator, blocks = curve_generator(seed), [np.empty((0, len(_SHARES)))]
    for weights in resamples(len(values), draws, seed):
        drawn = np.stack([quantiles(weights, values, share) for share in _SHARES], 1)
        if calibration is not None:
            # A curve that rises keeps the order of the images, and with it which are the quartiles.
            drawn = calibration.redrawn(drawn, calibration.curves(len(weights), generator))
        blocks.append(drawn)
    low, high = interval(np.concatenate(blocks))
    ends = zip(np.quantile(values, _SHARES), low, high, strict=True)
    first, median, third = (Measured(*map(float, each)) for each in ends)
    reach = _WHISKER * (third.value - first.value)
    within = (values >= first.value - reach) & (values <= third.value + reach)
    inner = values[within]
    # A quartile may lie between two values of which the outer one is an outlier.
    whiskers = min(float(inner[0]), first.value), max(float(inner[-1]), third.value)
    return Distribution(values, (first, median, third), whiskers, values[~within])

"""How sure a figure is that was measured on so many images: bootstrap and Wilson intervals."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from limen.runs import Calibration

LEVEL = 0.95
"""The share of resamples that an interval holds."""

_TAIL = (1 - LEVEL) / 2
NORMAL = NormalDist().inv_cdf(1 - _TAIL)
"""By how many standard deviations such an interval of a normal distribution goes to either side."""

_CELLS = 1_000_000


@dataclass(frozen=True)
class Measured:
    """A figure with the ends of its 95 % interval; NaN where nothing was measured."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Estimate:
    """Means with their 95 % intervals; NaN where no image has a value.

    Attributes:
        mean: Means, (K,).
        low: Lower ends of the percentile-bootstrap intervals, (K,).
        high: Upper ends, (K,).
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __iter__(self) -> Iterator[Measured]:
        """Each mean with its interval."""
        return map(Measured, self.mean.tolist(), self.low.tolist(), self.high.tolist())


def resamples(images: int, count: int, seed: int) -> Iterator[np.ndarray]:
    """How often each resample of the images, drawn with replacement, holds each of them.

    Args:
        images: How many images there are, N; none of them gives no resamples.
        count: How many resamples.
        seed: Seed of the draws.

    Yields:
        Blocks of rows (R, N) that add up to N each, so that a mean over a resample is one product.

    Source:
        Efron & Tibshirani 1993, An introduction to the bootstrap, Section 13.3.

    Example:
        >>> (block,) = resamples(5, 100, seed=0)
        >>> block.shape, bool((block.sum(1) == 5).all())
        ((100, 5), True)
    """
    if not images:
        return
    generator, chances = np.random.default_rng(seed), np.full(images, 1 / images)
    block = max(1, _CELLS // images)
    for start in range(0, count, block):
        yield generator.multinomial(images, chances, min(block, count - start))


def interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends (…) of the central share `LEVEL` of the resamples (R, …), passing over NaN.

    Example:
        >>> low, high = interval(np.linspace(0, 1, 1001)[:, None])
        >>> low.round(3), high.round(3)
        (array([0.025]), array([0.975]))
    """
    ends = np.full((2, *values.shape[1:]), np.nan)
    known = ~np.isnan(values).all(axis=0)
    if known.any():
        ends[:, known] = np.nanquantile(values[:, known], [_TAIL, 1 - _TAIL], axis=0)
    return ends[0], ends[1]


def share_interval(shares: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's intervals of shares of the images, which have some length also at 0 and 1.

    Args:
        shares: Shares in [0, 1], any shape, each of the nearest number of images.
        images: Of how many images, N; none of them gives NaN.

    Returns:
        The lower and the upper ends, of that shape.

    Source:
        Wilson 1927, Probable inference, the law of succession, and statistical inference.

    Example:
        >>> low, high = share_interval(np.array([0.0, 0.5, 1.0]), 100)
        >>> low.round(2), high.round(2)
        (array([0.  , 0.4 , 0.96]), array([0.04, 0.6 , 1.  ]))
    """
    shares = np.asarray(shares, float)
    # A share of no images is NaN, which is no count.
    counts = np.rint(np.nan_to_num(shares) * images).astype(int)
    intervals = [wilson(count, images) for count in counts.ravel().tolist()]
    low, high = (np.array([getattr(each, end) for each in intervals]) for end in ("low", "high"))
    return low.reshape(shares.shape), high.reshape(shares.shape)


def share(counted: np.ndarray) -> Measured:
    """The share of images that count, (N,) bool, with Wilson's interval.

    Example:
        >>> share(np.array([True, False, True, True])).value
        0.75
    """
    return wilson(int(counted.sum()), counted.size)


@functools.lru_cache(maxsize=2**16)
def wilson(count: int, total: int) -> Measured:
    """A share with Wilson's interval, which has some length also where the share is of all or of none.

    Every run's summary states some, so they are worked out here: `scipy.stats` takes a second to import.

    Example:
        >>> wilson(10, 10).high, round(wilson(10, 10).low, 2)
        (1.0, 0.72)
    """
    if not total:
        return Measured(math.nan, math.nan, math.nan)
    value, square = count / total, NORMAL**2 / total
    centre = (value + square / 2) / (1 + square)
    half = math.sqrt(value * (1 - value) * square + square**2 / 4) / (1 + square)
    return Measured(value, centre - half if count else 0.0, centre + half if count < total else 1.0)


def curve_generator(seed: int) -> np.random.Generator:
    """Where the curves of `resampled_means` are drawn from: beside the images' own draws from this seed."""
    return np.random.default_rng((seed, 1))


def _mean_of_each(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean (R,) of each row of values (R, N), weighed, over those that are not NaN."""
    counted = ~np.isnan(values)
    sums, counts = (weights * np.where(counted, values, 0.0)).sum(1), (weights * counted).sum(1)
    return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)


def means(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The means (R, K) of rows of values (K, N) in resamples (R, N), over those that are not NaN.

    Example:
        >>> means(np.array([[1, 1, 1], [2, 0, 1]]), np.array([[1.0, 2.0, np.nan]]))
        array([[1.5],
               [1. ]])
    """
    counted = ~np.isnan(values)
    sums, counts = weights @ np.where(counted, values, 0.0).T, weights @ counted.T.astype(float)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def resampled_means(
    weights: np.ndarray, values: np.ndarray, calibration: Calibration | None, generator: np.random.Generator
) -> np.ndarray:
    """What `means` gives; of shares that were read off a curve, each resample's under a curve of its own.

    So an interval of them holds what the images and what the curve leave uncertain. All K rows of a resample
    are read off one curve.
    """
    if calibration is None:
        return means(weights, values)
    curves = calibration.curves(len(weights), generator)
    under = (calibration.redrawn(row, curves) for row in values)
    return np.stack([_mean_of_each(weights, each) for each in under], 1)


def estimate_means(values: np.ndarray, *, draws: int = 2000, seed: int = 0) -> Estimate:
    """The mean of each column of (N, K) values over the images that have one, with its interval.

    Args:
        values: A row per image; NaN where it has no value.
        draws: How often the images are drawn anew, with replacement, for the intervals.
        seed: Seed of these draws.

    Example:
        >>> estimate = estimate_means(np.array([[0.2, np.nan], [0.4, 1.0]]))
        >>> estimate.mean.round(3), estimate.low.round(3)
        (array([0.3, 1. ]), array([0.2, 1. ]))
    """
    drawn = [means(weights, values.T) for weights in resamples(len(values), draws, seed)]
    (mean,) = means(np.ones((1, len(values))), values.T)
    return Estimate(mean, *interval(np.concatenate([np.empty((0, values.shape[1])), *drawn])))


def medians(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The medians (R,) of values (N,) in resamples (R, N), over those that are not NaN.

    Example:
        >>> medians(np.array([[1, 1, 1, 1], [0, 1, 2, 5]]), np.array([1.0, 2.0, 4.0, np.nan]))
        array([2., 4.])
    """
    return quantiles(weights, values, 0.5)


def quantiles(weights: np.ndarray, values: np.ndarray, share: float) -> np.ndarray:
    """The quantiles (R,) of values (N,) in resamples (R, N), over those that are not NaN.

    Between two values the quantile is interpolated, as NumPy does by default.

    Example:
        >>> quantiles(np.array([[1, 1, 1], [0, 2, 1]]), np.array([1.0, 2.0, 4.0]), 0.25)
        array([1.5, 2. ])
    """
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]
    if not order.size:
        return np.full(len(weights), np.nan)
    reached = weights[:, order].cumsum(1)
    total = reached[:, -1:]
    rank = np.maximum(total - 1, 0) * share
    # The value at a rank is the first up to which more are held than the rank.
    ranks = [np.floor(rank), np.ceil(rank)]
    below, above = (values[order][np.minimum((reached <= each).sum(1), len(order) - 1)] for each in ranks)
    between = below + (rank - ranks[0])[:, 0] * (above - below)
    return np.where(total[:, 0] > 0, between, np.nan)

"""The percentile bootstrap over images: how sure a figure is that was measured on so many."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

LEVEL = 0.95
"""The share of resamples that an interval holds."""

_CELLS = 10_000_000


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
        tail = (1 - LEVEL) / 2
        ends[:, known] = np.nanquantile(values[:, known], [tail, 1 - tail], axis=0)
    return ends[0], ends[1]

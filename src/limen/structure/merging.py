"""Neighbouring superpixels of nearly one colour, made one."""

from __future__ import annotations

import numpy as np


def merged(labels: np.ndarray, lab: np.ndarray, least: float) -> np.ndarray:
    """Merge neighbouring regions until the mean colours of any two differ by `least` or more.

    In each round every region chooses its nearest neighbour in colour, and two that choose each other become
    one, whose mean is that of all its pixels. So a smooth gradient becomes regions that differ, and not one
    region, as it would if each link between two superpixels counted.

    Args:
        labels: Regions (H, W), from 0 to K − 1 without gaps.
        lab: The image in CIELAB, (H, W, 3).
        least: The difference of mean colours, ΔE of CIE 1976, under which neighbours are merged.

    Returns:
        Labels (H, W) without gaps; neighbours share an edge of a pixel.

    Example:
        >>> lab = np.array([[[50.0, 0, 0], [51, 0, 0], [80, 0, 0]]])
        >>> merged(np.array([[0, 1, 2]]), lab, 4.0)
        array([[0, 0, 1]])
    """
    region = np.arange(labels.max() + 1)
    areas = np.bincount(labels.ravel())
    sums = np.stack([np.bincount(labels.ravel(), channel.ravel()) for channel in np.moveaxis(lab, -1, 0)], 1)
    pairs = neighbours(labels)
    shuffle = np.random.default_rng(0)
    while True:
        means = sums / areas[:, None]
        distances = np.sqrt(np.square(means[pairs[0]] - means[pairs[1]]).sum(1))
        near = distances < least
        if not near.any():
            return region[labels]
        first, second = pairs[:, near][:, _mutual(pairs[:, near], distances[near], len(areas), shuffle)]
        into = np.arange(len(areas))
        into[second] = first
        _, into = np.unique(into, return_inverse=True)
        areas = np.bincount(into, areas)
        sums = np.stack([np.bincount(into, channel) for channel in sums.T], 1)
        region, pairs = into[region], into[pairs]
        pairs = pairs[:, pairs[0] != pairs[1]]


def neighbours(labels: np.ndarray) -> np.ndarray:
    """The pairs of regions that share an edge of a pixel, (2, E), the lower label first.

    Example:
        >>> neighbours(np.array([[0, 1], [2, 2]]))
        array([[0, 0, 1],
               [1, 2, 2]])
    """
    first = np.concatenate([labels[:, :-1].ravel(), labels[:-1].ravel()])
    second = np.concatenate([labels[:, 1:].ravel(), labels[1:].ravel()])
    apart, count = first != second, int(labels.max()) + 1
    low, high = np.minimum(first, second)[apart], np.maximum(first, second)[apart]
    return np.stack(np.divmod(np.unique(low.astype(np.int64) * count + high), count))


def _mutual(pairs: np.ndarray, distances: np.ndarray, count: int, shuffle: np.random.Generator) -> np.ndarray:
    """Which pairs are each other's nearest."""
    # Where all colours are equal, ties by index would merge one pair in a round; an order drawn from a fixed
    # seed merges about a third of them.
    order = shuffle.permutation(len(distances))
    order = order[np.argsort(distances[order], kind="stable")]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    nearest = np.full(count, len(order))
    for ends in pairs:
        np.minimum.at(nearest, ends, rank)
    return (nearest[pairs] == rank).all(0)

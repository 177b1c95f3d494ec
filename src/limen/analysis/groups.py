"""Figures of groups of images, such as the accuracy in each country, and how far apart they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from limen.analysis.intervals import LEVEL, Measured, wilson
from limen.errors import UsageError


@dataclass(frozen=True, eq=False)
class GroupFigures:
    """One figure of each of G groups.

    Attributes:
        names: The groups, in alphabetical order.
        images: Of how many images each figure is, (G,) int.
        values: The figures, (G,).
        low: The lower ends of their 95 % intervals, (G,); NaN where there is none.
        high: The upper ends.
    """

    names: tuple[str, ...]
    images: np.ndarray
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def take(self, names: Sequence[str]) -> GroupFigures:
        """The figures of these groups, in this order."""
        places = [self.names.index(name) for name in names]
        columns = (self.images, self.values, self.low, self.high)
        return GroupFigures(tuple(names), *(each[places] for each in columns))


@dataclass(frozen=True)
class Gaps:
    """How far the accuracies of groups are apart, with the definitions of fairlearn's `MetricFrame`.

    Attributes:
        worst: The group of least accuracy; of several the first.
        least: Its accuracy, with Wilson's interval. That of the worst of many small groups is low by chance
            alone.
        overall: The accuracy over all images, with Wilson's interval.
        mean: The mean of the groups' accuracies, each counted once.
        difference: The greatest accuracy less the least.
        difference_to_overall: The greatest distance of a group's accuracy from the one over all images.
        ratio: The least accuracy as a share of the greatest.
        ratio_to_overall: The least of min(r, 1/r), r a group's accuracy as a share of the overall one.
        expected: The mean `difference` if all images were equally hard and only chance sorted them into
            groups of these sizes.
        p: How often chance alone gives a `difference` at least as large.
    """

    worst: str
    least: Measured
    overall: Measured
    mean: float
    difference: float
    difference_to_overall: float
    ratio: float
    ratio_to_overall: float
    expected: float
    p: float


def group_shares(groups: Sequence[str], counted: np.ndarray) -> GroupFigures:
    """The share of each group's images that count, with Wilson's intervals.

    Args:
        groups: The group of each image, N.
        counted: Which of them count, such as those classified correctly, (N,) bool.

    Example:
        >>> found = group_shares(["b", "a", "b"], np.array([True, True, False]))
        >>> found.names, found.values
        (('a', 'b'), array([1. , 0.5]))
    """
    names, places = np.unique(_names(groups, counted), return_inverse=True)
    images, hits = np.bincount(places), np.bincount(places, counted)
    intervals = [wilson(round(count), total) for count, total in zip(hits, images.tolist(), strict=True)]
    low, high = (np.array([getattr(each, end) for each in intervals]) for end in ("low", "high"))
    return GroupFigures(tuple(names.tolist()), images, hits / images, low, high)


def group_means(groups: Sequence[str], values: np.ndarray) -> GroupFigures:
    """The mean of each group's values, with Student's intervals; images without a value are passed over.

    Args:
        groups: The group of each image, N.
        values: A number of each, such as the least distortion that fools, (N,); NaN for none. A group
            without any number is left out.

    Example:
        >>> group_means(["a", "a", "b"], np.array([1.0, 3.0, np.nan])).values
        array([2.])
    """
    values = np.asarray(values, float)
    known = np.isfinite(values)
    names, places = np.unique(_names(groups, values)[known], return_inverse=True)
    images = np.bincount(places)
    means = np.bincount(places, values[known]) / images
    squares = np.bincount(places, (values[known] - means[places]) ** 2)
    # One value says nothing of how far others lie from it.
    degrees = np.where(images > 1, images - 1.0, np.nan)
    half = scipy.special.stdtrit(degrees, (1 + LEVEL) / 2) * np.sqrt(squares / degrees / images)
    return GroupFigures(tuple(names.tolist()), images, means, means - half, means + half)


def gaps(shares: GroupFigures, *, draws: int = 2000, seed: int = 0) -> Gaps:
    """How far the accuracies of groups are apart, and how far chance alone would set them apart.

    Args:
        shares: The accuracies, as `group_shares` gives them.
        draws: How often the images are sorted into groups at random.
        seed: Seed of these draws.

    Raises:
        UsageError: If there are fewer than two groups.

    Source:
        The measures are those of fairlearn (Weerts et al. 2023), `MetricFrame.difference` and `ratio` with
        both methods.

    Example:
        >>> found = gaps(group_shares(["a"] * 4 + ["b"] * 4, np.array([1, 1, 1, 1, 1, 1, 0, 0], bool)))
        >>> found.worst, found.difference, found.difference_to_overall, found.ratio
        ('b', 0.5, 0.25, 0.5)
    """
    if len(shares.names) < 2:
        raise UsageError(f"a gap needs at least two groups; there are {len(shares.names)}")
    values, images = shares.values, shares.images
    hits = np.rint(values * images).astype(int)
    overall, worst = hits.sum() / images.sum(), int(np.argmin(values))
    difference = float(np.ptp(values))
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(
        images, int(hits.sum()), draws, method="marginals"
    )
    by_chance = np.ptp(drawn / images, axis=1)
    ratios = _share(values, overall)
    return Gaps(
        worst=shares.names[worst],
        least=wilson(int(hits[worst]), int(images[worst])),
        overall=wilson(int(hits.sum()), int(images.sum())),
        mean=float(values.mean()),
        difference=difference,
        difference_to_overall=float(abs(values - overall).max()),
        ratio=float(_share(values.min(), values.max())),
        ratio_to_overall=float(np.fmin(ratios, _share(overall, values)).min()),
        expected=float(by_chance.mean()),
        # The images as they are sorted count as one draw, so that no p is 0.
        p=float((1 + (by_chance >= difference - 1e-12).sum()) / (1 + draws)),
    )


def _names(groups: Sequence[str], values: np.ndarray) -> np.ndarray:
    """The name of each image's group, (N,) str."""
    if len(groups) != len(values):
        raise UsageError(f"{len(groups)} groups for {len(values)} images; each image needs one")
    return np.array(groups, str)


def _share(part: np.ndarray | float, whole: np.ndarray | float) -> np.ndarray:
    """A quotient; NaN of nothing by nothing, and infinite of something by nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(part, whole, dtype=float)

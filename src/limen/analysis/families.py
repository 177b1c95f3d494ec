"""Whether models that were trained one way have another mean figure than those trained another way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from limen.analysis.intervals import LEVEL, Measured, interval, resamples
from limen.analysis.trends import Variances, fit, weights_of
from limen.errors import UsageError


@dataclass(frozen=True)
class FamilyTest:
    """The mean figure, such as the slope of accuracy, of two families of models: the second less the first.

    Attributes:
        difference: The second family's mean less the first's, with a 95 % interval of the t-test.
        t: The difference in standard errors.
        degrees: Degrees of freedom; Welch's are no whole number.
        p: Two-sided: how often chance alone gives a |t| at least as large.
        one_sided: How often chance alone gives a t at least as large: of the hypothesis that the first
            family's mean is not the lower one.
        effect: The difference in standard deviations: Hedges' g, the root of the mean of both variances below
            the line; of pairs, the difference's mean by its deviation (d_z).
        permutation: p by permutation of the models, which needs no normal law.
        paired: Whether models were compared in pairs.
    """

    difference: Measured
    t: float
    degrees: float
    p: float
    one_sided: float
    effect: float
    permutation: float
    paired: bool


def compare_families(
    first: np.ndarray, second: np.ndarray, *, paired: bool = False, draws: int = 9999, seed: int = 0
) -> FamilyTest:
    """Compare the mean figures of two families of models, by a t-test and by permutation.

    It tests what other seeds of these trainings would give, on these images and groups;
    `slopes_over_groups` asks what other groups would.

    Args:
        first: A figure of each model of one family, (M,).
        second: Of the other, (K,).
        paired: Whether model i of both shares its seed, so that differences are compared; else Welch's test,
            which takes no variances for equal.
        draws: How many permutations; all of them where there are no more.
        seed: Seed of these draws.

    Raises:
        UsageError: If a family has fewer than two models, or pairs are asked of families of unequal size.

    Source:
        Hua et al., Section 4, which compares 50 slopes each; Welch 1947; Hedges 1981.

    Example:
        >>> found = compare_families(np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0, 5.0]))
        >>> found.difference.value, round(found.t, 2), round(found.degrees), round(found.p, 3)
        (2.0, 2.45, 4, 0.07)
    """
    first, second = (np.asarray(each, float) for each in (first, second))
    if min(len(first), len(second)) < 2:
        raise UsageError(
            f"a comparison needs at least two models of each family; there are {len(first)} and {len(second)}"
        )
    if paired and len(first) != len(second):
        raise UsageError(
            f"pairs need families of equal size, not {len(first)} and {len(second)}; compare unpaired ones"
        )
    difference = float(second.mean() - first.mean())
    error, degrees, deviation = (_pairs if paired else _apart)(first, second)
    t, half = _ratio(difference, error), float(scipy.special.stdtrit(degrees, (1 + LEVEL) / 2)) * error
    return FamilyTest(
        difference=Measured(difference, difference - half, difference + half),
        t=t,
        degrees=degrees,
        p=float(2 * scipy.special.stdtr(degrees, -abs(t))),
        one_sided=float(scipy.special.stdtr(degrees, -t)),
        effect=_ratio(difference, deviation),
        permutation=_permuted(first, second, paired, draws, seed),
        paired=paired,
    )


def slopes_over_groups(
    first: np.ndarray,
    second: np.ndarray,
    x: np.ndarray,
    images: np.ndarray,
    *,
    variances: Variances = "root",
    paired: bool = False,
    draws: int = 2000,
    seed: int = 0,
) -> Measured:
    """The second family's mean slope less the first's, with an interval over other groups and other models.

    Groups and models are drawn anew together, with replacement. Many trainings on the same data agree on what
    is peculiar to its groups, so that an interval over models alone is too short for other groups.

    Args:
        first: The accuracy of each model of one family in each group, (M, G).
        second: Of the other, (K, G).
        x: The covariate of each group, or its logarithm, (G,).
        images: How many images each group has, (G,).
        variances: As of `limen.analysis.trend`.
        paired: Whether model i of both shares its seed, so that both are drawn together.
        draws: How many resamples.
        seed: Seed of these draws.

    Source:
        Efron & Tibshirani 1993, An introduction to the bootstrap, Section 13.3.

    Example:
        >>> x = np.arange(10.0)
        >>> first, second = np.full((3, 10), 0.5), np.tile(0.3 + 0.04 * x, (2, 1))
        >>> round(slopes_over_groups(first, second, x, np.full(10, 50)).low, 3)
        0.04
    """
    weights = weights_of(images, variances)

    def drawn(count: int, offset: int) -> np.ndarray:
        return np.concatenate([*resamples(count, draws, seed + offset)])

    def slopes(accuracies: np.ndarray, groups: np.ndarray) -> np.ndarray:
        return fit(x, accuracies, groups * weights)[0]

    # A slope is linear in the heights, so that a mean of slopes is the slope of the mean.
    value = slopes(second.mean(0), np.ones(len(x))) - slopes(first.mean(0), np.ones(len(x)))
    groups, of_first = drawn(len(x), 0), drawn(len(first), 1)
    of_second = of_first if paired else drawn(len(second), 2)
    resampled = slopes(of_second @ second / len(second), groups) - slopes(
        of_first @ first / len(first), groups
    )
    low, high = interval(resampled)
    return Measured(float(value), float(low), float(high))


def _pairs(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Standard error, degrees of freedom, and the deviation that effects are measured by, of pairs."""
    deviation = float((second - first).std(ddof=1))
    return deviation / math.sqrt(len(first)), len(first) - 1.0, deviation


def _apart(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Likewise of two families with variances of their own."""
    variances = np.array([first.var(ddof=1), second.var(ddof=1)])
    sizes = np.array([len(first), len(second)])
    parts, both = variances / sizes, float(sizes.sum()) - 2
    below = float((parts**2 / (sizes - 1)).sum())
    degrees = float(parts.sum()) ** 2 / below if below else both
    # Hedges' factor, for the bias of Cohen's d in few models.
    small = 1 - 3 / (4 * both - 1)
    return math.sqrt(parts.sum()), degrees, math.sqrt(variances.mean()) / small


def _permuted(first: np.ndarray, second: np.ndarray, paired: bool, draws: int, seed: int) -> float:
    """P of |t| among those of permuted models: signs of pairs, or labels of families."""

    def statistic(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        difference = other.mean(axis) - one.mean(axis)
        if paired:
            return abs(difference)  # every permutation has the same sum of squares
        error = sum(each.var(axis, ddof=1) / each.shape[axis] for each in (one, other))
        return difference**2 / np.maximum(error, np.finfo(float).tiny)

    done = scipy.stats.permutation_test(
        (first, second),
        statistic,
        permutation_type="samples" if paired else "independent",
        vectorized=True,
        n_resamples=draws,
        batch=1000,
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    return float(done.pvalue)


def _ratio(part: float, whole: float) -> float:
    """A quotient; of a difference by no deviation infinite, and 0 of none."""
    if whole:
        return part / whole
    return math.copysign(math.inf, part) if part else 0.0

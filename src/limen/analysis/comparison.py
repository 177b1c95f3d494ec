"""The figures that attacks are compared by: success, its distortion, and image by image who took less."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from limen.analysis.intervals import (
    Measured,
    curve_generator,
    interval,
    medians,
    resampled_means,
    resamples,
    share,
    wilson,
)
from limen.analysis.outcomes import Outcomes
from limen.runs import Calibration, MetricColumn


@dataclass(frozen=True)
class Figures:
    """What one attack reached by one distance, over the images classified correctly before.

    Attributes:
        name: The attack, without its budget where it ran under several.
        labels: The label under each budget.
        metric: What measures distortion.
        images: How many images were classified correctly, N.
        unfinished: How many further images some budgets, but not all, are done with; they are left out.
        unmeasured: How many images were fooled without a finite distance; they count as successes, but have
            no part in mean and median.
        success: The share of the N images that are fooled.
        mean: The mean distance over those fooled.
        median: Likewise the median.
    """

    name: str
    labels: tuple[str, ...]
    metric: MetricColumn
    images: int
    unfinished: int
    unmeasured: int
    success: Measured
    mean: Measured
    median: Measured


@dataclass(frozen=True)
class Comparison:
    """Two attacks, image by image, on the images that both fool.

    Attributes:
        name: One attack.
        against: The other.
        metric: What measures distortion.
        images: How many images both fool, with a distance under each.
        unmeasured: How many further images both fool, without one.
        lower: On how many of them the first attack has less distortion.
        ties: On how many both have the same.
        share: `lower` as a share of `images`, with its Wilson interval.
        median: The first attack's median distance over these images, NaN without any.
        median_against: The other's.

    Source:
        Zhang, Avrithis, Furon & Amsaleg, Smooth adversarial examples, Section 5.3 and Figure 4.
    """

    name: str
    against: str
    metric: MetricColumn
    images: int
    unmeasured: int
    lower: int
    ties: int
    share: Measured
    median: float
    median_against: float


def figures(outcomes: Outcomes, metric: str = "l2", *, draws: int = 1000, seed: int = 0) -> Figures:
    """Success probability and conditional distortion of one attack, with percentile intervals.

    Args:
        outcomes: What the attack did to each image.
        metric: One of the run's metrics.
        draws: How often the images, fooled or not, are drawn anew with replacement for the intervals of
            mean and median; 0 for none. That of the success probability needs no draws.
        seed: Seed of these draws.

    The intervals of a share that was read off a curve, `MetricColumn.calibration`, hold what the curve
    leaves uncertain, too.

    Raises:
        UsageError: If there is no such metric.

    Source:
        Zhang, Avrithis, Furon & Amsaleg, Smooth adversarial examples, Section 5.1, equation 20.
    """
    values, calibration = outcomes.measured(metric), outcomes.metric(metric).calibration
    images, generator = len(values), curve_generator(seed)
    centre = _centres(np.ones((1, images)), values, None, generator)
    drawn = [_centres(block, values, calibration, generator) for block in resamples(images, draws, seed)]
    ends = interval(np.concatenate([centre[:0], *drawn]))
    mean, median = (Measured(*map(float, three)) for three in zip(centre[0], *ends, strict=True))
    return Figures(
        name=outcomes.name,
        labels=outcomes.labels,
        metric=outcomes.metric(metric),
        images=images,
        unfinished=outcomes.unfinished,
        unmeasured=int(outcomes.fooled.sum()) - int(np.count_nonzero(~np.isnan(values))),
        success=share(outcomes.success[outcomes.correct]),
        mean=mean,
        median=median,
    )


def pairs(outcomes: Outcomes, against: Outcomes, metric: str = "l2") -> tuple[tuple[str, ...], np.ndarray]:
    """The distances of two attacks on each image that both fool, as a scatter of the two shows them.

    Args:
        outcomes: What one attack did to each image.
        against: What the other did.
        metric: One of the run's metrics.

    Returns:
        The n images' ids, and the distances (2, n); NaN where there is none.

    Raises:
        UsageError: If there is no such metric.

    Source:
        Zhang, Avrithis, Furon & Amsaleg, Smooth adversarial examples, Figure 4.
    """
    ids, ours, theirs = np.intersect1d(outcomes.ids, against.ids, assume_unique=True, return_indices=True)
    both = outcomes.fooled[ours] & against.fooled[theirs]
    key = outcomes.metric(metric).key
    found = np.stack([outcomes.values[key][ours][both], against.values[key][theirs][both]])
    return tuple(ids[both].tolist()), found


def compare(outcomes: Outcomes, against: Outcomes, metric: str = "l2") -> Comparison:
    """Which of two attacks takes less distortion, image by image, where both fool the model.

    Each image is compared with itself, so that how hard images differ in being fooled plays no part.

    Args:
        outcomes: What one attack did to each image.
        against: What the other did.
        metric: One of the run's metrics.

    Raises:
        UsageError: If there is no such metric.
    """
    _, distances = pairs(outcomes, against, metric)
    known, column = ~np.isnan(distances).any(0), outcomes.metric(metric)
    mine, other = column.distortion(distances[:, known])
    lower, ties = int((mine < other).sum()), int((mine == other).sum())
    median, median_against = np.median(distances[:, known], axis=1).tolist() if mine.size else (math.nan,) * 2
    return Comparison(
        name=outcomes.name,
        against=against.name,
        metric=column,
        images=mine.size,
        unmeasured=int((~known).sum()),
        lower=lower,
        ties=ties,
        share=wilson(lower, mine.size),
        median=median,
        median_against=median_against,
    )


def _centres(
    weights: np.ndarray, values: np.ndarray, calibration: Calibration | None, generator: np.random.Generator
) -> np.ndarray:
    """Mean and median (R, 2) of the values (N,) that are not NaN, in each resample (R, N)."""
    mean = resampled_means(weights, values[None], calibration, generator)[:, 0]
    middle = medians(weights, values)
    if calibration is not None:
        # A curve that rises keeps the order of the images, and with it which is the median one.
        curves = calibration.curves(len(weights), generator)
        middle = calibration.redrawn(middle[:, None], curves)[:, 0]
    return np.stack([mean, middle], axis=1)

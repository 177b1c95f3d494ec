"""The operating characteristic: success against distortion, for attacks with budgets and without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limen.analysis.intervals import share_interval
from limen.analysis.outcomes import Outcomes
from limen.errors import UsageError
from limen.runs import MetricColumn


@dataclass(frozen=True, eq=False)
class Characteristic:
    """The share P(D) of N images that an attack fools with distortion of at most D, as a step function.

    Between two of its K points it has the value of the one with less distortion, before the first it is 0.

    Attributes:
        metric: What measures distortion.
        images: Of how many images the shares are, N.
        unmeasured: How many were fooled but have no such value, and so are not in any share.
        distances: Where the function rises, by growing distortion, so falling values of a metric of which
            higher is better, (K,). May begin or end with an infinite value, as the PSNR of an image that was
            fooled unchanged.
        shares: The function there, rising, in [0, 1], (K,).

    Source:
        Zhang, Avrithis, Furon & Amsaleg, Smooth adversarial examples, Section 5.1.
    """

    metric: MetricColumn
    images: int
    unmeasured: int
    distances: np.ndarray
    shares: np.ndarray

    def at(self, distances: np.ndarray) -> np.ndarray:
        """The function at any distances, so that attacks share an axis.

        Args:
            distances: Values of the distance, any shape.

        Returns:
            Shares of that shape; NaN without images.
        """
        here, asked = self.metric.distortion(self.distances), self.metric.distortion(distances)
        before = 0.0 if self.images else np.nan
        return np.concatenate([[before], self.shares])[np.searchsorted(here, asked, side="right")]

    def band(self, shares: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The ends of the 95 % interval over the images, at each distance by itself.

        Args:
            shares: Values of the function, any shape, such as those of `at`; `shares` if not given.

        Returns:
            Lower and upper ends, of that shape; NaN without images.
        """
        return share_interval(self.shares if shares is None else shares, self.images)


def characteristic(outcomes: Outcomes, metric: str = "l2", *, of_correct: bool = True) -> Characteristic:
    """Success against distortion of one attack.

    Args:
        outcomes: What the attack did to each image.
        metric: One of the run's metrics.
        of_correct: Count only images that were classified correctly before the attack, else all.

    Raises:
        UsageError: If there is no such metric.
    """
    column = outcomes.metric(metric)
    counted = outcomes.correct if of_correct else np.ones(len(outcomes.ids), bool)
    values = column.distortion(outcomes.values[column.key])
    reached, images = counted & outcomes.success, int(counted.sum())
    placed = reached & ~np.isnan(values)
    x, shares = operating_characteristic(values, placed, images)
    unmeasured = int(reached.sum() - placed.sum())
    return Characteristic(column, images, unmeasured, column.distortion(x), shares)


def operating_characteristic(
    distances: np.ndarray, success_mask: np.ndarray, total: int
) -> tuple[np.ndarray, np.ndarray]:
    """The share of images that are fooled with at most a given distortion, as a step function.

    Args:
        distances: Distortion of each image, shape (N,), larger means more visible (negate PSNR and
            SSIM). Values of failures are ignored and may be NaN.
        success_mask: Which of them are successes, shape (N,).
        total: The number of images that the share is of.

    Returns:
        The distortions x in strictly rising order, and the share y of images fooled with distortion
        of at most x, both of one shape.

    Raises:
        UsageError: If the shapes differ, a success has no distance, or there are more successes than `total`.

    Example:
        >>> x, y = operating_characteristic(np.array([2.0, 1.0, np.nan]), np.array([True, True, False]), 4)
        >>> x.tolist(), y.tolist()
        ([1.0, 2.0], [0.25, 0.5])
    """
    distances, success_mask = np.asarray(distances, float), np.asarray(success_mask, bool)
    if distances.ndim != 1 or distances.shape != success_mask.shape:
        raise UsageError(
            f"distances {distances.shape} and successes {success_mask.shape} need one shape (N,)"
        )
    reached = distances[success_mask]
    if np.isnan(reached).any():
        raise UsageError("a success has no distance")
    if total < len(reached):
        raise UsageError(f"{len(reached)} successes among only {total} images")
    x, counts = np.unique(reached, return_counts=True)
    return x, np.cumsum(counts) / max(total, 1)

"""Whether perturbations fall where the classifier looks: each image's numbers, and their means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limen.runs.bootstrap import interval, resamples

MEASURES = ("precision", "pixels", "recall", "iou", "iou_outside")
"""The measures of an overlap, in the order of the tables."""

TABLE_THRESHOLD = 0.11
"""The threshold on 1 − SSIM that tables are made at (Table I of Pochimireddy et al.)."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A mean over images at each threshold, with its 95 % interval; NaN where no image has a value.

    Attributes:
        mean: Means, (T,).
        low: Lower ends of the percentile-bootstrap intervals, (T,).
        high: Upper ends, (T,).
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Overlap:
    """How one attack's perturbations lie to the regions of attention, image by image.

    N is where 1 − SSIM exceeds a threshold, G where the class activation map of the original does
    (Pochimireddy et al., Section V). All values lie in [0, 1]; one that would divide by zero is NaN.

    Attributes:
        label: The attack's label.
        ids: The images, those classified correctly before the attack and fooled by it, (n,).
        thresholds: Thresholds on 1 − SSIM, rising, (T,).
        precision: The share of N that lies in G, (n, T); NaN where N is empty.
        pixels: The share of the image that is N, (n, T).
        recall: The share of G that is also N, (n, T); NaN where G is empty.
        iou: Intersection over union of N and G, (n, T); NaN where both are empty.
        iou_outside: Intersection over union of N and what is not G, (n, T).
    """

    label: str
    ids: tuple[str, ...]
    thresholds: np.ndarray
    precision: np.ndarray
    pixels: np.ndarray
    recall: np.ndarray
    iou: np.ndarray
    iou_outside: np.ndarray

    @property
    def empty(self) -> np.ndarray:
        """How many images are not perturbed above each threshold, and so are left out of precision, (T,)."""
        return np.isnan(self.precision).sum(0)

    def means(self, *, draws: int = 2000, seed: int = 0) -> dict[str, Estimate]:
        """Each measure's mean over the images that have it, by its name in `MEASURES`.

        Args:
            draws: How often the images are drawn anew, with replacement, for the intervals.
            seed: Seed of these draws.

        Example:
            >>> values = np.array([[0.2], [0.4]])
            >>> one = Overlap("fgsm", ("a", "b"), np.array([0.1]), *[values] * 5)
            >>> one.means()["precision"].mean.round(3).tolist()
            [0.3]
        """
        values = np.stack([getattr(self, name) for name in MEASURES], axis=1)
        valid = ~np.isnan(values)
        drawn = np.concatenate([np.ones((1, len(self.ids))), *resamples(len(self.ids), draws, seed)])
        sums = np.tensordot(drawn, np.where(valid, values, 0.0), 1)
        counts = np.tensordot(drawn, valid.astype(float), 1)
        means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
        low, high = interval(means[1:])
        return {name: Estimate(means[0, i], low[i], high[i]) for i, name in enumerate(MEASURES)}

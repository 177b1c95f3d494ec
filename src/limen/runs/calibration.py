"""A metric whose value is a share of people, read off a curve that was fitted to their answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limen.errors import UsageError


@dataclass(frozen=True)
class Calibration:
    """The curve 1 / (1 + exp(−(intercept + slope·x))), and how sure its two numbers are.

    A mean over images is uncertain by the images and by the curve. The second part does not shrink with
    their number, as all images are read off one curve.

    Attributes:
        intercept: The logit of the share at x = 0.
        slope: By how much the logit grows with x, above 0.
        covariance: The variance of the intercept, its covariance with the slope, and the slope's variance.

    Raises:
        UsageError: If the slope is not above 0, or no two numbers have such a covariance.

    Example:
        >>> calibration = Calibration(0.0, 1.0, (0.04, 0.0, 0.0))
        >>> curves = calibration.curves(1000, np.random.default_rng(0))
        >>> calibration.redrawn(np.array([0.5]), curves).std(0).round(2)
        array([0.05])
    """

    intercept: float
    slope: float
    covariance: tuple[float, float, float]

    def __post_init__(self) -> None:
        first, both, second = self.covariance
        if not (self.slope > 0 and first >= 0 and second >= 0 and both**2 <= first * second):
            raise UsageError("a calibration needs a slope above 0 and the covariance of two numbers")

    def values(self, x: np.ndarray) -> np.ndarray:
        """The shares at x, of any shape."""
        return _logistic(self.intercept + self.slope * x)

    def curves(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Intercepts and slopes (R, 2) of so many curves, drawn around this one."""
        first, both, second = self.covariance
        centre, spread = (self.intercept, self.slope), [[first, both], [both, second]]
        return generator.multivariate_normal(centre, spread, count)

    def redrawn(self, values: np.ndarray, curves: np.ndarray) -> np.ndarray:
        """What other curves say where this one gives these values.

        Args:
            values: Shares (N,), NaN where there is none; or of each curve its own, (R, N).
            curves: What `curves` drew, (R, 2).

        Returns:
            Shares (R, N).
        """
        with np.errstate(divide="ignore"):
            x = (np.log(values) - np.log1p(-values) - self.intercept) / self.slope
        return _logistic(curves[:, :1] + curves[:, 1:] * x)


def _logistic(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logits))

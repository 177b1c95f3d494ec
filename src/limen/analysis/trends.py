"""Whether a figure of groups follows a number that is known of each group: generalised least squares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import scipy

from limen.analysis.groups import GroupFigures
from limen.analysis.intervals import LEVEL, Measured, wilson
from limen.errors import UnknownNameError, UsageError

Variances = Literal["root", "binomial"]
"""How the variance of a group's figure falls with its n images: as 1/√n, or as 1/n."""

_LEAST = 3  # groups, so that a line leaves something to vary about it
_EXACT = 1e-12


@dataclass(frozen=True)
class Trend:
    """A line through the figures of groups, and whether its slope is none.

    Attributes:
        slope: The change of the figure as the covariate, or its logarithm, rises by one, with a 95 %
            interval.
        intercept: The figure where the covariate, or its logarithm, is 0.
        error: The standard error of the slope.
        f: (slope / error)², which without a trend follows F(1, degrees).
        degrees: How many groups there are, less two.
        p: How often chance alone gives an F at least as large.
        log: Whether the line is over the covariate's natural logarithm.
    """

    slope: Measured
    intercept: float
    error: float
    f: float
    degrees: int
    p: float
    log: bool

    @property
    def t(self) -> float:
        """The slope in standard errors, with the sign of the slope."""
        return float(np.copysign(np.sqrt(self.f), self.slope.value))

    def at(self, covariate: np.ndarray) -> np.ndarray:
        """The height of the line at values of the covariate, any shape."""
        return self.intercept + self.slope.value * (np.log(covariate) if self.log else covariate)


def trend(
    figures: GroupFigures,
    covariate: Mapping[str, float],
    *,
    log: bool = True,
    variances: Variances = "root",
) -> Trend:
    """Whether a figure of groups follows a covariate: generalised least squares with an intercept, F-test.

    Neither the scale of the variances nor the base of the logarithm changes F.

    Args:
        figures: The groups; all of them need a value of the covariate.
        covariate: Its value for each group, such as GDP per capita.
        log: Whether the line is over its natural logarithm.
        variances: `root` is the paper's Σ_ii = 1/√n_i; `binomial` is 1/n_i, as that of shares of
            independent images.

    Raises:
        UsageError: If there are fewer than 3 groups, one has no covariate, or the covariate is equal for
            all of them, or not positive under a logarithm.

    Source:
        Hua et al., Human imperceptible attacks and applications to improve fairness, Section 4. The paper
        writes no intercept; its 39 degrees of freedom of 41 groups have one.

    Example:
        >>> from limen.analysis import group_shares
        >>> shares = group_shares(list("aabbcc"), np.array([0, 0, 1, 0, 1, 1], bool))
        >>> found = trend(shares, {"a": 1.0, "b": 10.0, "c": 1000.0})
        >>> round(found.slope.value, 3), round(found.f, 2), found.degrees, round(found.p, 2)
        (0.14, 27.0, 1, 0.12)
    """
    x, y, weights = axis_of(figures, covariate, log), figures.values, weights_of(figures.images, variances)
    slope, intercept, square = fit(x, y, weights)
    error, degrees = float(np.sqrt(square)), len(x) - 2
    f = f_of(slope, square)
    half = float(scipy.special.stdtrit(degrees, (1 + LEVEL) / 2)) * error
    ends = Measured(float(slope), float(slope) - half, float(slope) + half)
    return Trend(
        ends, float(intercept), error, float(f), degrees, float(scipy.special.fdtrc(1, degrees, f)), log
    )


def rejections(
    images: np.ndarray,
    x: np.ndarray,
    shares: np.ndarray,
    *,
    spread: float = 0.0,
    variances: Variances = "root",
    level: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> Measured:
    """How often the F-test finds a trend in groups of which the true shares are known, by simulation.

    Where the shares follow no trend, this is the size of the test; else its power.

    Args:
        images: How many images each group has, (G,).
        x: The covariate, or its logarithm, (G,).
        shares: The true share of each group, (G,).
        spread: The standard deviation of what else sets groups apart, drawn anew each time.
        variances: As of `trend`.
        level: Below which p a trend counts as found.
        draws: How often all images are drawn.
        seed: Seed of these draws.

    Returns:
        The share of the draws in which a trend is found, with Wilson's interval.

    Example:
        >>> x = np.linspace(6, 11, 40)
        >>> rejections(np.full(40, 100), x, 0.6 + 0.03 * (x - x.mean())).value > 0.95
        True
    """
    generator = np.random.default_rng(seed)
    true = np.clip(shares + spread * generator.standard_normal((draws, len(x))), 0, 1)
    drawn = generator.binomial(images, true) / images
    slope, _, square = fit(x, drawn, weights_of(images, variances))
    return wilson(int((scipy.special.fdtrc(1, len(x) - 2, f_of(slope, square)) < level).sum()), draws)


def axis_of(figures: GroupFigures, covariate: Mapping[str, float], log: bool) -> np.ndarray:
    """The covariate of each group, or its logarithm, (G,), if a line can be fitted over it.

    Raises:
        UsageError: As `trend`.
    """
    missing = [name for name in figures.names if name not in covariate]
    if missing:
        raise UsageError(f"group {missing[0]!r} has no value of the covariate; leave it out, or add one")
    if len(figures.names) < _LEAST:
        raise UsageError(
            f"a trend over groups needs at least {_LEAST} of them with images and a covariate; there are "
            f"{len(figures.names)}"
        )
    x = np.array([covariate[name] for name in figures.names], float)
    if log and (x <= 0).any():
        name = figures.names[int(np.argmin(x))]
        raise UsageError(
            f"the covariate of group {name!r} is {x.min():g}, which has no logarithm; use log=false"
        )
    if np.ptp(x) == 0:
        raise UsageError(f"the covariate is {x[0]:g} for every group; a trend needs one that differs")
    return np.log(x) if log else x


def weights_of(images: np.ndarray, variances: Variances) -> np.ndarray:
    """The inverse of each group's variance, up to a common factor, (G,).

    Raises:
        UsageError: If there is no such choice.
    """
    if variances not in get_args(Variances):
        raise UnknownNameError("choice of variances", variances, get_args(Variances))
    return np.sqrt(images) if variances == "root" else np.asarray(images, float)


def fit(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines of least weighted squares through rows of points.

    Args:
        x: Places, (G,).
        y: Heights, (…, G).
        weights: The inverse variances, (…, G), up to a factor.

    Returns:
        Slopes, intercepts, and the squared standard errors of the slopes, (…); NaN where all x are one.
    """
    total = weights.sum(-1, keepdims=True)
    # About their means, so that no digits are lost where x is far from 0.
    mean_x, mean_y = ((weights * each).sum(-1, keepdims=True) / total for each in (x, y))
    across, up = x - mean_x, y - mean_y
    square = (weights * across**2).sum(-1)
    square = np.where(square > _EXACT * (weights * x**2).sum(-1), square, np.nan)
    slope = (weights * across * up).sum(-1) / square
    rest = (weights * (up - slope[..., None] * across) ** 2).sum(-1)
    # What rounding leaves of a perfect fit is no residual.
    rest = np.where(rest > _EXACT**2 * (weights * y**2).sum(-1), rest, 0.0)
    return slope, mean_y[..., 0] - slope * mean_x[..., 0], rest / (x.shape[-1] - 2) / square


def f_of(slope: np.ndarray, square: np.ndarray) -> np.ndarray:
    """slope² / square; of a perfect fit infinite, but 0 where all heights are equal."""
    flat = abs(slope) < _EXACT
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((square == 0) & flat, 0.0, slope**2 / square)

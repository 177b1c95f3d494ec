"""How near each attack comes to the best of all on every image, by any distance: envelope and optimality."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from limen.analysis.characteristic import operating_characteristic
from limen.analysis.intervals import Measured, curve_generator, interval, resamples
from limen.errors import UsageError
from limen.runs import Calibration, MetricColumn

_NEXT: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "l0": lambda ends, step: ends + 1,
    "l1": lambda ends, step: ends + step,
    "l2": lambda ends, step: np.hypot(ends, step),
    "linf": lambda ends, step: ends + step,
}
"""The next value, after some, that a distance between images of a lattice with this step can have."""

_SAME = 1e-6
"""The share by which distances may differ and be the same, as sums in another order do."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """How near A attacks come to their envelope on N images, by one distance.

    The envelope has on each image the least distance of any attack. The optimality of an attack is the area
    between its curve of robust accuracy and that of no attack, as a share of the envelope's, on an axis that
    ends where the envelope has fooled every image that any attack fools.

    Attributes:
        metric: What measures distance.
        names: The attacks.
        distances: The distance at which each fools each image, (A, N); infinite where it does not.
        least: The envelope, (N,).
        end: Where the axis ends; NaN where no image is fooled.
        optimality: Of each attack with its interval, in [0, 1]; NaN where all images have one least distance,
            so that there is no area.
        drawn: The optimality in each of R resamples of the images, (R, A).

    Source:
        Cinà, Rony, Pintor et al. 2025, AttackBench: evaluating gradient-based attacks for adversarial
        examples, local optimality.
    """

    metric: MetricColumn
    names: tuple[str, ...]
    distances: np.ndarray
    least: np.ndarray
    end: float
    optimality: tuple[Measured, ...]
    drawn: np.ndarray = field(repr=False)

    @property
    def images(self) -> int:
        """How many images count, N."""
        return len(self.least)

    @property
    def fooled(self) -> int:
        """How many of them any attack fools."""
        return int(np.isfinite(self.least).sum())

    @property
    def is_told(self) -> bool:
        """Whether there is an area to share, so that attacks can be ranked at all."""
        return any(math.isfinite(each.value) for each in self.optimality)

    @property
    def order(self) -> tuple[int, ...]:
        """The attacks' places from the best to the worst; those without an optimality stand last."""
        values = np.array([each.value for each in self.optimality])
        return tuple(np.argsort(-np.nan_to_num(values, nan=-1.0), kind="stable").tolist())

    def nearest(self, place: int) -> int:
        """On how many images the attack at a place has the least distance, alone or with others."""
        here = self.distances[place]
        return int((np.isfinite(here) & (here <= self.least * (1 + _SAME))).sum())

    def median(self, place: int) -> float:
        """The median distance of the attack at a place, over the images that any attack fools."""
        here = self.distances[place][np.isfinite(self.least)]
        return float(np.quantile(here, 0.5, method="higher")) if len(here) else math.nan

    def tied(self) -> tuple[int, ...]:
        """The places of the attacks that cannot be told from the best, and of the best, from best to worst.

        One cannot where the 95 % interval of the difference, over the same resamples of the images, holds 0.
        """
        best, *others = self.order
        value = np.array([each.value for each in self.optimality])
        gaps = interval(self.drawn[:, [best]] - self.drawn)[0] if len(self.drawn) else value[best] - value
        return (best, *(each for each in others if gaps[each] <= _SAME))

    def robust(self, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Robust accuracy as a step function of distance: where it falls, (K,), and its height from there on.

        Args:
            distances: A row of `distances`, or `least`, (N,).
        """
        x, fooled = operating_characteristic(distances, np.isfinite(distances), self.images)
        return np.concatenate([[0.0], x]), 1 - np.concatenate([[0.0], fooled])


def distance_of(metric: MetricColumn, values: np.ndarray) -> np.ndarray:
    """A metric's values as distances, which grow as an image moves away from its original.

    Example:
        >>> ssim = MetricColumn("ssim", "SSIM", higher_is_better=True, complement=True)
        >>> distance_of(ssim, np.array([0.75]))
        array([0.25])
    """
    return 1 - values if metric.complement else metric.distortion(values)


def has_zero(metric: MetricColumn) -> bool:
    """Whether the distance of an unchanged image is finite, so that an axis begins there; not of PSNR."""
    return metric.complement or not metric.higher_is_better


def ranking(
    distances: Mapping[str, np.ndarray],
    metric: MetricColumn,
    *,
    lattice: int | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Ranking:
    """Rank attacks by how near each comes to the best of all of them on every image.

    With d an attack's distance on an image, e the envelope's and M the end of the axis, the optimality is
    Σ max(M − d, 0) / Σ max(M − e, 0) over the images. AttackBench has 1 − (A − A*) / (c·M − A*), where A and
    A* are the areas under the curves of robust accuracy up to M, and c is the accuracy without attack: the
    same, as the area under a step function is the mean of min(d, M). M is the envelope's greatest distance.

    Args:
        distances: By attack, the distance (N,) at which it fools each image that the model had right;
            infinite or NaN where it does not.
        metric: What measures distance.
        lattice: Steps between 0 and 1 of the images' values; None for floats. On a lattice distances tie,
            and images at the end of the axis would count for nothing, which in L∞ may be all of them. So
            there the axis of a norm ends at the next value that it can have.
        draws: How often the images are drawn anew, with replacement, for the intervals; 0 for none.
        seed: Seed of these draws.

    Raises:
        UsageError: If there is no attack, or the attacks are not on equally many images.

    Example:
        >>> l2 = MetricColumn("l2", "L₂")
        >>> made = {"near": np.array([1.0, 2.0, 4.0]), "far": np.array([2.0, np.inf, 4.0])}
        >>> [round(each.value, 3) for each in ranking(made, l2).optimality]
        [1.0, 0.4]
    """
    if not distances:
        raise UsageError("there is no attack to rank")
    if len({len(each) for each in distances.values()}) > 1:
        raise UsageError("the attacks to rank need distances on the same images")
    found = np.stack([np.where(np.isfinite(each), each, np.inf) for each in distances.values()])
    least = found.min(0)

    def ends(best: np.ndarray, held: np.ndarray) -> np.ndarray:
        """The end of the axis (R,) of resamples that hold these images (R, N)."""
        last = np.where(held & np.isfinite(best), best, -np.inf).max(1, initial=-np.inf)
        last = np.where(np.isfinite(last), last, np.nan)
        beyond = _NEXT.get(metric.key)
        return last if lattice is None or beyond is None else beyond(last, 1 / lattice)

    everything = np.ones((1, len(least)))
    end = ends(least, everything > 0)
    (values,) = _shares(everything, found, least, end)
    generator, drawn = curve_generator(seed), [np.empty((0, len(found)))]
    for weights in resamples(len(least), draws, seed):
        if metric.calibration is None:
            drawn.append(_shares(weights, found, least, ends(least, weights > 0)))
        else:
            drawn.append(_redrawn(weights, found, least, ends, metric.calibration, generator))
    resampled = np.concatenate(drawn)
    low, high = interval(resampled) if len(resampled) else (np.full(len(found), math.nan),) * 2
    optimality = tuple(Measured(*map(float, each)) for each in zip(values, low, high, strict=True))
    return Ranking(metric, tuple(distances), found, least, float(end[0]), optimality, resampled)


def _shares(weights: np.ndarray, distances: np.ndarray, least: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The optimality (R, A) of distances (A, N) in resamples (R, N) whose axes end at these places (R,)."""
    shares = np.full((len(weights), len(distances)), np.nan)
    # Few images decide where an axis ends, so most resamples share one.
    for end in np.unique(ends[np.isfinite(ends)]):
        rows = ends == end
        gained, most = weights[rows] @ _before(end, distances).T, weights[rows] @ _before(end, least)
        shares[rows] = _share(gained, most[:, None])
    return shares


def _redrawn(
    weights: np.ndarray,
    distances: np.ndarray,
    least: np.ndarray,
    ends: Callable[[np.ndarray, np.ndarray], np.ndarray],
    calibration: Calibration,
    generator: np.random.Generator,
) -> np.ndarray:
    """What `_shares` gives, each resample under a curve of its own that its distances are read off."""
    curves = calibration.curves(len(weights), generator)

    def under(row: np.ndarray) -> np.ndarray:
        values = calibration.redrawn(np.where(np.isfinite(row), row, np.nan), curves)
        return np.where(np.isnan(values), np.inf, values)

    # A curve that rises keeps the order of the attacks on an image, and with it which is the least.
    best = under(least)
    last = ends(best, weights > 0)[:, None]
    most = (weights * _before(last, best)).sum(1)
    gained = [(weights * _before(last, under(row))).sum(1) for row in distances]
    return _share(np.stack(gained, 1), most[:, None])


def _before(end: np.ndarray | float, distances: np.ndarray) -> np.ndarray:
    """By how much distances lie before the end of the axis, where they do by more than rounding."""
    gained = np.asarray(end) - distances
    return np.where(gained > _SAME * np.abs(end), gained, 0.0)


def _share(gained: np.ndarray, most: np.ndarray) -> np.ndarray:
    shares = np.divide(gained, most, out=np.full(gained.shape, np.nan), where=most > 0)
    return np.minimum(shares, 1.0)  # sums differ in their last bits

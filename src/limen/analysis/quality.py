"""Fooling rate against average quality, over a grid of budgets, from the records of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from limen.analysis.intervals import curve_generator, interval, means, resampled_means, resamples
from limen.analysis.outcomes import align
from limen.errors import UnknownNameError, UsageError
from limen.runs import MetricColumn, metrics_of


@dataclass(frozen=True)
class QualityCurve:
    """What one attack reaches at each of B budgets, over the same N images.

    Only images that the model classified correctly count. For these, to be fooled is to have another
    prediction than before the attack, as in the paper's fooling rate. Quality is averaged over the
    images fooled, since the others are returned unperturbed. The paper averages over all images, as its
    fixed-budget attacks perturb those that they do not fool, too; the two agree where the rate is near 1.

    Attributes:
        labels: The attack's spec at each budget, in the order of the curve.
        metric: What says how near an image is to its original.
        images: How many images count, N.
        rate: The share (B,) of them that is fooled.
        quality: The mean (B,) of the metric over those fooled; NaN where none is.
        rates: The rate in each of R resamples of the images, (R, B).
        qualities: The quality in the same resamples, (R, B).

    Source:
        Pochimireddy, Siripuram & Channappayya, Can perceptual guidance lead to semantically explainable
        adversarial perturbations?, Section V-A and Figure 6.
    """

    labels: tuple[str, ...]
    metric: MetricColumn
    images: int
    rate: np.ndarray
    quality: np.ndarray
    rates: np.ndarray = field(repr=False)
    qualities: np.ndarray = field(repr=False)

    def rate_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """The ends (B,) of the percentile interval of the rate."""
        return interval(self.rates)

    def quality_interval(self) -> tuple[np.ndarray, np.ndarray]:
        """The ends (B,) of the percentile interval of the quality, over resamples that have one."""
        return interval(self.qualities)


@dataclass(frozen=True)
class RateAt:
    """The fooling rate at an average quality, or why there is none.

    Attributes:
        quality: The average quality asked for.
        rate: The rate there, between two budgets; NaN where no two budgets enclose the quality.
        low: The lower end of its interval, over the resamples that have a rate there; NaN with `rate`.
        high: The upper end.
        side: Where the quality lies: "within" what was measured; "better" than at any budget, so that
            weaker ones are needed; or "worse" than at any budget, so that stronger ones would fool more.
        at_least: The highest rate at any budget whose quality is this or better; where `side` is
            "worse", a lower bound of the rate. NaN if there is no such budget.
    """

    quality: float
    rate: float
    low: float
    high: float
    side: Literal["within", "better", "worse"]
    at_least: float


def quality_curve(
    records: pa.Table, labels: Sequence[str], metric: str = "ssim", *, draws: int = 1000, seed: int = 0
) -> QualityCurve:
    """The fooling rate and average quality of an attack at each of its budgets.

    Args:
        records: The records of a run, `run.table()`.
        labels: The attack's spec at each budget, from weak to strong.
        metric: One of the run's metrics.
        draws: How often the images are drawn anew, with replacement, for the intervals.
        seed: The seed of these draws.

    Raises:
        UsageError: If the metric is unknown, no label is given, or a label has no records.

    Example:
        >>> rows = [("a", "1", 0, 0, False, None), ("a", "2", 0, 0, True, 0.9)]
        >>> names = ("attack", "id", "label", "clean_prediction", "success", "ssim")
        >>> from limen.runs import record_schema
        >>> schema = record_schema([MetricColumn("ssim", "SSIM", higher_is_better=True)])
        >>> schema = pa.schema([schema.field(name) for name in names])
        >>> records = pa.Table.from_pylist([dict(zip(names, row)) for row in rows], schema)
        >>> curve = quality_curve(records, ["a"], "ssim")
        >>> curve.rate, curve.quality
        (array([0.5]), array([0.9]))
    """
    columns = metrics_of(records)
    if metric not in columns:
        raise UnknownNameError("metric", metric, columns)
    if not labels:
        raise UsageError("a curve needs the label of at least one attack")
    recorded = set(records["attack"].unique().to_pylist())
    for label in labels:
        if label not in recorded:
            raise UsageError(f"there are no records of the attack {label!r}")
    _, found, _ = align(records, labels, ("clean_prediction", "label", "success", metric))
    correct = (found["clean_prediction"] == found["label"]).all(0)
    fooled, values = found["success"].astype(bool)[:, correct], found[metric].astype(float)[:, correct]
    # An image that is fooled unchanged, which only a model of unsteady arithmetic allows, has no distance.
    values = np.where(fooled & np.isfinite(values), values, np.nan)
    images, nothing, generator = fooled.shape[1], np.empty((0, len(labels))), curve_generator(seed)
    ((rate,), (quality,)) = (means(np.ones((1, images)), each) for each in (fooled, values))
    rates, qualities = [nothing], [nothing]
    for block in resamples(images, draws, seed):
        rates.append(means(block, fooled))
        qualities.append(resampled_means(block, values, columns[metric].calibration, generator))
    drawn = np.concatenate(rates), np.concatenate(qualities)
    return QualityCurve(tuple(labels), columns[metric], images, rate, quality, *drawn)


def rate_at(curve: QualityCurve, quality: float) -> RateAt:
    """The fooling rate at an average quality, by linear interpolation between neighbouring budgets.

    Where the curve passes that quality more than once, the highest rate counts: an attacker is free
    to choose the budget.

    Args:
        curve: The measured budgets.
        quality: The average quality, in the unit of the curve's metric.

    Source:
        Pochimireddy, Siripuram & Channappayya, Tables II and III.

    Example:
        >>> ends = np.array([0.2, 0.6]), np.array([0.99, 0.97])
        >>> ssim = MetricColumn("ssim", "SSIM", higher_is_better=True)
        >>> curve = QualityCurve(("a", "b"), ssim, 50, *ends, ends[0][None], ends[1][None])
        >>> round(rate_at(curve, 0.98).rate, 6), rate_at(curve, 0.9).side, rate_at(curve, 0.9).at_least
        (0.4, 'worse', 0.6)
    """
    moved_to = curve.metric.distortion
    # A budget that fools no image has no quality, in no resample either.
    known = ~np.isnan(curve.quality)
    target, moved, rates = (
        float(moved_to(np.array(quality))),
        moved_to(curve.quality[known]),
        curve.rate[known],
    )
    reached = rates[moved <= target]
    at_least = float(reached.max()) if reached.size else math.nan
    rate = float(_crossing(rates, moved, target))
    if math.isnan(rate):
        side = "worse" if reached.size else "better"
        return RateAt(quality, math.nan, math.nan, math.nan, side, at_least)
    resampled = _crossing(curve.rates[:, known], moved_to(curve.qualities[:, known]), target)
    low, high = interval(resampled)
    return RateAt(quality, rate, float(low), float(high), "within", at_least)


def _crossing(rates: np.ndarray, distortions: np.ndarray, target: float) -> np.ndarray:
    """The highest rate (…) at which the curves (…, B) pass the distortion; NaN where they do not."""
    here, there = distortions[..., :-1], distortions[..., 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (target - here) / (there - here)
        between = rates[..., :-1] + share * (rates[..., 1:] - rates[..., :-1])
    # Points that lie on the target are taken as they are, also where a neighbour is missing.
    candidates = [
        np.where((share >= 0) & (share <= 1), between, -np.inf),
        np.where(distortions == target, rates, -np.inf),
    ]
    highest = np.concatenate(candidates, axis=-1).max(axis=-1, initial=-np.inf)
    return np.where(np.isneginf(highest), np.nan, highest)

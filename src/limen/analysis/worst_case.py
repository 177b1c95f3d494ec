"""All attacks of a run as one attacker, who takes for each image whatever serves best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from limen.analysis.intervals import Measured, share
from limen.errors import UnknownNameError
from limen.runs import MetricColumn, metrics_of

_ROUNDING = 1e-5  # by how much of itself a distance that single precision measured may miss a budget


@dataclass(frozen=True)
class Least:
    """The least of the changes of one image that fool.

    Attributes:
        id: The image.
        attack: The attack that made it.
        values: What each metric says of it; NaN where it says nothing.
    """

    id: str
    attack: str
    values: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class WorstCase:
    """What A attacks did to each of N images. An image that was wrong before counts as wrong throughout.

    Attributes:
        attacks: The labels of the attacks, (A,).
        ids: The images that any attack is done with, in the order of the data set, (N,).
        correct: Which of them the model had right before, (N,) bool.
        success: Which attack fools on which image, (A, N) bool; false where it was not run.
        ran: Which attack is done with which image, (A, N) bool.
        values: By metric, what it says of each stored image, (A, N); NaN where that fools nobody.
        metrics: The metrics by their names.
    """

    attacks: tuple[str, ...]
    ids: tuple[str, ...]
    correct: np.ndarray
    success: np.ndarray
    ran: np.ndarray
    values: Mapping[str, np.ndarray]
    metrics: Mapping[str, MetricColumn]

    @property
    def fooled(self) -> np.ndarray:
        """Which images were right before and fall to any attack, (N,) bool."""
        return self.correct & self.success.any(0)

    def rows(self, attacks: Sequence[str]) -> np.ndarray:
        """Which of the attacks these are, (A,) bool."""
        return np.isin(self.attacks, list(attacks))

    def within(self, metric: str, budget: float, least: bool = False) -> np.ndarray:
        """Which attacks fool on which images with a change of at most a budget, (A, N) bool.

        Args:
            metric: One of the run's metrics.
            budget: In the unit of the records; of a metric of which more is better, the least value.
            least: Whether the budget is the least distortion that counts instead of the greatest.

        Raises:
            UnknownNameError: If there is no such metric.
        """
        column = self._column(metric)
        moved, bound = column.distortion(self.values[metric]), float(column.distortion(np.array(budget)))
        slack = _ROUNDING * abs(bound)
        with np.errstate(invalid="ignore"):
            near = moved >= bound - slack if least else moved <= bound + slack
        return self.success & self.correct & near

    def knows(self, metric: str) -> bool:
        """Whether a metric says something of every change that fools; of small images many say nothing.

        Raises:
            UnknownNameError: If there is no such metric.
        """
        values = self.values[self._column(metric).key]
        return not bool(np.isnan(values[self.success & self.correct]).any())

    def _column(self, metric: str) -> MetricColumn:
        if metric not in self.metrics:
            raise UnknownNameError("metric", metric, self.metrics)
        return self.metrics[metric]

    def robust_accuracy(self, metric: str, budget: float) -> Measured:
        """The share of all images that were right before and stay so within a budget, with its interval.

        No attack is sure to find what there is, so that true robustness is at most this.
        """
        return share(self.correct & ~self.within(metric, budget).any(0))

    def least(self, *metrics: str) -> list[Least]:
        """For each image that falls, the change with the least distortion, in the order of the images.

        Args:
            metrics: What it is least by; where the first leaves several equal or says nothing, by the next.
        """
        keys = [self.metrics[name].distortion(self.values[name]) for name in metrics]
        found = []
        for place in np.flatnonzero(self.fooled):
            rows = np.flatnonzero(self.success[:, place])
            ranks = [tuple(np.nan_to_num(key[row, place], nan=np.inf) for key in keys) for row in rows]
            row = rows[min(range(len(rows)), key=lambda at: ranks[at])]
            values = {name: float(each[row, place]) for name, each in self.values.items()}
            found.append(Least(self.ids[place], self.attacks[row], values))
        return found


def worst_case(records: pa.Table, attacks: Sequence[str]) -> WorstCase:
    """All attacks of a run together.

    Args:
        records: The records of a run, `run.table()`.
        attacks: The labels of the attacks, `run.manifest.labels`.

    Example:
        >>> from limen.runs import record_schema
        >>> worst_case(record_schema([]).empty_table(), ["ddn"]).ids
        ()
    """
    metrics = metrics_of(records)
    columns = {name: records[name].to_pylist() for name in ("attack", "id", "index")}
    order = dict(sorted(zip(columns["id"], columns["index"], strict=True), key=lambda pair: pair[1]))
    places = {image_id: place for place, image_id in enumerate(order)}
    rows = {label: row for row, label in enumerate(attacks)}
    at = (
        np.array([rows[each] for each in columns["attack"]], int),
        np.array([places[each] for each in columns["id"]], int),
    )
    shape = (len(rows), len(places))
    success, ran, correct = np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(len(places), bool)
    success[at], ran[at] = records["success"].to_numpy(), True
    correct[at[1]] = records["label"].to_numpy() == records["clean_prediction"].to_numpy()
    values = {}
    for key in metrics:
        values[key] = np.full(shape, np.nan)
        values[key][at] = np.where(success[at], records[key].to_numpy().astype(float), np.nan)
    return WorstCase(tuple(attacks), tuple(places), correct, success, ran, values, metrics)

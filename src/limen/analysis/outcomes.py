"""What became of each image under an attack, at the best of its budgets where it ran under several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.errors import UnknownNameError, UsageError
from limen.runs import MetricColumn, metrics_of

_COSTS = ("forwards", "backwards", "seconds")
_GRADIENTS = ("zero_gradients", "nonfinite_gradients")
_NEEDED = (
    "label",
    "clean_prediction",
    "success",
    "success_in_memory",
    "unmasked",
    "still",
    "unconfirmed",
    *_GRADIENTS,
)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One attack on N images; of an attack under several budgets, the best that any of them reached.

    Such an attack cannot look for the least distortion by itself. Run over a grid of budgets it fools an
    image if it does so under any, with the least distortion among those that do.

    Attributes:
        name: The label of the attack, without the budget where there are several.
        labels: The label of each budget.
        ids: The images that every label is done with, in the order of their ids, (N,).
        correct: Which of them the model classified correctly before, (N,) bool.
        success: Which of them the attack fooled, (N,) bool.
        in_memory: Which of them it claimed to have fooled, before storage in 8 bits, (N,) bool.
        stuck: Which of them it could not move on: in every backward pass the gradient was all zero or not
            finite, (N,); 1 or 0, and NaN where that was not counted.
        faded: On which of the others, not fooled, this was so in more than half of the passes, likewise.
        unmasked: On which of them a mask says nothing, likewise.
        still: On which of them nothing but the original was tried, though a gradient showed a way, likewise.
        unconfirmed: On which of them a success did not hold when the model was asked again, (N,); 1 or 0, and
            NaN where it was not, as its answers are repeatable.
        values: By metric, the value of the least distortion among each image's successes, (N,); NaN where
            there is no success or no value.
        metrics: The metrics by their names.
        forwards: Forward passes over all budgets, (N,).
        backwards: Likewise backward passes.
        seconds: Likewise the time.
        unfinished: How many further images some of the labels, but not all, are done with.

    Source:
        Zhang, Avrithis, Furon & Amsaleg, Smooth adversarial examples, Section 5.1.
    """

    name: str
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    correct: np.ndarray
    success: np.ndarray
    in_memory: np.ndarray
    stuck: np.ndarray
    faded: np.ndarray
    unmasked: np.ndarray
    still: np.ndarray
    unconfirmed: np.ndarray
    values: Mapping[str, np.ndarray]
    metrics: Mapping[str, MetricColumn]
    forwards: np.ndarray
    backwards: np.ndarray
    seconds: np.ndarray
    unfinished: int

    @property
    def fooled(self) -> np.ndarray:
        """Which images were classified correctly before and fooled, (N,) bool."""
        return self.correct & self.success

    def metric(self, name: str) -> MetricColumn:
        """The metric of this name.

        Raises:
            UsageError: If the records have no such metric.
        """
        if name not in self.metrics:
            raise UnknownNameError("metric", name, self.metrics)
        return self.metrics[name]

    def measured(self, metric: str) -> np.ndarray:
        """A metric of each correctly classified image; NaN where it is not fooled or has no finite value.

        Raises:
            UsageError: If there is no such metric.
        """
        values = self.values[self.metric(metric).key]
        return np.where(self.success & np.isfinite(values), values, np.nan)[self.correct]


def outcomes(records: pa.Table, labels: Sequence[str], name: str | None = None) -> Outcomes:
    """What attacks that differ in their budget alone did to each image.

    Args:
        records: The records of a run, `run.table()`.
        labels: The attack's label under each budget, as `limen.runs.Manifest.families` groups them.
        name: What to call them together; the first label if not given.

    Raises:
        UsageError: If no label is given.

    Example:
        >>> import limen
        >>> outcomes(limen.runs.record_schema([]).empty_table(), ["ddn"]).ids
        ()
    """
    if not labels:
        raise UsageError("no label is given; an attack has one under each of its budgets")
    metrics = metrics_of(records)
    ids, rows, unfinished = align(records, labels, (*_NEEDED, *_COSTS, *metrics))
    success = rows["success"].astype(bool)
    best = {}
    for key, metric in metrics.items():
        values = np.where(success, metric.distortion(rows[key].astype(float)), np.nan)
        best[key] = metric.distortion(np.fmin.reduce(values, axis=0))
    passes = rows["backwards"].astype(float).sum(0)
    moves = passes - sum(rows[name].astype(float).sum(0) for name in _GRADIENTS)  # that could move the image
    stuck = np.where(np.isnan(moves), np.nan, (moves == 0) & (passes > 0))
    faded = np.where(np.isnan(moves), np.nan, (moves > 0) & (2 * moves < passes) & ~success.any(0))
    still = rows["still"].astype(float).min(0)
    return Outcomes(
        name=name or labels[0],
        labels=tuple(labels),
        ids=ids,
        correct=np.all(rows["clean_prediction"] == rows["label"], axis=0),
        success=np.asarray(success.any(0)),
        in_memory=np.asarray(rows["success_in_memory"].astype(bool).any(0)),
        stuck=stuck,
        faded=faded,
        unmasked=rows["unmasked"].astype(float).max(0),
        still=np.where(np.isnan(still), np.nan, (still == 1) & (stuck != 1) & ~success.any(0)),
        unconfirmed=rows["unconfirmed"].astype(float).max(0),
        values=best,
        metrics=metrics,
        **{each: rows[each].sum(0) for each in _COSTS},
        unfinished=unfinished,
    )


def outcomes_by_name(records: pa.Table, families: Mapping[str, Sequence[str]]) -> dict[str, Outcomes]:
    """The outcomes of all attacks of a run, labels that differ in their budget alone merged, by name.

    Args:
        records: The records of a run, `run.table()`.
        families: The labels by name, `run.manifest.families()`.
    """
    return {name: outcomes(records, labels, name) for name, labels in families.items()}


def in_memory(records: pa.Table) -> pa.Table:
    """Records whose success and distortion are those of the attack's own images, before storage in 8 bits."""
    for key in ("success", *metrics_of(records)):
        place = records.column_names.index(key)
        records = records.set_column(place, records.schema.field(place), records[f"{key}_in_memory"])
    return records


def align(
    records: pa.Table, labels: Sequence[str], columns: Iterable[str]
) -> tuple[tuple[str, ...], dict[str, np.ndarray], int]:
    """Records of several attacks side by side, on the images that all of them are done with.

    Args:
        records: The records of a run.
        labels: The attacks.
        columns: What to read of them.

    Returns:
        The images' ids in their order, (N,); each column as (B, N), with NaN for null; and how many images
        only some of the attacks are done with.
    """
    tables = [records.filter(pc.field("attack") == label) for label in labels]
    places = [dict(zip(table["id"].to_pylist(), range(len(table)), strict=True)) for table in tables]
    shared = sorted(set.intersection(*map(set, places)))
    rows = [[place[image_id] for image_id in shared] for place in places]
    found = {
        name: np.stack([table[name].to_numpy()[row] for table, row in zip(tables, rows, strict=True)])
        for name in columns
    }
    return tuple(shared), found, len(set.union(*map(set, places))) - len(shared)

"""Attacks that differ in one number alone, and the model's accuracy over its values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from limen.analysis.intervals import share_interval
from limen.analysis.outcomes import align
from limen.identity import Identity
from limen.runs import Manifest

_WIDE = 100.0


@dataclass(frozen=True)
class Sweep:
    """An attack under several values of one number, be it the budget or another, all else being equal.

    Attributes:
        name: The label without the number.
        parameter: What the number is called.
        values: Its values, rising, (B,).
        labels: The attack's label at each, (B,).
        budget: Whether it is the attack's budget.
    """

    name: str
    parameter: str
    values: tuple[float, ...]
    labels: tuple[str, ...]
    budget: bool = False

    @property
    def wide(self) -> bool:
        """Whether a logarithmic axis shows the values better: positive ones, over two decades or more."""
        return self.values[0] > 0 and self.values[-1] >= _WIDE * self.values[0]


@dataclass(frozen=True, eq=False)
class AccuracyCurve:
    """How much a model still has right of N images under each of an attack's B values.

    Each value counts by itself: an image that a smaller budget alone fools is right under the greater one.

    Attributes:
        sweep: The attack.
        images: How many images are done under all values, N; right and wrong ones count alike.
        clean: The share of them that the model has right without an attack.
        accuracy: The share that it has right of what files store of the attack's images, (B,).
        low: The lower ends of its 95 % intervals over the images, (B,).
        high: The upper ends, (B,).
        unfinished: How many further images are done under some values, but not all.
        counts: Whether the number is a budget in L0, to judge by the images: a whole one, more values than
            which no image that fools differs in. None where no image fools, so that none tells.

    Source:
        Tong et al. 2020, Towards robustness against unsuspicious adversarial examples, Figures 4 and 5.
    """

    sweep: Sweep
    images: int
    clean: float
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unfinished: int
    counts: bool | None = False


def sweeps(manifest: Manifest) -> list[Sweep]:
    """The numbers in which attacks of a run differ; an attack over two numbers is in a sweep of either.

    Example:
        >>> from limen.runs import DataEntry, ModelEntry
        >>> attacks = [Identity("pgd", {"eps": eps, "steps": 40}, budget="eps") for eps in (2.0, 0.5, 1.0)]
        >>> run = Manifest(model=ModelEntry("m", "ab12"), data=DataEntry("d", 16)).with_attacks(attacks)
        >>> [(each.name, each.parameter, each.values) for each in sweeps(run)]
        [('pgd', 'eps', (0.5, 1.0, 2.0))]
    """
    found: dict[tuple[Identity, str], dict[float, str]] = {}
    for entry in manifest.attacks:
        for parameter, value in entry.identity.parameters.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                alike = found.setdefault((entry.identity.without(parameter), parameter), {})
                alike[float(value)] = entry.label
    return [
        Sweep(
            rest.label,
            parameter,
            tuple(sorted(labels)),
            tuple(labels[value] for value in sorted(labels)),
            budget=parameter == rest.budget,
        )
        for (rest, parameter), labels in found.items()
        if len(labels) > 1
    ]


def accuracy_curve(records: pa.Table, sweep: Sweep) -> AccuracyCurve:
    """A model's accuracy over the values of an attack, on the images that are done under all of them.

    Args:
        records: The records of a run, `run.table()`.
        sweep: One of the run's `sweeps`.
    """
    judged = sweep.budget and "l0" in records.column_names
    columns = ("label", "clean_prediction", "prediction", *(("l0",) if judged else ()))
    ids, rows, unfinished = align(records, sweep.labels, columns)
    right, count = rows["prediction"] == rows["label"], len(ids)
    accuracy = right.mean(1) if count else np.full(len(sweep.labels), np.nan)
    clean = float((rows["clean_prediction"] == rows["label"])[0].mean()) if count else np.nan
    return AccuracyCurve(
        sweep,
        count,
        clean,
        accuracy,
        *share_interval(accuracy, count),
        unfinished,
        counts=_bound_counts(np.array(sweep.values), rows["l0"]) if judged else False,
    )


def _bound_counts(budgets: np.ndarray, changed: np.ndarray) -> bool | None:
    """Whether budgets (B,) are whole and no image changed in more values (B, N); None where none changed."""
    if (budgets != budgets.round()).any():
        return False
    if not (changed > 0).any():
        return None
    return not (changed > budgets[:, None]).any()

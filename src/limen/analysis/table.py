"""All figures of runs in one tidy table: what files, terminals, pages and recipes are made from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from limen.analysis.comparison import compare, figures
from limen.analysis.intervals import Measured, share
from limen.analysis.outcomes import Outcomes, outcomes
from limen.errors import UnknownNameError, UsageError
from limen.runs import Run

SCHEMA = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("attack", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("budgets", pa.list_(pa.string())),
        pa.field("against", pa.string()),
        pa.field("metric", pa.string()),
        pa.field("statistic", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("images", pa.int64(), nullable=False),
    ]
)
"""One row per run, attack, metric and statistic.

`attack` is the label of an attack. Those that differ in their budget alone have rows together, too, under
their label without the budget, and `budgets` are then theirs, else null. `family` is this common label; of an
attack without such others, its own. `low` and `high` are the ends of the 95 % interval, and `images` says
over how many images the value is. `metric` is null where a statistic has none, and `against` names the other
attack of a comparison."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Attack:
    """An attack of a run as the table names it: one label, or several with their budgets."""

    name: str
    family: str
    labels: tuple[str, ...]
    budgets: tuple[str, ...] = ()


def attacks_of(run: Run) -> Iterator[Attack]:
    """The attacks of a run by family: first all budgets together where there are several, then each label."""
    for name, labels in run.manifest.families().items():
        if len(labels) > 1:
            budgets = tuple(run.manifest.attack(label).budget or "" for label in labels)
            yield Attack(name, name, labels, budgets)
        for label in labels:
            yield Attack(label, name, (label,))


def table(
    runs: Mapping[str, Run],
    metrics: Sequence[str] | None = None,
    *,
    against: str | None = None,
    draws: int = 1000,
) -> pa.Table:
    """All figures of these runs, with the columns `SCHEMA`.

    - Over all images attacked: `clean accuracy`, the share that the model classifies correctly without an
      attack, and the medians `forwards`, `backwards`, `passes` and the mean `seconds` per image.
    - Over those classified correctly: `success`, the share whose stored image fools the model, `success in
      memory`, before storage, `stuck`, the share on which every gradient was zero or not finite, `faded`, the
      share of others, not fooled, on which most were, `still`, the share that no step changed by a level of
      the lattice though a gradient showed a way, `unmasked`, the share on which a mask
      says nothing, as where attention is flat, and `unconfirmed`, the share on which a success did not hold
      when the model was asked again; nothing where its answers are repeatable.
    - By metric, over those of them that are fooled: `mean`, `median`, and `unmeasured`, how many have no
      finite value. `unfinished` counts the images that only some of the budgets are done with.
    - Against another attack, over the images that both fool: `less distorted`, the share on which the attack
      takes less distortion, `ties`, the attack's `median`, the other's `median against`, and `unmeasured`.

    Args:
        runs: The runs, each under its name.
        metrics: Which of the runs' metrics; None for all that a run has.
        against: The attack to compare all others with, image by image.
        draws: How often images are drawn anew for the intervals of mean and median; 0 for no such intervals.

    Raises:
        UsageError: If a run lacks a metric, or the attack to compare with, or its name is no Unicode.
        RunError: If records cannot be read.
    """
    rows = [row for name, run in runs.items() for row in _rows(name, run, metrics, against, draws)]
    try:
        return pa.Table.from_pylist(rows, SCHEMA)
    except UnicodeEncodeError as error:
        raise UsageError(f"{error.object!r} is no Unicode; rename the folder of the run") from None


def rows_of(table: pa.Table, **equal: str | None) -> list[Row]:
    """The rows of a table of figures with these values.

    Example:
        >>> rows_of(SCHEMA.empty_table(), statistic="success", metric=None)
        []
    """
    return [row for row in table.to_pylist() if all(row[key] == value for key, value in equal.items())]


def _rows(
    name: str, run: Run, metrics: Sequence[str] | None, against: str | None, draws: int
) -> Iterator[Row]:
    records, attacks = run.table(), list(attacks_of(run))
    known = [column.key for column in run.manifest.metrics]
    for metric in metrics or ():
        if metric not in known:
            raise UnknownNameError("metric", metric, known)
    measured = {each.name: outcomes(records, each.labels, each.name) for each in attacks}
    if against is not None and against not in measured:
        raise UnknownNameError("attack", against, measured)
    for attack in attacks:
        found = measured[attack.name]
        common = {
            "run": name,
            "attack": attack.name,
            "family": attack.family,
            "budgets": attack.budgets or None,
        }
        other = measured[against] if against is not None and against != attack.name else None
        for row in statistics(found, known if metrics is None else metrics, against=other, draws=draws):
            yield common | row


def statistics(
    found: Outcomes, metrics: Sequence[str], *, against: Outcomes | None = None, draws: int = 1000
) -> Iterator[Row]:
    """The rows of `table` for one attack, without the columns that say whose they are.

    Args:
        found: What the attack did to each image.
        metrics: By what distortion is measured.
        against: What another attack did, to compare it with image by image.
        draws: As of `table`.
    """
    yield from _overall(found)
    for metric in metrics:
        for row in _of_metric(found, metric, draws):
            yield {"metric": metric} | row
        if against is not None:
            for row in _compared(found, against, metric):
                yield {"metric": metric, "against": against.name} | row


def _overall(found: Outcomes) -> Iterator[Row]:
    images, correct = len(found.ids), int(found.correct.sum())
    yield _row("clean accuracy", share(found.correct), images)
    yield _row("success", share(found.success[found.correct]), correct)
    yield _row("success in memory", share(found.in_memory[found.correct]), correct)
    for statistic in ("stuck", "faded", "still", "unmasked", "unconfirmed"):
        known = getattr(found, statistic)[found.correct]
        yield _row(statistic, _NOTHING if np.isnan(known).any() else share(known == 1), correct)
    passes = {
        "forwards": found.forwards,
        "backwards": found.backwards,
        "passes": found.forwards + found.backwards,
    }
    for statistic, values in passes.items():
        yield _row(statistic, float(np.median(values)) if images else math.nan, images)
    yield _row("seconds", float(found.seconds.mean()) if images else math.nan, images)
    yield _row("unfinished", found.unfinished, images + found.unfinished)


def _of_metric(found: Outcomes, metric: str, draws: int) -> Iterator[Row]:
    measured = figures(found, metric, draws=draws)
    fooled = int(found.fooled.sum())
    yield _row("mean", measured.mean, fooled - measured.unmeasured)
    yield _row("median", measured.median, fooled - measured.unmeasured)
    yield _row("unmeasured", measured.unmeasured, fooled)


def _compared(found: Outcomes, against: Outcomes, metric: str) -> Iterator[Row]:
    measured = compare(found, against, metric)
    yield _row("less distorted", measured.share, measured.images)
    yield _row("ties", measured.ties, measured.images)
    yield _row("median", measured.median, measured.images)
    yield _row("median against", measured.median_against, measured.images)
    yield _row("unmeasured", measured.unmeasured, measured.images + measured.unmeasured)


_NOTHING = Measured(math.nan, math.nan, math.nan)


def _row(statistic: str, value: Measured | float, images: int) -> Row:
    measured = value if isinstance(value, Measured) else Measured(value, math.nan, math.nan)
    ends = {"value": measured.value, "low": measured.low, "high": measured.high}
    known = {name: None if math.isnan(end) else float(end) for name, end in ends.items()}
    return {"statistic": statistic, "images": images, **known}

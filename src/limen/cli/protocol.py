"""The part of `limen evaluate` that compares attacks by success and distortion, in tables and a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from limen.errors import LimenError, UnknownNameError
from limen.runs import (
    Comparison,
    Figures,
    Measured,
    MetricColumn,
    Run,
    RunError,
    compare,
    figures,
    outcomes_by_name,
)


@dataclass(frozen=True)
class Evaluated:
    """What was measured of a run, by attack and then by distance; comparisons only where asked for.

    `budgets` has the budgets of each attack that ran under several.
    """

    budgets: Mapping[str, str]
    figures: Mapping[str, Mapping[str, Figures]]
    comparisons: Mapping[str, Mapping[str, Comparison]]

    def comparison(self, name: str, distance: str) -> Comparison | None:
        """The comparison of an attack by a distance, if one was asked for."""
        return self.comparisons.get(name, {}).get(distance)


def measure_protocol(run: Run, distances: Sequence[str], against: str | None) -> Evaluated:
    """Measure all attacks of a run, those that differ in their budget alone as one.

    Args:
        run: The run.
        distances: The distances to measure distortion by.
        against: An attack to compare all others with, image by image.

    Raises:
        UsageError: If a distance or the attack is not known.
        RunError: If there are no records, or they cannot be read.
    """
    names = run.manifest.families()
    if against is not None and against not in names:
        raise UnknownNameError("attack", against, names)
    records = run.table()
    if not records.num_rows:
        raise RunError(f"{run.directory}: no image has been attacked yet; finish the run with limen attack")
    attacks = outcomes_by_name(records, names, run.manifest.metrics)
    budgets = {
        name: " ".join(run.manifest.attack(label).budget or "" for label in labels) if len(labels) > 1 else ""
        for name, labels in names.items()
    }
    return Evaluated(
        budgets,
        {name: {each: figures(one, each) for each in distances} for name, one in attacks.items()},
        {
            name: {each: compare(one, attacks[against], each) for each in distances}
            for name, one in attacks.items()
            if against is not None and name != against
        },
    )


def protocol_table(evaluated: Evaluated, title: str | None) -> Table:
    """Success and distortion of each attack."""
    table = Table("attack", "budgets", title=title, title_justify="left")
    notes = ["over the images classified correctly before; brackets: 95 % bootstrap intervals over images"]
    columns = [each.metric.heading for each in next(iter(evaluated.figures.values()), {}).values()]
    for name in ("correct", "fooled", *(f"{each} {name}" for name in columns for each in ("mean", "median"))):
        table.add_column(name, justify="right")
    for name, measured in evaluated.figures.items():
        first = next(iter(measured.values()))
        cells = [_text(part, each.metric) for each in measured.values() for part in (each.mean, each.median)]
        table.add_row(name, evaluated.budgets[name], str(first.images), _text(first.success), *cells)
        if first.unfinished:
            notes.append(f"{name}: images left out, done under some budgets only: {first.unfinished}")
        notes += [
            f"{name}: fooled images without a finite {distance}: {each.unmeasured}"
            for distance, each in measured.items()
            if each.unmeasured
        ]
    table.caption = "\n".join(notes)
    return table


def comparison_table(evaluated: Evaluated, against: str, title: str | None) -> Table:
    """On what share of the images each attack takes less distortion than another."""
    table = Table("attack", "distance", title=title, title_justify="left")
    notes = ["over the images that both fool; brackets: 95 % Wilson intervals"]
    for name in ("both fooled", f"less distorted than {against}", "ties", "median", f"median of {against}"):
        table.add_column(name, justify="right")
    for name, comparisons in evaluated.comparisons.items():
        for each in comparisons.values():
            medians = [_number(value, each.metric) for value in (each.median, each.median_against)]
            table.add_row(
                name, each.metric.heading, str(each.images), _text(each.share), str(each.ties), *medians
            )
            if each.unmeasured:
                notes.append(f"{name}: images fooled by both without a {each.metric.key}: {each.unmeasured}")
    table.caption = "\n".join(notes)
    return table


def write_csv(path: Path, evaluated: Mapping[str, Evaluated]) -> None:
    """Write one row a run, attack and distance, with everything that was measured.

    Raises:
        LimenError: If the file cannot be written.
    """
    rows = [
        {
            "run": run,
            **_row(figures, measured.budgets[name], measured.comparisons.get(name, {}).get(distance)),
        }
        for run, measured in evaluated.items()
        for name, by_distance in measured.figures.items()
        for distance, figures in by_distance.items()
    ]
    text = io.StringIO()
    columns = dict.fromkeys(column for row in rows for column in row)
    writer = csv.DictWriter(text, [*columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    try:
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
    except OSError as error:
        raise LimenError(
            f"{path}: cannot be written ({error.strerror or error}); choose another --csv"
        ) from error


def _row(figures: Figures, budgets: str, comparison: Comparison | None) -> dict[str, object]:
    row: dict[str, object] = {
        "attack": figures.name,
        "budgets": budgets,
        "distance": figures.metric.key,
        "correct": figures.images,
        "unfinished": figures.unfinished,
        "unmeasured": figures.unmeasured,
        **_cells("success", figures.success),
        **_cells("mean", figures.mean),
        **_cells("median", figures.median),
    }
    if comparison is not None:
        row |= {
            "against": comparison.against,
            "both_fooled": comparison.images,
            "lower": comparison.lower,
            "ties": comparison.ties,
            **_cells("lower_share", comparison.share),
            "both_median": comparison.median,
            "against_median": comparison.median_against,
        }
    return row


def _cells(name: str, measured: Measured) -> dict[str, float]:
    return {name: measured.value, f"{name}_low": measured.low, f"{name}_high": measured.high}


def _text(measured: Measured, metric: MetricColumn | None = None) -> str:
    value, low, high = (_number(each, metric) for each in (measured.value, measured.low, measured.high))
    return value if measured.value != measured.value else f"{value} [{low}, {high}]"


def _number(value: float, metric: MetricColumn | None) -> str:
    """A value of a metric, or a share, for people."""
    if metric is None:
        return "–" if value != value else f"{value:.1%}"
    return metric.shown(value, 4)

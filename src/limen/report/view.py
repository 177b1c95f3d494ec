"""What the page says, as values: built from runs, drawn by the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from markupsafe import Markup

from limen.analysis import Verdict, caveats, notes, rows_of, table, verdict
from limen.analysis.table import Row
from limen.document import Document
from limen.report.accuracy import accuracy
from limen.report.blocks import render_blocks
from limen.report.curves import Band, Curve, Spans, bands, curves, metrics_of, outcomes_of, spans
from limen.report.gallery import PIXELS, Gallery, gallery
from limen.report.sections import Section, sections
from limen.report.series import series_of
from limen.report.shelf import Shelf
from limen.runs import Manifest, MetricColumn, Run

_TOLD = ("stuck", "faded", "still", "unmasked", "unconfirmed", "unfinished")  # statistics that are notes


@dataclass(frozen=True)
class RunView:
    """What is said of one run.

    Attributes:
        name: Its name on the page, unlike that of any other run there.
        manifest: Its model, data, settings and versions.
        verdict: What it comes to.
        skipped: Ids of the images left out, by reason.
    """

    name: str
    manifest: Manifest
    verdict: Verdict
    skipped: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class AttackRow:
    """One line of the table of attacks: an attack, or one under all its budgets together.

    Attributes:
        run: Name of the run.
        label: The attack's label, or what those of all budgets have in common.
        family: The number of its family, in the order of `View.families`.
        budgets: The budgets, where the line is that of several together.
        figures: Rows of `limen.analysis.table` by metric and statistic.
    """

    run: str
    label: str
    family: int
    budgets: tuple[str, ...]
    figures: Mapping[tuple[str | None, str], Row]

    def figure(self, statistic: str, metric: str | None = None) -> Row:
        """A figure; one without a value where the run does not have it."""
        nothing = {"value": None, "low": None, "high": None, "images": 0}
        return self.figures.get((metric, statistic), nothing)


@dataclass(frozen=True)
class View:
    """The whole page: runs, the gallery, the table of attacks, curves, accuracy, the stored evaluations.

    Attributes:
        runs: What is said of each run.
        metrics: The metrics of all runs.
        attacks: A line of the table for each attack; tiles of the gallery refer to them by number.
        families: A line for each family: attacks that differ in their budget alone, or one attack.
        notes: What must be read beside the figures.
        curves: The lines of each metric, by what they are a share of, in the order of `families`.
        spans: The ends of their axes.
        bands: How sure the lines are, by their number of images.
        accuracy: Charts of accuracy over a setting; empty where no attack ran under several values of one.
        sections: The stored evaluations.
        gallery: The pictures.
    """

    runs: tuple[RunView, ...]
    metrics: tuple[MetricColumn, ...]
    attacks: tuple[AttackRow, ...]
    families: tuple[AttackRow, ...]
    notes: tuple[str, ...]
    curves: Mapping[str, Mapping[str, Sequence[Curve]]]
    spans: Mapping[str, Mapping[str, Spans]]
    bands: Mapping[int, Band]
    accuracy: Markup
    sections: tuple[Section, ...]
    gallery: Gallery


def build(runs: Mapping[str, Run], pictures: int, shelf: Shelf, limit: int | None = PIXELS) -> View:
    """Everything that the page says about these runs.

    Args:
        runs: Each run under its name on the page.
        pictures: How many images the gallery, and the sections of evaluations, show at most.
        shelf: Takes the pictures.
        limit: How many pixels the gallery's may have together, None for any number.

    Raises:
        RunError: If a run's records or its evaluation cannot be read.
    """
    of_runs = {name: series_of(run, name) for name, run in runs.items()}
    series = [one for of_run in of_runs.values() for one in of_run]
    figures = _figures(runs)
    families, attacks = _attacks(figures, runs)
    metrics = metrics_of(runs)
    lines = curves([*outcomes_of(runs).values()], metrics)
    # The gallery's pictures first, as they are looked at first.
    shown = gallery(series, metrics, pictures, shelf, limit)
    return View(
        runs=tuple(_run_view(name, run) for name, run in runs.items()),
        metrics=metrics,
        attacks=attacks,
        families=families,
        notes=tuple(dict.fromkeys([*notes(figures, _TOLD), *caveats(metrics)])),
        curves=lines,
        spans=spans(lines, metrics),
        bands=bands(line for of_metric in lines.values() for each in of_metric.values() for line in each),
        accuracy=swept(runs),
        sections=sections(
            runs,
            {(row.run, row.label): place for place, row in enumerate(attacks)},
            {(row.run, row.label): place for place, row in enumerate(families)},
            pictures,
            shelf,
        ),
        gallery=shown,
    )


def swept(runs: Mapping[str, Run]) -> Markup:
    """The charts of accuracy over a setting, each run in a colour of its own; empty where there are none."""
    charts = accuracy(runs)
    colours = {name: place for place, name in enumerate(runs)}
    return Markup() if charts is None else render_blocks(Document("", blocks=[charts]), colours)


def _figures(runs: Mapping[str, Run]) -> pa.Table:
    """All figures, with intervals of those alone that were read off a curve: these must not stand without."""
    found = [table(runs, draws=0)]
    for name, run in runs.items():
        calibrated = [metric.key for metric in run.manifest.metrics if metric.calibration is not None]
        found += [table({name: run}, calibrated)] if calibrated else []
    return pa.concat_tables(found)


def names(directories: Sequence[Path]) -> tuple[str, ...]:
    """A name for each directory: its own, with as many parents as it takes to be unlike the others.

    Example:
        >>> names([Path("a/run"), Path("b/run"), Path("other")])
        ('a/run', 'b/run', 'other')
    """
    parts = [directory.resolve().parts for directory in directories]
    named = []
    for own in parts:
        depth = 1
        while depth < len(own) and sum(other[-depth:] == own[-depth:] for other in parts) > 1:
            depth += 1
        # A name that is no Unicode cannot be written as it is.
        named.append("/".join(own[-depth:]).encode(errors="backslashreplace").decode())
    return tuple(named)


def _run_view(name: str, run: Run) -> RunView:
    skipped: dict[str, tuple[str, ...]] = {}
    for entry in run.manifest.skipped:
        skipped[entry.reason] = (*skipped.get(entry.reason, ()), entry.id)
    return RunView(name, run.manifest, verdict(run), skipped)


def _attacks(
    figures: pa.Table, runs: Mapping[str, Run]
) -> tuple[tuple[AttackRow, ...], tuple[AttackRow, ...]]:
    """A line for each family, and one for each attack in the order of the manifests."""
    of_attack: dict[tuple[str, str], list[Row]] = {}
    for row in rows_of(figures):
        of_attack.setdefault((row["run"], row["attack"]), []).append(row)
    names = [(name, family) for name, run in runs.items() for family in run.manifest.families()]

    def line(run: str, label: str) -> AttackRow:
        rows = of_attack[run, label]
        by_statistic = {(row["metric"], row["statistic"]): row for row in rows}
        place = names.index((run, rows[0]["family"]))
        return AttackRow(run, label, place, tuple(rows[0]["budgets"] or ()), by_statistic)

    attacks = (line(name, label) for name, run in runs.items() for label in run.manifest.labels)
    return tuple(line(*name) for name in names), tuple(attacks)

"""What the page says, as values: built from runs, drawn by the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limen.report.curves import Band, Curve, bands, curves
from limen.report.gallery import Gallery, gallery
from limen.report.sections import Section, sections
from limen.report.series import Series, series_of
from limen.runs import AttackSummary, Manifest, MetricColumn, Outcomes, Run, outcomes, summary_of


@dataclass(frozen=True)
class RunView:
    """What is said of one run.

    Attributes:
        name: Its name on the page, unlike that of any other run there.
        manifest: Its model, data, settings and versions.
        images: Images with at least one record.
        correct: How many of them the model classified as labelled before any attack.
        skipped: Ids of the images left out, by reason.
    """

    name: str
    manifest: Manifest
    images: int
    correct: int
    skipped: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class AttackRow:
    """One line of the table of attacks: an attack, or one under all its budgets together.

    Attributes:
        run: Name of the run.
        family: Position, among the page's families, of the one that it is of.
        budgets: The budgets as their labels state them, where the line is that of several together.
        summary: Success, distances and cost of the attack.
        memory_correct: The share of correctly classified images that the attack claimed to fool,
            before storage in 8 bits; None without any.
        forwards: Median forward passes an image, None without images.
        backwards: Median backward passes an image, None without images.
    """

    run: str
    family: int
    budgets: tuple[str, ...]
    summary: AttackSummary
    memory_correct: float | None
    forwards: float | None
    backwards: float | None


@dataclass(frozen=True)
class View:
    """The whole page: runs, the table of attacks, the curves, the stored evaluations, the gallery.

    Attacks that differ in their budget alone are one family, also where there is just one of them.
    `attacks` is in the one order that tiles refer to; `families` and the lines of each set of curves are in
    another. `bands` has the width of the lines by the number of their images.
    """

    runs: tuple[RunView, ...]
    metrics: tuple[MetricColumn, ...]
    attacks: tuple[AttackRow, ...]
    families: tuple[AttackRow, ...]
    curves: Mapping[str, Mapping[str, Sequence[Curve]]]
    bands: Mapping[int, Band]
    sections: tuple[Section, ...]
    gallery: Gallery


def build(runs: Mapping[str, Run], pictures: int) -> View:
    """Everything that the page says about these runs.

    Args:
        runs: Each run under its name on the page.
        pictures: How many images the gallery, and the sections of evaluations, show at most.

    Raises:
        RunError: If a run's records or its evaluation cannot be read.
    """
    by_run = {name: series_of(run, name) for name, run in runs.items()}
    series = [one for of_run in by_run.values() for one in of_run]
    attacks, merged = _attacks(runs)
    # Of several runs with different metrics, all.
    metrics = tuple({each.key: each for run in runs.values() for each in run.manifest.metrics}.values())
    lines = curves([of_family for _, of_family in merged], metrics)
    return View(
        runs=tuple(_run_view(name, run, by_run[name]) for name, run in runs.items()),
        metrics=metrics,
        attacks=attacks,
        families=tuple(
            _attack_row(name, place, one, runs[name].manifest) for place, (name, one) in enumerate(merged)
        ),
        curves=lines,
        bands=bands(line for of_metric in lines.values() for each in of_metric.values() for line in each),
        sections=sections(
            runs,
            {(row.run, row.summary.label): place for place, row in enumerate(attacks)},
            {(name, one.name): place for place, (name, one) in enumerate(merged)},
            pictures,
        ),
        gallery=gallery(series, metrics, pictures),
    )


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
        named.append("/".join(own[-depth:]))
    return tuple(named)


def _run_view(name: str, run: Run, series: Sequence[Series]) -> RunView:
    correct: dict[str, bool] = {}
    for one in series:
        correct.update(zip(one.columns["id"], one.correct.tolist(), strict=True))
    skipped: dict[str, tuple[str, ...]] = {}
    for entry in run.manifest.skipped:
        skipped[entry.reason] = (*skipped.get(entry.reason, ()), entry.id)
    return RunView(name, run.manifest, len(correct), sum(correct.values()), skipped)


def _attacks(runs: Mapping[str, Run]) -> tuple[tuple[AttackRow, ...], list[tuple[str, Outcomes]]]:
    """Each attack of each run in the manifests' order; and each family, merged, with the name of its run."""
    rows: list[AttackRow] = []
    merged: list[tuple[str, Outcomes]] = []
    for name, run in runs.items():
        records, of_label = run.table(), {}
        for family, labels in run.manifest.families().items():
            for label in labels:
                one = outcomes(records, [label], run.manifest.metrics)
                of_label[label] = _attack_row(name, len(merged), one, run.manifest)
            merged.append((name, outcomes(records, labels, run.manifest.metrics, family)))
        rows += [of_label[label] for label in run.manifest.labels]
    return tuple(rows), merged


def _attack_row(run: str, family: int, attack: Outcomes, manifest: Manifest) -> AttackRow:
    claimed = attack.in_memory[attack.correct]
    several = len(attack.labels) > 1
    return AttackRow(
        run=run,
        family=family,
        budgets=tuple(manifest.attack(label).budget or "" for label in attack.labels) if several else (),
        summary=summary_of(attack),
        memory_correct=float(claimed.mean()) if claimed.size else None,
        forwards=_median(attack.forwards),
        backwards=_median(attack.backwards),
    )


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if values.size else None

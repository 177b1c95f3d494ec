"""What the page says, as values: built from runs, drawn by the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limen.report.attention import Attention, attention
from limen.report.curves import Curve, curves
from limen.report.gallery import Gallery, gallery
from limen.report.metrics import METRICS, Metric
from limen.report.series import Series, series_of
from limen.runs import AttackSummary, Manifest, Run, summarize


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
    """One line of the table of attacks.

    Attributes:
        run: Name of the run.
        summary: Success, distances and cost of the attack.
        memory_correct: The share of correctly classified images that the attack claimed to fool,
            before storage in 8 bits; None without any.
        forwards: Median forward passes an image, None without images.
        backwards: Median backward passes an image, None without images.
    """

    run: str
    summary: AttackSummary
    memory_correct: float | None
    forwards: float | None
    backwards: float | None


@dataclass(frozen=True)
class View:
    """The whole page: runs, the table of attacks, the curves, attention where it was evaluated, the gallery.

    `attacks` and the lines of each set of curves are in one order, which tiles refer to.
    """

    runs: tuple[RunView, ...]
    metrics: tuple[Metric, ...]
    attacks: tuple[AttackRow, ...]
    curves: Mapping[str, Mapping[str, Sequence[Curve]]]
    attention: Attention | None
    gallery: Gallery


def build(runs: Mapping[str, Run], pictures: int) -> View:
    """Everything that the page says about these runs.

    Args:
        runs: Each run under its name on the page.
        pictures: How many images the gallery, and the section on attention, show at most.

    Raises:
        RunError: If a run's records or its evaluation cannot be read.
    """
    by_run = {name: series_of(run, name) for name, run in runs.items()}
    series = [one for of_run in by_run.values() for one in of_run]
    summaries = [summary for run in runs.values() for summary in summarize(run)]
    return View(
        runs=tuple(_run_view(name, run, by_run[name]) for name, run in runs.items()),
        metrics=METRICS,
        attacks=tuple(_attack_row(*pair) for pair in zip(series, summaries, strict=True)),
        curves=curves(series, METRICS),
        attention=attention(runs, series, pictures),
        gallery=gallery(series, METRICS, pictures),
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


def _attack_row(series: Series, summary: AttackSummary) -> AttackRow:
    claimed = series.columns["success_in_memory"].astype(bool)[series.correct]
    return AttackRow(
        run=series.name,
        summary=summary,
        memory_correct=float(claimed.mean()) if claimed.size else None,
        forwards=_median(series.columns["forwards"]),
        backwards=_median(series.columns["backwards"]),
    )


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if values.size else None

"""Accuracy over the values of an attack's number, such as its budget: the models of several runs as lines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from limen.analysis import AccuracyCurve, Sweep, accuracy_curve, sweeps
from limen.document import Chart, Charts, Line, percent
from limen.runs import Run, RunError


def accuracy(runs: Mapping[str, Run]) -> Charts | None:
    """A chart for each attack that ran under several values of a number, with a line for each run.

    Args:
        runs: Each run under its name on the page, which is the series of its lines.

    Returns:
        The charts; None where no attack has several values.

    Raises:
        RunError: If a run's records cannot be read.
    """
    curves: dict[tuple[str, str], dict[str, AccuracyCurve]] = {}
    for name, run in runs.items():
        records = run.table()
        for sweep in sweeps(run.manifest):
            found = accuracy_curve(records, sweep)
            curves.setdefault((sweep.name, sweep.parameter), {})[name] = found
    charts = [
        _chart(attack, parameter, alike)
        for (attack, _), of_runs in curves.items()
        for parameter, alike in _by_unit(of_runs, runs).items()
    ]
    about = (
        "Of all images, the share that the model classifies as they are labelled, as an attack stored them: "
        "a chart for each attack that ran under several values of a number, such as its budget, and a line "
        "for each run. Each value counts by itself; a budget that counts changed values is drawn as a share "
        "of an image's. Bands: 95 % intervals over the images."
    )
    return Charts("Accuracy against a setting", about, charts) if charts else None


def _by_unit(
    curves: Mapping[str, AccuracyCurve], runs: Mapping[str, Run]
) -> dict[str, dict[str, AccuracyCurve]]:
    """The curves of one attack under each run's name, by the title of their axis.

    A budget that counts changed values becomes a share of an image's values. Whether it counts them is the
    same in all runs, but a run in which nothing was fooled cannot tell.
    """
    known = {curve.counts for curve in curves.values()} - {None}
    by_title: dict[str, dict[str, AccuracyCurve]] = {}
    for name, curve in curves.items():
        size = _values(runs[name]) if known == {True} else None
        drawn = curve if size is None else replace(curve, sweep=_as_shares(curve.sweep, size))
        by_title.setdefault(drawn.sweep.parameter, {})[name] = drawn
    return by_title


def _values(run: Run) -> int | None:
    """How many values each image of a run has; None where sizes differ, or a file is missing."""
    sizes = set()
    for image_id in run.table()["id"].unique().to_pylist():
        try:
            sizes.add(math.prod(run.original_size(image_id)))
        except RunError:
            return None
    return sizes.pop() if len(sizes) == 1 else None


def _as_shares(sweep: Sweep, size: int) -> Sweep:
    """A budget that counts values, as a share of an image's."""
    shares = tuple(value / size for value in sweep.values)
    return replace(sweep, parameter=f"{sweep.parameter}, as a share of the values", values=shares)


def _chart(attack: str, parameter: str, of_runs: Mapping[str, AccuracyCurve]) -> Chart:
    lines = [
        Line(
            f"{name}: {percent(each.clean)} before the attack, {each.images} images",
            each.sweep.values,
            *(ends.tolist() for ends in (each.accuracy, each.low, each.high)),
            series=name,
        )
        for name, each in of_runs.items()
    ]
    wide = all(each.sweep.wide for each in of_runs.values())
    return Chart(attack, parameter, "accuracy", lines, y_range=(0, 1), log_x=wide, percent=True)

"""Accuracy over the values of an attack's number, such as its budget: the models of several runs as lines."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from limen.analysis import AccuracyCurve, accuracy_curve, sweeps
from limen.document import Chart, Charts, Document, Line, percent
from limen.report.blocks import render_blocks
from limen.runs import Run


def accuracy(runs: Mapping[str, Run]) -> Markup:
    """A chart for each attack that ran under several values of a number, with a line for each run.

    Args:
        runs: Each run under its name on the page.

    Returns:
        The charts; empty where no attack has several values.

    Raises:
        RunError: If a run's records cannot be read.
    """
    curves: dict[tuple[str, str], dict[str, AccuracyCurve]] = {}
    for name, run in runs.items():
        records = run.table()
        for sweep in sweeps(run.manifest):
            curves.setdefault((sweep.name, sweep.parameter), {})[name] = accuracy_curve(records, sweep)
    charts = [_chart(attack, parameter, of_runs) for (attack, parameter), of_runs in curves.items()]
    block = Charts(
        "Accuracy against a setting",
        "Of all images, the share that the model classifies as they are labelled, as an attack stored them: "
        "a chart for each attack that ran under several values of a number, such as its budget, and a line "
        "for each run. Each value counts by itself. Bands: 95 % bootstrap intervals over the images.",
        charts,
    )
    colours = {name: place for place, name in enumerate(runs)}
    return render_blocks(Document("", blocks=[block]), colours) if charts else Markup()


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

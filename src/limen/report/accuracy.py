"""Accuracy over the values of an attack's number, such as its budget: the models of several runs as lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
from markupsafe import Markup
from PIL import Image

from limen.analysis import AccuracyCurve, Sweep, accuracy_curve, sweeps
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
            curve = accuracy_curve(records, sweep)
            size = _values(run, records) if curve.counts else None
            if size is not None:
                curve = replace(curve, sweep=_as_shares(sweep, size))
            curves.setdefault((sweep.name, curve.sweep.parameter), {})[name] = curve
    charts = [_chart(attack, parameter, of_runs) for (attack, parameter), of_runs in curves.items()]
    block = Charts(
        "Accuracy against a setting",
        "Of all images, the share that the model classifies as they are labelled, as an attack stored them: "
        "a chart for each attack that ran under several values of a number, such as its budget, and a line "
        "for each run. Each value counts by itself; a budget that counts changed values is drawn as a share "
        "of an image's. Bands: 95 % bootstrap intervals over the images.",
        charts,
    )
    colours = {name: place for place, name in enumerate(runs)}
    return render_blocks(Document("", blocks=[block]), colours) if charts else Markup()


def _values(run: Run, records: pa.Table) -> int | None:
    """How many values each image of a run has; None where sizes differ, or a file is missing."""
    sizes = set()
    for image_id in records["id"].unique().to_pylist():
        try:
            with Image.open(run.original_path(image_id)) as image:
                sizes.add(image.width * image.height * len(image.getbands()))
        except OSError:
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

"""What was found, all that was looked for, and how the attacks went, as a document."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.document import Block, Cell, Chart, Charts, Group, Line, Notes, Table
from limen.document.numbers import number
from limen.evaluation.indicators.indicator import Finding
from limen.evaluation.indicators.table import findings
from limen.runs import Stored

NOTHING = (
    "None of the indicators is found: nothing that was looked for says that the attacks failed for another "
    "reason than the model's robustness."
)


def describe(stored: Stored) -> list[Block]:
    """The findings, a table of all indicators, and charts of the attacks' traces."""
    every = _once(findings(stored))
    said = [each.sentence for each in every if each.found]
    return [Notes("What was found", said or [NOTHING]), _table(every), *_charts(stored)]


def _once(every: Sequence[Finding]) -> list[Finding]:
    """What is said of the model once, of the attack with the most images, and first."""
    of_model: dict[str, Finding] = {}
    for each in every:
        if each.about.of == "model":
            before = of_model.get(each.indicator)
            of_model[each.indicator] = each if before is None or each.images > before.images else before
    return [*of_model.values(), *(each for each in every if each.about.of == "attack")]


def _table(every: Sequence[Finding]) -> Table:
    groups: dict[str, list[list[Cell]]] = {}
    for each in every:
        title = "The model" if each.about.of == "model" else each.attack
        groups.setdefault(title, []).append(_row(each))
    return Table(
        "All indicators",
        "An indicator gives a number per image; their greatest, median, least or mean stands here. Images "
        "are those of which it says anything: many speak only of images that withstood. Shown by counts the "
        "images that are over the threshold by themselves. Indicators and thresholds are those of Pintor et "
        "al. 2022, AutoAttack and Carlini et al. 2019, or Limen's own; the documentation says which.",
        ("Indicator", "Found", "Number", "Found where", "Images", "Shown by"),
        [Group(title, rows) for title, rows in groups.items()],
    )


_COMPARED = {"any": "greatest", "most": "median", "every": "least", "mean": "mean"}


def _row(each: Finding) -> list[Cell]:
    about = each.about
    return [
        Cell(about.title),
        Cell("found" if each.found else "–" if not each.images else "not found"),
        Cell(value=each.value),
        Cell(f"{_COMPARED[about.over]} > {number(about.threshold)}"),
        Cell(value=each.images, form="count"),
        Cell(value=each.count, form="count"),
    ]


_DRAWN = ("objective", "success", "gradient")

Path = Mapping[str, np.ndarray]
"""The columns of an image's trace."""


def _charts(stored: Stored) -> Iterator[Charts]:
    """How the attacks went, where any was traced."""
    paths = {attack: each for attack in stored.attacks if (each := _paths(stored.records(), attack))}
    if not paths:
        return
    lines = {attack: _grids(each) for attack, each in paths.items()}
    drawn = [
        _chart("Objective", "share of its range", lines, "objective", y_range=(0.0, 1.0)),
        _chart("Success", "fooled so far", lines, "success", y_range=(0.0, 1.0), percent=True),
        _chart("Gradient", "L2 norm", lines, "gradient", log_y=True),
    ]
    yield Charts(
        "How the attacks went",
        "By the looks that an attack took at the model, over all of its climbs; the median of the images, "
        "with a band from the first to the third quartile. The objective is scaled to its range on each "
        "image, from 0, the least, to 1, the greatest; what still rises at the right end is not finished. "
        "An image that is fooled counts as such from then on. The gradient is that of the objective by the "
        "variables of the attack, in L2.",
        [chart for chart in drawn if chart.lines],
    )


def _paths(records: pa.Table, attack: str) -> list[Path]:
    rows = records.filter((pc.field("attack") == attack) & pc.field("look").is_valid())
    columns = {name: rows[name].to_numpy(zero_copy_only=False) for name in ("look", *_DRAWN)}
    ids = np.array(rows["id"].to_pylist(), str)
    return [
        {name: values[ids == each] for name, values in columns.items()}
        for each in dict.fromkeys(ids.tolist())
    ]


def _grids(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Images by looks (N, T) of each column, NaN where an image took no such look; `look` is (T,)."""
    looks = np.unique(np.concatenate([path["look"] for path in paths]))
    grids = {name: np.full((len(paths), len(looks)), np.nan) for name in _DRAWN}
    for row, path in enumerate(paths):
        at = np.searchsorted(looks, path["look"])
        grids["objective"][row, at] = _scaled(path["objective"].astype(float))
        grids["gradient"][row, at] = path["gradient"].astype(float)
        ever = np.zeros(len(looks))
        ever[at] = path["success"].astype(float)
        grids["success"][row] = np.maximum.accumulate(ever)
    return {"look": looks, **grids}


def _scaled(values: np.ndarray) -> np.ndarray:
    known = values[np.isfinite(values)]
    spread = np.ptp(known) if len(known) else 0.0
    return (values - known.min()) / spread if spread > 0 else np.where(np.isfinite(values), 1.0, np.nan)


def _chart(
    title: str,
    y_label: str,
    grids: Mapping[str, Mapping[str, np.ndarray]],
    name: str,
    y_range: tuple[float, float] | None = None,
    percent: bool = False,
    log_y: bool = False,
) -> Chart:
    lines = [
        _line(attack, grid["look"], grid[name], name == "success")
        for attack, grid in grids.items()
        if np.isfinite(grid[name]).any()
    ]
    return Chart(title, "looks at the model", y_label, lines, y_range=y_range, percent=percent, log_y=log_y)


def _line(attack: str, looks: np.ndarray, grid: np.ndarray, share: bool) -> Line:
    """The median of the images that have a number, with quartiles; of a share the mean alone."""
    if share:
        return Line(attack, looks.tolist(), grid.mean(0).tolist(), series=attack, steps=True)
    low, middle, high = ([_quartile(column, q) for column in grid.T] for q in (0.25, 0.5, 0.75))
    return Line(attack, looks.tolist(), middle, low, high, series=attack)


def _quartile(values: np.ndarray, share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if len(known) else math.nan

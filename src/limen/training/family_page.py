"""The page of a family of networks: how far chance takes them apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from limen.document import Cell, Chart, Charts, Document, Group, Line, Table
from limen.document.numbers import Form
from limen.training.curves import facts
from limen.training.settings import Epoch, Settings
from limen.training.task import Task

Column = tuple[str, Form, Callable[[Epoch], float | None]]

_COLUMNS: tuple[Column, ...] = (
    ("loss", "number", lambda epoch: epoch.loss),
    ("accuracy", "share", lambda epoch: epoch.accuracy),
    ("robust accuracy", "share", lambda epoch: epoch.robust_accuracy),
    ("dual", "number", lambda epoch: None if epoch.dual is None else epoch.dual.value),
)


def describe_family(
    histories: Mapping[int, Sequence[Epoch]], task: Task, settings: Settings, models: int
) -> Document:
    """What the models of a family came to.

    Args:
        histories: The epochs of each finished model, by its number.
        task: What was trained on what.
        settings: Of the first model.
        models: How many there shall be.

    Returns:
        A document with a row of each model, what they have in common, and curves with bands of all.

    Example:
        >>> told = {0: [Epoch(1, 2.0, 0.5, None, 0.1, 3.0)], 1: [Epoch(1, 1.0, 0.7, None, 0.1, 3.0)]}
        >>> page = describe_family(told, Task("demo:digits", "demo:digits"), Settings(1), 2)
        >>> page.blocks[0].groups[0].rows[0][2].value
        0.6
    """
    numbers = sorted(histories)
    last = [histories[number][-1] for number in numbers]
    columns = [column for column in _COLUMNS if column[2](last[0]) is not None]
    found = {name: np.array([value(epoch) for epoch in last], float) for name, _, value in columns}
    found["seconds"] = np.array([sum(epoch.seconds for epoch in histories[number]) for number in numbers])
    forms: dict[str, Form] = {**{name: form for name, form, _ in columns}, "seconds": "number"}
    blocks = [
        _summary(forms, found, len(numbers), models),
        Charts(
            "Curves",
            "The mean over all models, and a band from the least to the greatest.",
            _curves(histories),
        ),
        _models(forms, found, numbers, settings.seed),
    ]
    return Document(f"Family of {task.model}", settings=facts(task, settings), blocks=blocks)


def _summary(forms: Mapping[str, Form], found: Mapping[str, np.ndarray], count: int, models: int) -> Table:
    statistics: dict[str, Callable[[np.ndarray], float]] = {
        "mean": lambda values: float(values.mean()),
        "standard deviation": lambda values: float(values.std(ddof=1)) if count > 1 else math.nan,
        "least": lambda values: float(values.min()),
        "greatest": lambda values: float(values.max()),
    }
    rows = [
        [Cell(name), *(Cell(value=of(found[column]), form=form) for column, form in forms.items())]
        for name, of in statistics.items()
    ]
    caption = (
        f"Over {count} of {models} models, after the last epoch of each; they differ in their seeds alone."
    )
    return Table("All models", caption, ["", *forms], [Group("", rows)])


def _models(
    forms: Mapping[str, Form], found: Mapping[str, np.ndarray], numbers: Sequence[int], seed: int
) -> Table:
    rows = [
        [
            Cell(f"{number:03d}"),
            Cell(str(seed + number)),
            *(Cell(value=found[column][place], form=form) for column, form in forms.items()),
        ]
        for place, number in enumerate(numbers)
    ]
    return Table("Each model", "", ["model", "seed", *forms], [Group("", rows)])


def _curves(histories: Mapping[int, Sequence[Epoch]]) -> list[Chart]:
    epochs = [epoch.number for epoch in next(iter(histories.values()))]
    charts = []
    for name, form, value in _COLUMNS:
        values = [[value(epoch) for epoch in history] for history in histories.values()]
        if any(None in row for row in values):
            continue
        table = np.array(values, float)
        line = Line("mean", epochs, table.mean(0).tolist(), table.min(0).tolist(), table.max(0).tolist())
        share = form == "share"
        charts.append(
            Chart(name.capitalize(), "epoch", name, [line], y_range=(0, 1) if share else None, percent=share)
        )
    return charts

"""The page of a training: its curves, as a document."""

from __future__ import annotations

from collections.abc import Sequence

from limen.document import Cell, Chart, Charts, Document, Group, Line, Table
from limen.training.network import Task, best
from limen.training.settings import Epoch, Settings


def describe(
    history: Sequence[Epoch], title: str = "Training", told: Sequence[tuple[str, str]] = ()
) -> Document:
    """What the epochs of a training came to.

    Args:
        history: The epochs.
        title: What was trained.
        told: What it was trained with, as names and values.

    Returns:
        A document with the last and the best epoch, and curves against epochs.

    Example:
        >>> page = describe([Epoch(1, 2.0, 0.5, None, 0.1, 3.0), Epoch(2, 1.0, 0.75, None, 0.0, 3.0)])
        >>> [chart.title for chart in page.blocks[1].charts]
        ['Loss', 'Accuracy', 'Learning rate']
    """
    epochs = tuple(history)
    charts = [
        _chart("Loss", "mean loss", epochs, {"training": [each.loss for each in epochs]}),
        _chart("Accuracy", "accuracy", epochs, _accuracies(epochs), share=True),
        _chart(
            "Learning rate",
            "learning rate",
            epochs,
            {"of the last step": [each.learning_rate for each in epochs]},
        ),
    ]
    if figures := epochs[-1].figures:
        lines = {name: [each.figures[name] for each in epochs] for name in figures}
        charts.append(_chart("State of the objective", "value", epochs, lines))
    columns = ["", "epoch", "loss", "accuracy", *(["robust accuracy"] if _robust(epochs) else []), "seconds"]
    rows = [_row("last", epochs[-1]), _row("best", best(epochs))]
    judged = "robust accuracy" if _robust(epochs) else "accuracy"
    caption = f"Of all epochs, the best has the greatest {judged}; the loss is a mean before each step."
    return Document(
        title,
        settings=told,
        blocks=[Table("Epochs", caption, columns, [Group("", rows)]), Charts("Curves", "", charts)],
    )


def facts(task: Task, settings: Settings) -> list[tuple[str, str]]:
    """What a training is made with, for its page: everything that is set."""
    given = (*vars(task).items(), *vars(settings).items())
    return [
        (name.replace("_", " "), ", ".join(value) if isinstance(value, tuple) else str(value))
        for name, value in given
        if value is not None and value is not False and value != ()
    ]


def _robust(epochs: Sequence[Epoch]) -> bool:
    return epochs[-1].robust_accuracy is not None


def _accuracies(epochs: Sequence[Epoch]) -> dict[str, list[float]]:
    lines = {"clean": [each.accuracy for each in epochs]}
    robust = [each.robust_accuracy for each in epochs if each.robust_accuracy is not None]
    return {**lines, "under attack": robust} if robust else lines


def _chart(
    title: str, label: str, epochs: Sequence[Epoch], lines: dict[str, list[float]], share: bool = False
) -> Chart:
    numbers = [each.number for each in epochs]
    drawn = [Line(name, numbers, values) for name, values in lines.items()]
    return Chart(title, "epoch", label, drawn, y_range=(0, 1) if share else None, percent=share)


def _row(name: str, epoch: Epoch) -> list[Cell]:
    robust = [] if epoch.robust_accuracy is None else [Cell(value=epoch.robust_accuracy, form="share")]
    return [
        Cell(name),
        Cell(str(epoch.number)),
        Cell(value=epoch.loss),
        Cell(value=epoch.accuracy, form="share"),
        *robust,
        Cell(value=epoch.seconds),
    ]
